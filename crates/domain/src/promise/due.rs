//! The due instants of a promise: at its making, after a pause, after an announced date.
//!
//! Each is computed once, when its event is decided, and stored with what produced it. `due_at` is exclusive: the
//! milestone must come before it. The rules A1 to A4 and A33, and Boston's two, are applied here and nowhere else.

use chrono::{Days, NaiveDate, NaiveTime, TimeDelta};

use super::{AfterHours, ClosedDay, DayRule, Due, Duration, HoursMode, Standard};
use crate::{
    calendar::{Calendar, time_zone_database_version},
    declaration::Declaration,
    time::{Instant, Local, whole_microseconds},
};

/// The due instants of one standard, computed at the trigger; none where no duration is owed to a single matter.
pub fn due(declaration: &Declaration, standard: &Standard, trigger: Instant) -> Option<Due> {
    let calendar = &declaration.calendar;
    let trigger = whole_microseconds(trigger);
    let strict = match standard.duration {
        Duration::ElapsedHours(hours) => later(trigger, hours_of(hours)),
        Duration::BusinessHours(hours) => calendar.add_business_time(trigger, hours_of(hours)),
        Duration::BusinessDays(days) => {
            let start = day_zero(calendar, standard, calendar.local(trigger));
            end(calendar, standard, calendar.add_business_days(start.day, days), start.time)
        }
        Duration::CalendarDays(days) => {
            let start = day_zero(calendar, standard, calendar.local(trigger));
            let last = start.day.checked_add_days(Days::new(days.into())).unwrap_or(NaiveDate::MAX);
            end(calendar, standard, last, start.time)
        }
        Duration::Seconds(_) | Duration::UnderSeconds(_) | Duration::CaseByCase => return None,
    };
    let due_at = rolled(calendar, standard, strict);
    Some(stamped(declaration, calendar.local(trigger), strict, due_at))
}

/// A date that was given, by an imported source or an interim answer: it stands as it is.
pub(super) fn given(declaration: &Declaration, trigger: Instant, due_at: Instant) -> Due {
    let due_at = whole_microseconds(due_at);
    stamped(declaration, declaration.calendar.local(whole_microseconds(trigger)), due_at, due_at)
}

/// An announced date, which extends and never shortens (A19).
pub(super) fn extended(declaration: &Declaration, previous: &Due, anticipated: Instant) -> Due {
    let anticipated = whole_microseconds(anticipated);
    stamped(declaration, previous.trigger_at, anticipated, anticipated.max(previous.due_at))
}

/// After a pause (A33): an hour promise gets its own kind of time back, a day promise the counted days D with
/// pause date < D <= resume date. The previous strict instant is the base, which for an imported promise is the
/// source's own date.
pub(super) fn resumed(
    declaration: &Declaration,
    standard: &Standard,
    previous: &Due,
    paused: Instant,
    resumed: Instant,
) -> Due {
    let calendar = &declaration.calendar;
    let base = previous.due_strict_at;
    let (from, until) = (calendar.local(paused).date_naive(), calendar.local(resumed).date_naive());
    let strict = match standard.duration {
        Duration::ElapsedHours(_) | Duration::Seconds(_) | Duration::UnderSeconds(_) | Duration::CaseByCase => {
            later(base, resumed - paused)
        }
        Duration::BusinessHours(_) => calendar.add_business_time(base, calendar.business_time_between(paused, resumed)),
        Duration::BusinessDays(_) => {
            let days = calendar.business_days_between(from, until);
            move_last_day(calendar, base, |last| calendar.add_business_days(last, days))
        }
        Duration::CalendarDays(_) => {
            let days = u64::try_from((until - from).num_days()).unwrap_or(0);
            move_last_day(calendar, base, |last| last.checked_add_days(Days::new(days)).unwrap_or(last))
        }
    };
    let due_at = rolled(calendar, standard, strict).max(previous.due_at);
    stamped(declaration, previous.trigger_at, strict, due_at)
}

fn stamped(declaration: &Declaration, trigger_at: Local, due_strict_at: Instant, due_at: Instant) -> Due {
    Due {
        trigger_at,
        due_strict_at,
        due_at,
        due_on: last_day(&declaration.calendar, due_at),
        declaration: declaration.version.clone(),
        calendar: declaration.calendar.version.clone(),
        tzdb: time_zone_database_version().to_owned(),
    }
}

/// The local date of an exclusive instant less a microsecond: the last day on which a milestone can come before it.
pub(super) fn last_day(calendar: &Calendar, due_at: Instant) -> NaiveDate {
    let last = due_at.checked_sub_signed(TimeDelta::microseconds(1)).unwrap_or(due_at);
    calendar.local(last).date_naive()
}

/// Day 0 of a duration in days, and the local time it starts from.
struct Start {
    day: NaiveDate,
    time: NaiveTime,
}

/// Boston's two rules, in its order, then A3 and A4.
fn day_zero(calendar: &Calendar, standard: &Standard, trigger: Local) -> Start {
    let mut start = Start { day: trigger.date_naive(), time: trigger.time() };
    if standard.closed_day == ClosedDay::SameTimeNextOpenDay && !calendar.is_business_day(start.day) {
        start.day = calendar.next_business_day(start.day);
    }
    if let Some(late) = standard.late
        && start.time >= late.after
    {
        start = Start { day: calendar.next_business_day(start.day), time: late.counts_from };
    }
    if standard.after_hours == AfterHours::NextBusinessDay {
        let unmoved = start.day == trigger.date_naive();
        if !calendar.is_business_day(start.day) || (unmoved && calendar.is_after_hours(trigger)) {
            let day = calendar.next_business_day(start.day);
            let time = calendar.hours_on(day).map_or(NaiveTime::MIN, |hours| hours.open);
            start = Start { day, time };
        }
    }
    start
}

fn end(calendar: &Calendar, standard: &Standard, last: NaiveDate, time: NaiveTime) -> Instant {
    match standard.day_rule {
        DayRule::EndOfDay => calendar.end_of_day(last),
        DayRule::SameTime => calendar.instant(last, time),
    }
}

/// A1: elapsed hours that end on a day closed all day roll to the same local time on the next open day.
fn rolled(calendar: &Calendar, standard: &Standard, strict: Instant) -> Instant {
    let rolls = matches!(standard.duration, Duration::ElapsedHours(_)) && standard.hours_mode == HoursMode::ElapsedRoll;
    let local = calendar.local(strict);
    if !rolls || calendar.is_open_day(local.date_naive()) {
        return strict;
    }
    calendar.instant(calendar.open_day_from(local.date_naive()), local.time())
}

/// Moves the last day of an exclusive instant and keeps its wall-clock time; midnight stays the end of the last day.
fn move_last_day(calendar: &Calendar, due_at: Instant, moved: impl Fn(NaiveDate) -> NaiveDate) -> Instant {
    let last = last_day(calendar, due_at);
    if calendar.end_of_day(last) == due_at {
        return calendar.end_of_day(moved(last));
    }
    calendar.instant(moved(last), calendar.local(due_at).time())
}

fn hours_of(hours: u32) -> TimeDelta {
    TimeDelta::hours(hours.into())
}

fn later(at: Instant, time: TimeDelta) -> Instant {
    at.checked_add_signed(time).unwrap_or(Instant::MAX_UTC)
}

#[cfg(test)]
mod examples;
#[cfg(test)]
mod properties;
