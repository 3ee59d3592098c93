//! Deterministic simulation: the real writer, followers and projection runner on a simulated database and network.
//!
//! One seed is one small world of two or three server processes, a few clients, one log and one projection. Everything runs
//! in one thread on virtual time, and every choice comes from the seed, so a run that fails once fails again, bit for bit.
//! What is real: `event_store::Desk` (admission, writer, ring, subscriptions, patience) and `projections::seam::run` (runner,
//! fold, checkpoint logic). What is simulated lies below their seams: tables whose commits are atomic ([`database`]) and a
//! network that loses requests, loses answers, delivers late, falls silent, and lets processes sleep or die ([`network`]).
//!
//! For tests only: no crate of the program imports this one. Start at [`run`]; what must hold is in [`check`].

mod check;
mod client;
mod database;
mod follower;
mod ground;
mod network;
mod random;
mod world;

pub use database::Flaw;
pub use world::{Outcome, run};
