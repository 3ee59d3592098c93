//! The rules of the business, and nothing else: aggregates, promises, calendars.
//!
//! Pure: no I/O, no async, no clock. Time, ids and looked-up facts arrive inside a command.
//! Start reading at [`decider`], then [`request`]; [`promise`] and [`calendar`] hold the clock rules
//! once for every aggregate; [`declaration`] is what an organisation has published.

#[cfg(test)]
mod arbitrary;
#[cfg(test)]
mod catalogues;
pub mod decider;
#[cfg(test)]
mod given;
pub mod ids;
pub mod personal;
pub mod time;
pub mod words;

pub mod calendar;
pub mod declaration;
pub mod promise;
pub mod rules;

pub mod access;
pub mod contact;
pub mod number;
pub mod person;
pub mod request;

pub mod codec;
