//! Stories over HTTP against the built program, on both databases.

mod harness;

mod bench;
mod canary;
mod commands;
mod counts;
mod faults;
mod first_door;
mod flips;
mod house;
mod imports;
mod kill;
mod ottawa;
mod pauses;
mod soak;
