//! The contract of the event store, written once for both databases.

mod harness;

mod deletion;
mod expectations;
mod faults;
mod following;
mod racing;
mod reading;
mod repetition;
mod statements;
mod verify;
