//! Standards owed to no single matter: "80 % of calls answered within 2 minutes" (A5 to A8).
//!
//! A pure function of the calls of a period. The waiting time runs from the queue, after the greeting, to an agent's
//! answer. Only calls offered while open count, exceptional openings included. A period without a call that counts
//! has no percentage: not 100 %, and not 0 %.

use chrono::{Datelike, NaiveDate, TimeDelta};

use super::{Duration, Standard};
use crate::{calendar::Calendar, time::Instant};

/// One call, or chat, offered to the agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    pub offered_at: Instant,
    /// From the queue to the answer, or to the hang-up.
    pub waited: TimeDelta,
    pub answered: bool,
}

/// What waiting is short enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threshold {
    /// "At most 2 minutes".
    AtMost(TimeDelta),
    /// "In under a minute".
    Under(TimeDelta),
}

/// A local period; each call belongs to the one in which it was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    Day(NaiveDate),
    Month { year: i32, month: u32 },
    Year(i32),
}

/// The calls of a period, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Service {
    pub answered: u64,
    /// Of those answered, within the threshold.
    pub answered_in_time: u64,
    /// Abandoned after the threshold: the organisation was too slow.
    pub abandoned_late: u64,
    /// Abandoned at or before the threshold: left out of the percentage and reported apart (A6).
    pub abandoned_early: u64,
    /// Offered while closed: left out and reported apart (A7).
    pub outside_hours: u64,
}

impl Threshold {
    /// Of a standard measured in seconds.
    pub fn of(standard: &Standard) -> Option<Self> {
        match standard.duration {
            Duration::Seconds(seconds) => Some(Self::AtMost(TimeDelta::seconds(seconds.into()))),
            Duration::UnderSeconds(seconds) => Some(Self::Under(TimeDelta::seconds(seconds.into()))),
            _ => None,
        }
    }

    pub fn is_met(self, waited: TimeDelta) -> bool {
        match self {
            Self::AtMost(limit) => waited <= limit,
            Self::Under(limit) => waited < limit,
        }
    }

    fn limit(self) -> TimeDelta {
        match self {
            Self::AtMost(limit) | Self::Under(limit) => limit,
        }
    }
}

impl Period {
    pub fn contains(self, day: NaiveDate) -> bool {
        match self {
            Self::Day(only) => day == only,
            Self::Month { year, month } => (day.year(), day.month()) == (year, month),
            Self::Year(year) => day.year() == year,
        }
    }
}

impl Service {
    /// What the percentage is of: answered, and abandoned after the threshold.
    pub fn counted(&self) -> u64 {
        self.answered + self.abandoned_late
    }

    /// Percentage answered in time, if any call counts.
    pub fn percent(&self) -> Option<f64> {
        let counted = self.counted();
        (counted > 0).then(|| self.answered_in_time as f64 * 100.0 / counted as f64)
    }

    /// Whether a target percentage was reached; unknown for an empty period. Compared without rounding.
    pub fn reaches(&self, target_percent: f64) -> Option<bool> {
        let counted = self.counted();
        (counted > 0).then_some(self.answered_in_time as f64 * 100.0 >= target_percent * counted as f64)
    }
}

/// Counts the calls of one period.
pub fn measure(
    calendar: &Calendar,
    threshold: Threshold,
    period: Period,
    calls: impl IntoIterator<Item = Call>,
) -> Service {
    let mut service = Service::default();
    for call in calls {
        if !period.contains(calendar.local(call.offered_at).date_naive()) {
            continue;
        }
        if !calendar.is_open(call.offered_at) {
            service.outside_hours += 1;
        } else if call.answered {
            service.answered += 1;
            service.answered_in_time += u64::from(threshold.is_met(call.waited));
        } else if call.waited <= threshold.limit() {
            service.abandoned_early += 1;
        } else {
            service.abandoned_late += 1;
        }
    }
    service
}

#[cfg(test)]
mod examples {
    use super::*;
    use crate::{
        calendar::Holidays,
        promise::fixtures::{at, calendar, opening, standard},
    };

    const NOVEMBER: Period = Period::Month { year: 2026, month: 11 };

    fn call(offered: &str, waited: i64, answered: bool) -> Call {
        Call { offered_at: at(offered), waited: TimeDelta::milliseconds(waited), answered }
    }

    fn answered(waited: i64) -> Call {
        call("2026-11-16 09:00", waited, true)
    }

    fn abandoned(waited: i64) -> Call {
        call("2026-11-16 09:00", waited, false)
    }

    fn over(threshold: Duration, calls: &[Call]) -> Service {
        let threshold = Threshold::of(&standard(threshold)).expect("seconds");
        measure(&calendar(Holidays::Quebec), threshold, NOVEMBER, calls.iter().copied())
    }

    #[test]
    fn at_most_two_minutes_includes_the_second_minute() {
        let service = over(Duration::Seconds(120), &[answered(120_000), answered(120_001)]);
        assert_eq!((service.answered_in_time, service.answered), (1, 2));
    }

    #[test]
    fn under_a_minute_leaves_the_minute_out() {
        let service = over(Duration::UnderSeconds(60), &[answered(59_999), answered(60_000)]);
        assert_eq!((service.answered_in_time, service.answered), (1, 2));
    }

    #[test]
    fn an_early_hang_up_is_reported_apart_and_a_late_one_counts() {
        let service = over(Duration::Seconds(120), &[answered(10_000), abandoned(120_000), abandoned(121_000)]);
        assert_eq!((service.abandoned_early, service.abandoned_late), (1, 1));
        assert_eq!(service.percent(), Some(50.0));
        let strict = over(Duration::UnderSeconds(60), &[abandoned(60_000)]);
        assert_eq!((strict.abandoned_early, strict.abandoned_late), (1, 0));
    }

    #[test]
    fn an_empty_period_has_no_percentage() {
        assert_eq!(over(Duration::Seconds(120), &[]).percent(), None);
        let only_early = over(Duration::Seconds(120), &[abandoned(5_000)]);
        assert_eq!((only_early.percent(), only_early.reaches(80.0)), (None, None));
    }

    #[test]
    fn only_calls_offered_while_open_count() {
        let threshold = Threshold::AtMost(TimeDelta::seconds(120));
        let calls = [
            call("2026-11-16 07:59:59", 1_000, true),
            call("2026-11-16 08:00", 1_000, true),
            call("2026-11-16 18:59:59", 1_000, true),
            call("2026-11-16 19:00", 1_000, true),
            call("2026-11-21 10:00", 1_000, true),
        ];
        let usual = measure(&calendar(Holidays::Quebec), threshold, NOVEMBER, calls);
        assert_eq!((usual.answered, usual.outside_hours), (2, 3));
        let mut storm = calendar(Holidays::Quebec);
        storm.openings.push(opening("2026-11-21", "09:00", "12:00"));
        assert_eq!(measure(&storm, threshold, NOVEMBER, calls).answered, 3);
    }

    #[test]
    fn a_period_is_a_local_day_month_or_year() {
        let threshold = Threshold::AtMost(TimeDelta::seconds(120));
        let mut always = calendar(Holidays::None);
        always.openings.push(opening("2026-10-31", "00:00", "24:00"));
        // 23:30 local on 31 October is already November in UTC.
        let calls = [call("2026-10-31 23:30", 1_000, true)];
        let count = |period| measure(&always, threshold, period, calls).answered;
        assert_eq!(count(NOVEMBER), 0);
        assert_eq!(count(Period::Month { year: 2026, month: 10 }), 1);
        assert_eq!(count(Period::Day("2026-10-31".parse().expect("a day"))), 1);
        assert_eq!((count(Period::Year(2026)), count(Period::Year(2025))), (1, 0));
    }

    #[test]
    fn eighty_percent_of_the_time_is_reached_at_four_calls_of_five() {
        let mut calls = vec![answered(1_000); 4];
        calls.push(answered(500_000));
        assert_eq!(over(Duration::Seconds(120), &calls).reaches(80.0), Some(true));
        calls.push(answered(500_000));
        assert_eq!(over(Duration::Seconds(120), &calls).reaches(80.0), Some(false));
        let nearly = Service { answered: 1_000, answered_in_time: 796, ..Service::default() };
        assert_eq!(nearly.reaches(80.0), Some(false), "79.6 is shown as 80 and is not");
    }
}
