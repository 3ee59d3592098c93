//! Statutory holidays by rule, for any year.
//!
//! Québec: the CNESST list (Act respecting labour standards, s. 60; National Holiday Act, s. 2). Ontario: the nine
//! of the Employment Standards Act, 2000. Neither has 30 September, 11 November or the Civic Holiday, and the only
//! days moved are 24 June and 1 July when they fall on a Sunday.

use chrono::{Datelike, Days, NaiveDate, Weekday};
use serde::{Deserialize, Serialize};

/// Which statutory holidays close the organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holidays {
    #[default]
    None,
    /// CNESST's eight days with Good Friday.
    Quebec,
    /// The eight days with Good Friday and Easter Monday.
    QuebecBothEaster,
    /// ESA's nine days.
    Ontario,
}

impl Holidays {
    pub fn contains(self, day: NaiveDate) -> bool {
        match self {
            Self::None => false,
            Self::Quebec => common(day) || is_national_holiday(day),
            Self::QuebecBothEaster => common(day) || is_national_holiday(day) || is_after_easter(day, 1),
            Self::Ontario => common(day) || is_family_day(day) || (day.month(), day.day()) == (12, 26),
        }
    }
}

/// The days that both provinces keep.
fn common(day: NaiveDate) -> bool {
    let monday = day.weekday() == Weekday::Mon;
    match (day.month(), day.day()) {
        (1, 1) | (12, 25) => true,
        (3 | 4, _) => is_after_easter(day, -2),
        (5, 18..=24) | (9, 1..=7) | (10, 8..=14) => monday, // Patriotes and Victoria; Labour; Thanksgiving
        (7, 1) => day.weekday() != Weekday::Sun,
        (7, 2) => monday,
        _ => false,
    }
}

/// 24 June, and also the 25th when the 24th is a Sunday.
fn is_national_holiday(day: NaiveDate) -> bool {
    match (day.month(), day.day()) {
        (6, 24) => true,
        (6, 25) => day.weekday() == Weekday::Mon,
        _ => false,
    }
}

/// The third Monday of February, since 2008.
fn is_family_day(day: NaiveDate) -> bool {
    day.year() >= 2008 && day.month() == 2 && (15..=21).contains(&day.day()) && day.weekday() == Weekday::Mon
}

fn is_after_easter(day: NaiveDate, days: i64) -> bool {
    easter(day.year()).is_some_and(|easter| (day - easter).num_days() == days)
}

/// Easter Sunday by the anonymous Gregorian algorithm (Meeus, Jones and Butcher).
fn easter(year: i32) -> Option<NaiveDate> {
    let golden = year.rem_euclid(19);
    let century = year.div_euclid(100);
    let of_century = year.rem_euclid(100);
    let leap_centuries = century / 4;
    let moon_correction = (century - (century + 8) / 25 + 1) / 3;
    let epact = (19 * golden + century - leap_centuries - moon_correction + 15).rem_euclid(30);
    let to_sunday = (32 + 2 * (century % 4) + 2 * (of_century / 4) - epact - of_century % 4).rem_euclid(7);
    let correction = (golden + 11 * epact + 22 * to_sunday) / 451;
    let since_21_march = epact + to_sunday - 7 * correction + 1;
    NaiveDate::from_ymd_opt(year, 3, 21)?.checked_add_days(Days::new(u64::try_from(since_21_march).ok()?))
}
