//! The test vectors of the requirements, and our own for business hours, closures and openings.

use super::*;
use crate::{
    calendar::Holidays,
    promise::fixtures::{at, calendar, declaration, standard},
};

/// A standard over a calendar, and what it owes from one trigger.
struct Case {
    calendar: Calendar,
    standard: Standard,
}

fn days(holidays: Holidays, days: u32) -> Case {
    Case { calendar: calendar(holidays), standard: standard(Duration::BusinessDays(days)) }
}

fn hours_48(holidays: Holidays) -> Case {
    Case { calendar: calendar(holidays), standard: standard(Duration::ElapsedHours(48)) }
}

fn boston_days(days: u32) -> Case {
    let late = super::super::LateRule {
        after: "17:00:00".parse().expect("a time"),
        counts_from: "08:30:00".parse().expect("a time"),
    };
    let standard = Standard {
        day_rule: DayRule::SameTime,
        closed_day: ClosedDay::SameTimeNextOpenDay,
        late: Some(late),
        ..standard(Duration::BusinessDays(days))
    };
    Case { calendar: calendar(Holidays::None), standard }
}

impl Case {
    fn with(mut self, change: impl FnOnce(&mut Standard)) -> Self {
        change(&mut self.standard);
        self
    }

    fn over(mut self, change: impl FnOnce(&mut Calendar)) -> Self {
        change(&mut self.calendar);
        self
    }

    fn from(&self, trigger: &str) -> Due {
        let declaration = declaration(self.calendar.clone(), vec![self.standard.clone()]);
        due(&declaration, &self.standard, at(trigger)).expect("a duration owed to a matter")
    }

    /// The whole of `last` is left, and not a microsecond more.
    #[track_caller]
    fn ends_with(&self, trigger: &str, last: &str) {
        let due = self.from(trigger);
        assert_eq!(due.due_on.to_string(), last, "from {trigger}");
        assert_eq!(due.due_at, self.calendar.end_of_day(due.due_on), "from {trigger}");
    }

    #[track_caller]
    fn is_due(&self, trigger: &str, strict: &str, rolled: &str) {
        let due = self.from(trigger);
        assert_eq!(due.due_strict_at, at(strict), "strict, from {trigger}");
        assert_eq!(due.due_at, at(rolled), "rolled, from {trigger}");
    }
}

#[test]
fn business_days_in_quebec_skip_its_holidays() {
    days(Holidays::Quebec, 10).ends_with("2026-06-18 09:00", "2026-07-06");
    days(Holidays::Quebec, 2).ends_with("2026-06-23 09:00", "2026-06-26");
    days(Holidays::Quebec, 10).ends_with("2026-12-18 09:00", "2027-01-05");
    days(Holidays::Quebec, 20).ends_with("2026-05-15 09:00", "2026-06-15");
}

#[test]
fn easter_monday_is_closed_only_where_both_days_are() {
    days(Holidays::Quebec, 2).ends_with("2026-04-02 09:00", "2026-04-07");
    days(Holidays::QuebecBothEaster, 2).ends_with("2026-04-02 09:00", "2026-04-08");
}

#[test]
fn holidays_on_a_sunday_move_to_monday() {
    days(Holidays::Quebec, 2).ends_with("2018-06-22 09:00", "2018-06-27");
    days(Holidays::Quebec, 2).ends_with("2018-06-29 09:00", "2018-07-04");
    days(Holidays::Ontario, 2).ends_with("2018-06-29 09:00", "2018-07-04");
}

#[test]
fn business_days_in_ontario_skip_its_holidays() {
    days(Holidays::Ontario, 5).ends_with("2026-02-13 09:00", "2026-02-23");
    days(Holidays::Ontario, 5).ends_with("2026-12-21 09:00", "2026-12-29");
    days(Holidays::Ontario, 10).ends_with("2026-12-21 09:00", "2027-01-06");
    days(Holidays::Ontario, 5).ends_with("2026-09-28 09:00", "2026-10-05");
}

#[test]
fn a_trigger_counts_by_its_calendar_date_even_at_night_or_on_a_weekend() {
    let two_days = days(Holidays::Quebec, 2);
    two_days.ends_with("2026-11-14 10:00", "2026-11-17");
    two_days.ends_with("2026-11-16 23:30", "2026-11-18");
}

#[test]
fn a_trigger_after_closing_counts_from_the_next_business_day_where_declared() {
    let two_days = days(Holidays::Quebec, 2).with(|standard| standard.after_hours = AfterHours::NextBusinessDay);
    two_days.ends_with("2026-11-14 10:00", "2026-11-18");
    two_days.ends_with("2026-11-16 18:59:59", "2026-11-18");
    two_days.ends_with("2026-11-16 19:00", "2026-11-19");
    two_days.ends_with("2026-11-17 05:00", "2026-11-19");
    let same_time = two_days.with(|standard| standard.day_rule = DayRule::SameTime);
    same_time.is_due("2026-11-16 20:00", "2026-11-19 08:00", "2026-11-19 08:00");
}

#[test]
fn hours_elapse_through_nights_and_roll_from_a_closed_day() {
    let two_days = hours_48(Holidays::Quebec);
    two_days.is_due("2026-11-20 16:00", "2026-11-22 16:00", "2026-11-23 16:00");
    two_days.is_due("2026-06-22 17:30", "2026-06-24 17:30", "2026-06-25 17:30");
    let strict = hours_48(Holidays::Quebec).with(|standard| standard.hours_mode = HoursMode::ElapsedStrict);
    strict.is_due("2026-11-20 16:00", "2026-11-22 16:00", "2026-11-22 16:00");
}

#[test]
fn hours_never_roll_where_every_day_is_open() {
    let open_daily = hours_48(Holidays::None).over(|calendar| {
        let week = &mut calendar.hours[0];
        (week.saturday, week.sunday) = (week.monday, week.monday);
    });
    open_daily.is_due("2026-11-20 16:00", "2026-11-22 16:00", "2026-11-22 16:00");
}

#[test]
fn forty_eight_hours_are_forty_eight_hours_on_the_days_that_have_23_or_25() {
    let two_days = hours_48(Holidays::Quebec);
    two_days.is_due("2026-03-07 10:00", "2026-03-09 11:00", "2026-03-09 11:00");
    two_days.is_due("2026-10-31 10:00", "2026-11-02 09:00", "2026-11-02 09:00");
}

#[test]
fn boston_moves_a_closed_day_before_it_looks_at_the_hour() {
    let two_days = boston_days(2);
    two_days.is_due("2011-07-02 18:02:40", "2011-07-07 08:30", "2011-07-07 08:30");
    two_days.is_due("2011-07-02 11:06:01", "2011-07-06 11:06:01", "2011-07-06 11:06:01");
    two_days.is_due("2011-07-01 17:00", "2011-07-06 08:30", "2011-07-06 08:30");
    two_days.is_due("2011-07-01 16:59:59", "2011-07-05 16:59:59", "2011-07-05 16:59:59");
}

#[test]
fn a_closed_day_counts_where_only_the_late_are_moved() {
    let four_days = boston_days(4).with(|standard| {
        standard.duration = Duration::CalendarDays(4);
        standard.day_rule = DayRule::EndOfDay;
        standard.closed_day = ClosedDay::Counts;
    });
    four_days.ends_with("2011-07-01 18:02:40", "2011-07-08");
    four_days.ends_with("2011-07-02 11:06:01", "2011-07-06");
}

#[test]
fn calendar_days_keep_the_wall_clock_across_a_change_of_offset() {
    let days = Case { calendar: calendar(Holidays::None), standard: standard(Duration::CalendarDays(30)) };
    days.ends_with("2026-10-15 09:00", "2026-11-14");
    let same_time = days.with(|standard| standard.day_rule = DayRule::SameTime);
    same_time.is_due("2026-10-15 09:00", "2026-11-14 09:00", "2026-11-14 09:00");
    same_time.is_due("2028-01-30 09:00", "2028-02-29 09:00", "2028-02-29 09:00");
}

fn business_hours(hours: u32) -> Case {
    Case { calendar: calendar(Holidays::Quebec), standard: standard(Duration::BusinessHours(hours)) }
}

#[test]
fn business_hours_run_only_while_open() {
    // Monday to Friday 8 to 19: eleven hours a day.
    business_hours(4).is_due("2026-11-16 09:00", "2026-11-16 13:00", "2026-11-16 13:00");
    business_hours(4).is_due("2026-11-16 17:00", "2026-11-17 10:00", "2026-11-17 10:00");
    business_hours(4).is_due("2026-11-16 05:00", "2026-11-16 12:00", "2026-11-16 12:00");
    business_hours(4).is_due("2026-11-20 18:00", "2026-11-23 11:00", "2026-11-23 11:00");
    business_hours(11).is_due("2026-11-16 08:00", "2026-11-16 19:00", "2026-11-16 19:00");
    business_hours(24).is_due("2026-06-23 08:00", "2026-06-26 10:00", "2026-06-26 10:00");
}

#[test]
fn business_hours_follow_closures_openings_and_the_week_in_force() {
    let storm = business_hours(4).over(|calendar| {
        calendar.openings.push(crate::promise::fixtures::opening("2026-11-21", "10:00", "12:00"));
        calendar.closures.push("2026-11-23".parse().expect("a day"));
    });
    storm.is_due("2026-11-20 18:00", "2026-11-24 09:00", "2026-11-24 09:00");
    let shorter = business_hours(12).over(|calendar| {
        let mut week = calendar.hours[0].clone();
        week.from = "2026-11-17".parse().expect("a day");
        week.tuesday = Some(crate::promise::fixtures::hours("09:00", "12:00"));
        calendar.hours.push(week);
    });
    shorter.is_due("2026-11-16 11:00", "2026-11-18 09:00", "2026-11-18 09:00");
}

#[test]
fn business_hours_elapse_truly_on_the_day_that_repeats_one() {
    let nights = business_hours(5).over(|calendar| {
        calendar.hours[0].sunday = Some(crate::promise::fixtures::hours("00:00", "24:00"));
    });
    nights.is_due("2026-11-01 00:00", "2026-11-01 04:00", "2026-11-01 04:00");
    nights.is_due("2026-03-08 00:00", "2026-03-08 06:00", "2026-03-08 06:00");
}

#[test]
fn an_exceptional_opening_moves_hours_and_never_the_count_of_days() {
    let open = |calendar: &mut Calendar| {
        calendar.openings.push(crate::promise::fixtures::opening("2026-11-21", "08:00", "19:00"));
    };
    days(Holidays::Quebec, 2).over(open).ends_with("2026-11-19 09:00", "2026-11-23");
    hours_48(Holidays::Quebec).over(open).is_due("2026-11-19 16:00", "2026-11-21 16:00", "2026-11-21 16:00");
    let late = days(Holidays::Quebec, 2).with(|standard| standard.after_hours = AfterHours::NextBusinessDay);
    late.over(|calendar| calendar.openings.push(crate::promise::fixtures::opening("2026-11-16", "08:00", "22:00")))
        .ends_with("2026-11-16 21:00", "2026-11-18");
}

#[test]
fn a_closure_is_no_business_day() {
    let closed =
        days(Holidays::Quebec, 2).over(|calendar| calendar.closures.push("2026-11-17".parse().expect("a day")));
    closed.ends_with("2026-11-16 09:00", "2026-11-19");
}

#[test]
fn what_produced_an_instant_is_stored_with_it() {
    let due = days(Holidays::Quebec, 2).from("2026-06-23 09:30");
    assert_eq!(due.trigger_at.to_rfc3339(), "2026-06-23T09:30:00-04:00");
    assert_eq!((due.declaration.as_str(), due.calendar.as_str()), ("2026-1", "test_2026-1"));
    assert_eq!(due.tzdb, "2026e");
}

#[test]
fn a_calendar_that_never_opens_still_answers() {
    let never = business_hours(1).over(|calendar| calendar.hours.clear());
    assert!(never.from("2026-11-16 09:00").due_at >= at("2026-11-16 09:00"));
    let never = days(Holidays::None, u32::MAX).over(|calendar| calendar.hours.clear());
    assert!(never.from("2026-11-16 09:00").due_at >= at("2026-11-16 09:00"));
}
