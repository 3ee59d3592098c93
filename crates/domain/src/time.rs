//! Instants. All arithmetic on local time goes through [`crate::calendar`].

use std::ops::RangeInclusive;

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, SubsecRound, Utc};

/// The years that a request can have to do with. What is beyond them is a slip of the keyboard or worse: past the year
/// 9999 zones have no rules and instants no fixed width.
const YEARS: RangeInclusive<i32> = 1900..=2199;

/// A UTC instant in whole microseconds.
pub type Instant = DateTime<Utc>;

/// An instant with the organisation's offset at that moment, so that a local day is read, never computed.
pub type Local = DateTime<FixedOffset>;

/// Cut to the whole microseconds that both databases keep.
pub fn whole_microseconds(at: Instant) -> Instant {
    at.trunc_subsecs(6)
}

/// Whether a day is one that somebody can mean. Every door that parses a date asks.
pub fn is_sane(day: NaiveDate) -> bool {
    YEARS.contains(&day.year())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_of_other_ages_are_not_meant() {
        for (year, sane) in
            [(-99_999, false), (1899, false), (1900, true), (2199, true), (2200, false), (262_142, false)]
        {
            assert_eq!(NaiveDate::from_ymd_opt(year, 1, 1).map(is_sane), Some(sane), "{year}");
        }
    }
}
