//! The doors on the real router, over a real application and SQLite. What both databases must agree on is tested
//! below, in their own crates; here it is what callers see.

mod bad_input;
mod first_page;
mod harness;
mod native;
mod open311;
mod policies;
