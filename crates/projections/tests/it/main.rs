//! The runner, the rebuild and the check, on both databases.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod harness;
mod lists;
mod rebuilding;
mod running;
mod statements;
mod stopping;
#[allow(dead_code, reason = "shared with the unit tests, which use the rest")]
mod story;
