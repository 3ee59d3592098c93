//! The judge of a soak: what clients wrote in their ledgers against what stands in the log.
//!
//! It trusts nothing of the server's code and imports no crate of ours. [`log`] reads the tables, [`verify`] is a verifier
//! written from `docs/log-format.md`, [`ledger`] is what clients and harness wrote down while it happened, [`history`] makes
//! operations of it, and [`check()`] holds the invariants of `docs/reliability.md` against both. Linear in the length of the
//! log and of the ledgers, but for two sorts.

pub mod check;
mod deadlines;
pub mod history;
pub mod ledger;
pub mod log;
pub mod report;
mod updates;
pub mod verify;

pub use check::check;
pub use history::History;
pub use ledger::Line;
pub use log::Database;
pub use report::{Invariant, Report};
pub use verify::{Log, read_and_verify};
