//! Instants. All arithmetic on local time goes through [`crate::calendar`].

use chrono::{DateTime, FixedOffset, SubsecRound, Utc};

/// A UTC instant in whole microseconds.
pub type Instant = DateTime<Utc>;

/// An instant with the organisation's offset at that moment, so that a local day is read, never computed.
pub type Local = DateTime<FixedOffset>;

/// Cut to the whole microseconds that both databases keep.
pub fn whole_microseconds(at: Instant) -> Instant {
    at.trunc_subsecs(6)
}
