//! Stories over HTTP against the built program, on both databases.

mod harness;

mod counts;
mod house;
mod imports;
