//! The doors on the real router, over a real application and both databases: what callers see is the same.

mod bad_input;
mod doors;
mod first_page;
mod harness;
mod native;
mod open311;
mod policies;
