//! Calendars: zone, weekly hours, holidays, closures, exceptional openings; and arithmetic on them.
//!
//! The only place where local time is computed, always with the time-zone database bundled in [`jiff`].
//! It knows nothing of standards and promises. Start at [`Calendar`]: an *open day* has hours, a
//! *business day* is one that durations in business days count, and the two differ (see
//! [`Calendar::is_business_day`]).

use chrono::{Datelike, Days, NaiveDate, NaiveTime, TimeDelta, Weekday};
use serde::{Deserialize, Serialize};

use crate::{
    time::{Instant, Local},
    words::Code,
};

mod holidays;
mod zone;

pub use holidays::Holidays;
pub use zone::{NoSuchZone, Zone, time_zone_database_version};

/// No search goes further than a century: a calendar that never opens again must not hang a command.
/// The checks of a declaration refuse such a calendar before anything is promised by it.
const HORIZON_DAYS: u32 = 36_525;

/// When an organisation is open. Versioned with the declaration that holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    /// Names this calendar in `promise.made`: `ville-quebec-311_2024-1`.
    pub version: Code,
    /// IANA name: `America/Toronto`.
    pub zone: Zone,
    #[serde(default)]
    pub holidays: Holidays,
    /// Weekly hours by effective period; the last that has begun holds. Before the first: closed.
    pub hours: Vec<WeeklyHours>,
    /// Whole days closed beyond the statutory ones.
    #[serde(default)]
    pub closures: Vec<NaiveDate>,
    /// Dated openings that replace the day's hours, holidays and closures included (S2-14..16).
    #[serde(default)]
    pub openings: Vec<ExceptionalOpening>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeeklyHours {
    pub from: NaiveDate,
    /// Absent: closed that weekday.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monday: Option<Hours>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuesday: Option<Hours>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wednesday: Option<Hours>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thursday: Option<Hours>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub friday: Option<Hours>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saturday: Option<Hours>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sunday: Option<Hours>,
}

/// Local wall-clock hours of one day, half-open. `close = "24:00"` in the file is midnight at the end of the day,
/// held as `00:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    #[serde(with = "wall_clock")]
    pub open: NaiveTime,
    #[serde(with = "wall_clock::closing")]
    pub close: NaiveTime,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExceptionalOpening {
    pub on: NaiveDate,
    pub hours: Hours,
    pub reason: String,
}

impl WeeklyHours {
    pub fn of(&self, weekday: Weekday) -> Option<Hours> {
        match weekday {
            Weekday::Mon => self.monday,
            Weekday::Tue => self.tuesday,
            Weekday::Wed => self.wednesday,
            Weekday::Thu => self.thursday,
            Weekday::Fri => self.friday,
            Weekday::Sat => self.saturday,
            Weekday::Sun => self.sunday,
        }
    }
}

impl Hours {
    /// Whether it opens before it closes.
    pub fn is_some_time(self) -> bool {
        self.close == NaiveTime::MIN || self.open < self.close
    }

    /// Whether `time` is at or after closing.
    fn is_over(self, time: NaiveTime) -> bool {
        self.close != NaiveTime::MIN && time >= self.close
    }
}

impl Calendar {
    /// The instant with this zone's offset at that moment.
    pub fn local(&self, at: Instant) -> Local {
        self.zone.local(at)
    }

    /// The instant at which the wall clock shows `time` on `day`. In the hour that spring skips it is as much later;
    /// in the hour that autumn repeats it is the first of the two.
    pub fn instant(&self, day: NaiveDate, time: NaiveTime) -> Instant {
        self.zone.instant(day, time)
    }

    /// 24:00 of the day: the first instant that is no longer in it.
    pub fn end_of_day(&self, day: NaiveDate) -> Instant {
        self.instant(following(day), NaiveTime::MIN)
    }

    /// Hours by the week alone, whatever the date brings.
    fn regular_hours(&self, day: NaiveDate) -> Option<Hours> {
        self.hours.iter().filter(|week| week.from <= day).max_by_key(|week| week.from)?.of(day.weekday())
    }

    fn is_closed_exceptionally(&self, day: NaiveDate) -> bool {
        self.holidays.contains(day) || self.closures.contains(&day)
    }

    /// The hours of that very day: an exceptional opening goes before holidays, closures and the week.
    pub fn hours_on(&self, day: NaiveDate) -> Option<Hours> {
        if let Some(opening) = self.openings.iter().find(|opening| opening.on == day) {
            return Some(opening.hours);
        }
        if self.is_closed_exceptionally(day) { None } else { self.regular_hours(day) }
    }

    /// Whether the organisation is open at some hour of that day (A1's "service day").
    pub fn is_open_day(&self, day: NaiveDate) -> bool {
        self.hours_on(day).is_some()
    }

    /// Whether durations in business days count the day: a Monday to Friday that is regularly open, and no holiday
    /// or closure.
    ///
    /// An exceptional opening changes hours, never the count: a Saturday opened for a storm would otherwise bring
    /// every due date of the city forward by a day. For the same reason an organisation open seven days a week
    /// (S0) does not count its weekends.
    pub fn is_business_day(&self, day: NaiveDate) -> bool {
        !matches!(day.weekday(), Weekday::Sat | Weekday::Sun)
            && !self.is_closed_exceptionally(day)
            && self.regular_hours(day).is_some()
    }

    /// The first business day after `day`.
    pub fn next_business_day(&self, day: NaiveDate) -> NaiveDate {
        first(days_after(day), |day| self.is_business_day(day))
    }

    /// `day` itself if the organisation is open then, else the next day on which it is.
    pub fn open_day_from(&self, day: NaiveDate) -> NaiveDate {
        if self.is_open_day(day) { day } else { first(days_after(day), |day| self.is_open_day(day)) }
    }

    /// The `count`-th business day after `day`; `day` itself for none.
    pub fn add_business_days(&self, day: NaiveDate, count: u32) -> NaiveDate {
        let mut left = count;
        let mut reached = day;
        for next in days_after(day).take(HORIZON_DAYS as usize) {
            if left == 0 {
                break;
            }
            reached = next;
            left -= u32::from(self.is_business_day(next));
        }
        reached
    }

    /// How many business days D there are with `after < D <= until`.
    pub fn business_days_between(&self, after: NaiveDate, until: NaiveDate) -> u32 {
        days_after(after).take_while(|day| *day <= until).map(|day| u32::from(self.is_business_day(day))).sum()
    }

    /// Whether a trigger at that local time comes after the day's closing, or on a day that is none (A3, A4).
    pub fn is_after_hours(&self, at: Local) -> bool {
        let day = at.date_naive();
        !self.is_business_day(day) || self.hours_on(day).is_none_or(|hours| hours.is_over(at.time()))
    }

    /// Whether the organisation is open at that instant.
    pub fn is_open(&self, at: Instant) -> bool {
        self.opening(self.local(at).date_naive()).is_some_and(|(open, close)| open <= at && at < close)
    }

    /// The opening and closing instants of a day.
    fn opening(&self, day: NaiveDate) -> Option<(Instant, Instant)> {
        let hours = self.hours_on(day)?;
        let close = if hours.close == NaiveTime::MIN { self.end_of_day(day) } else { self.instant(day, hours.close) };
        let open = self.instant(day, hours.open);
        (open < close).then_some((open, close))
    }

    /// The instant at which `time` of open time has passed since `from`. Time is elapsed time within opening
    /// hours: the hour that autumn repeats counts twice, the one that spring skips not at all.
    pub fn add_business_time(&self, from: Instant, time: TimeDelta) -> Instant {
        let first_day = self.local(from).date_naive();
        let mut left = time;
        let mut reached = from;
        if left <= TimeDelta::zero() {
            return from;
        }
        for day in std::iter::once(first_day).chain(days_after(first_day)).take(HORIZON_DAYS as usize) {
            let Some((open, close)) = self.opening(day) else { continue };
            let start = open.max(from);
            let available = close - start;
            if available <= TimeDelta::zero() {
                continue;
            }
            if left <= available {
                return start + left;
            }
            left -= available;
            reached = close;
        }
        reached
    }

    /// Open time that passed between two instants.
    pub fn business_time_between(&self, from: Instant, until: Instant) -> TimeDelta {
        let first_day = self.local(from).date_naive();
        let last_day = self.local(until).date_naive();
        std::iter::once(first_day)
            .chain(days_after(first_day))
            .take_while(|day| *day <= last_day)
            .filter_map(|day| self.opening(day))
            .map(|(open, close)| (close.min(until) - open.max(from)).max(TimeDelta::zero()))
            .sum()
    }
}

/// The day after, standing still at the end of time.
fn following(day: NaiveDate) -> NaiveDate {
    day.checked_add_days(Days::new(1)).unwrap_or(day)
}

fn days_after(day: NaiveDate) -> impl Iterator<Item = NaiveDate> {
    std::iter::successors(day.succ_opt(), NaiveDate::succ_opt)
}

/// The first day that fits, or the last one looked at when none does within the horizon.
fn first(mut days: impl Iterator<Item = NaiveDate>, fits: impl Fn(NaiveDate) -> bool) -> NaiveDate {
    let mut reached = NaiveDate::MAX;
    for day in days.by_ref().take(HORIZON_DAYS as usize) {
        reached = day;
        if fits(day) {
            break;
        }
    }
    reached
}

/// `HH:MM` in files and in the log.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands fields over by reference")]
mod wall_clock {
    use chrono::NaiveTime;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(time: &NaiveTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&time.format("%H:%M"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NaiveTime, D::Error> {
        let text = String::deserialize(deserializer)?;
        NaiveTime::parse_from_str(&text, "%H:%M").map_err(|_| D::Error::custom("a time of day is written HH:MM"))
    }

    /// The same, where `24:00` is the end of the day.
    pub(super) mod closing {
        use super::{Deserialize, Deserializer, Error, NaiveTime, Serializer};

        pub(in super::super) fn serialize<S: Serializer>(time: &NaiveTime, serializer: S) -> Result<S::Ok, S::Error> {
            if *time == NaiveTime::MIN { serializer.serialize_str("24:00") } else { super::serialize(time, serializer) }
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NaiveTime, D::Error> {
            let text = String::deserialize(deserializer)?;
            if text == "24:00" {
                return Ok(NaiveTime::MIN);
            }
            match NaiveTime::parse_from_str(&text, "%H:%M") {
                Ok(time) if time != NaiveTime::MIN => Ok(time),
                _ => Err(D::Error::custom("a closing time is written HH:MM, up to 24:00")),
            }
        }
    }
}
