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
        // Patriotes and Victoria; Labour; Thanksgiving; 1 July when the 1st is a Sunday.
        (5, 18..=24) | (9, 1..=7) | (10, 8..=14) | (7, 2) => monday,
        (7, 1) => day.weekday() != Weekday::Sun,
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

#[cfg(test)]
mod examples {
    use std::collections::BTreeSet;

    use super::*;

    /// See `tests/data/SOURCE.md`.
    const PUBLISHED: &str = include_str!("../../tests/data/holidays_qc_on_2010_2035.csv");

    fn published(province: &str, is_listed: impl Fn(&str, &str) -> bool) -> BTreeSet<NaiveDate> {
        let rows = PUBLISHED.lines().skip(1).map(|line| line.splitn(4, ',').collect::<Vec<_>>());
        rows.filter(|row| row[0] == province && is_listed(row[2], row[3]))
            .map(|row| row[1].parse().expect("a day"))
            .collect()
    }

    fn ours(holidays: Holidays) -> BTreeSet<NaiveDate> {
        let first = NaiveDate::from_ymd_opt(2010, 1, 1).expect("a day");
        first.iter_days().take_while(|day| day.year() <= 2035).filter(|day| holidays.contains(*day)).collect()
    }

    fn texts(days: impl IntoIterator<Item = NaiveDate>) -> Vec<String> {
        days.into_iter().map(|day| day.to_string()).collect()
    }

    /// What the published list does not represent: the days that Sunday moves.
    #[track_caller]
    fn differs_only_where_sunday_moves(ours: &BTreeSet<NaiveDate>, published: &BTreeSet<NaiveDate>, added: &[&str]) {
        assert_eq!(texts(ours.difference(published).copied()), added);
        let sundays = ["2012-07-01", "2018-07-01", "2029-07-01", "2035-07-01"];
        assert_eq!(texts(published.difference(ours).copied()), sundays);
    }

    #[test]
    fn quebec_is_the_published_list() {
        let list = published("QC", |optional, _| optional == "0");
        let added = [
            "2012-06-25",
            "2012-07-02",
            "2018-06-25",
            "2018-07-02",
            "2029-06-25",
            "2029-07-02",
            "2035-06-25",
            "2035-07-02",
        ];
        differs_only_where_sunday_moves(&ours(Holidays::Quebec), &list, &added);
    }

    #[test]
    fn ontario_is_the_published_list() {
        let list = published("ON", |optional, _| optional == "0");
        let added = ["2012-07-02", "2018-07-02", "2029-07-02", "2035-07-02"];
        differs_only_where_sunday_moves(&ours(Holidays::Ontario), &list, &added);
    }

    #[test]
    fn both_easter_days_are_the_list_and_easter_monday() {
        let added: BTreeSet<NaiveDate> =
            ours(Holidays::QuebecBothEaster).difference(&ours(Holidays::Quebec)).copied().collect();
        assert_eq!(added, published("ON", |_, name| name == "Lundi de Pâques"));
    }

    #[test]
    fn neither_has_the_days_that_only_the_federal_government_keeps() {
        for day in ["2026-09-30", "2026-11-11", "2026-08-03", "2022-09-19"] {
            let day = day.parse().expect("a day");
            assert!(!Holidays::Quebec.contains(day) && !Holidays::Ontario.contains(day), "{day}");
        }
    }

    #[test]
    fn family_day_began_in_2008() {
        assert!(!Holidays::Ontario.contains("2007-02-19".parse().expect("a day")));
        assert!(Holidays::Ontario.contains("2008-02-18".parse().expect("a day")));
    }
}
