//! Stories over HTTP against the built program, on both databases.

mod house;
