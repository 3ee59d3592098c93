//! The contract of `db`, on both databases.

mod contract;
mod migrations;
mod postgres;
