//! What holds for every trigger from 2000 to 2050, every calendar and every standard.

use chrono::{DateTime, Datelike};
use proptest::prelude::*;

use super::*;
use crate::{
    calendar::{ExceptionalOpening, Holidays},
    promise::{
        LateRule,
        fixtures::{calendar, declaration, hours, standard},
    },
};

/// Any second from 2000 to 2050, and often one of the days on which clocks and calendars trip.
fn triggers() -> impl Strategy<Value = Instant> {
    let any_second = 946_684_800_i64..2_556_143_999;
    let second_of_a_day = 0_i64..30 * 3600;
    let awkward = prop::sample::select(vec![
        "2026-03-08T05:00:00Z",
        "2026-11-01T04:00:00Z",
        "2000-02-29T05:00:00Z",
        "2028-02-29T05:00:00Z",
        "2050-12-31T05:00:00Z",
        "2027-12-31T05:00:00Z",
        "2018-06-30T04:00:00Z",
    ]);
    let awkward = (awkward, second_of_a_day)
        .prop_map(|(start, seconds)| start.parse::<Instant>().expect("an instant") + TimeDelta::seconds(seconds));
    prop_oneof![any_second.prop_map(|at| DateTime::from_timestamp(at, 0).expect("an instant")), awkward]
}

/// Calendars around a day: any holidays, perhaps an open Saturday, closures and openings in the weeks that follow.
fn calendars(near: NaiveDate) -> impl Strategy<Value = Calendar> {
    let holidays =
        prop::sample::select(vec![Holidays::None, Holidays::Quebec, Holidays::QuebecBothEaster, Holidays::Ontario]);
    let days = || prop::collection::btree_set(0_u64..60, 0..4);
    (holidays, any::<bool>(), days(), days()).prop_map(move |(holidays, saturday, closures, openings)| {
        let day = |offset| near + Days::new(offset);
        let mut calendar = calendar(holidays);
        calendar.hours[0].saturday = saturday.then(|| hours("10:00", "14:00"));
        calendar.closures = closures.into_iter().map(day).collect();
        let opened = |on| ExceptionalOpening { on, hours: hours("06:00", "24:00"), reason: "storm".to_owned() };
        calendar.openings = openings.into_iter().map(day).map(opened).collect();
        calendar
    })
}

fn in_days() -> impl Strategy<Value = Standard> {
    let duration =
        prop_oneof![(1_u32..40).prop_map(Duration::BusinessDays), (1_u32..400).prop_map(Duration::CalendarDays)];
    let late = prop::option::of(12_u32..23);
    (duration, any::<bool>(), any::<bool>(), any::<bool>(), late).prop_map(
        |(duration, same_time, next, closed, late)| {
            let time = |hour| NaiveTime::from_hms_opt(hour, 0, 0).expect("a time");
            Standard {
                day_rule: if same_time { DayRule::SameTime } else { DayRule::EndOfDay },
                after_hours: if next { AfterHours::NextBusinessDay } else { AfterHours::CalendarDate },
                closed_day: if closed { ClosedDay::SameTimeNextOpenDay } else { ClosedDay::Counts },
                late: late.map(|hour| LateRule { after: time(hour), counts_from: time(8) }),
                ..standard(duration)
            }
        },
    )
}

fn to_the_end_of_a_day() -> impl Strategy<Value = Standard> {
    in_days().prop_map(|standard| Standard { day_rule: DayRule::EndOfDay, ..standard })
}

fn in_hours() -> impl Strategy<Value = Standard> {
    let duration =
        prop_oneof![(1_u32..200).prop_map(Duration::ElapsedHours), (1_u32..200).prop_map(Duration::BusinessHours)];
    duration.prop_map(standard)
}

fn standards() -> impl Strategy<Value = Standard> {
    prop_oneof![in_days(), in_hours()]
}

/// Boston's two rules are not monotonic together, nor is the second alone. Where a closed day moves to the next one: opened
/// on Saturday at 18:02 counts from Monday at 18:02, hence from Tuesday at 08:30, while opened on Monday at 09:00 counts
/// from then. Where the late do but closed days count: opened on Friday at 18:02 counts from Monday, while opened on
/// Saturday counts from Saturday.
fn monotonic() -> impl Strategy<Value = Standard> {
    let in_days = to_the_end_of_a_day().prop_map(|standard| Standard {
        closed_day: ClosedDay::Counts,
        late: standard.late.filter(|_| standard.after_hours == AfterHours::NextBusinessDay),
        ..standard
    });
    prop_oneof![in_days, in_hours()]
}

/// A trigger, a calendar around it, a standard.
fn cases(standards: impl Strategy<Value = Standard> + Clone) -> impl Strategy<Value = (Instant, Calendar, Standard)> {
    triggers().prop_flat_map(move |at| (Just(at), calendars(at.date_naive()), standards.clone()))
}

fn owed(calendar: &Calendar, standard: &Standard, trigger: Instant) -> Due {
    due(&declaration(calendar.clone(), vec![]), standard, trigger).expect("a duration owed to a matter")
}

proptest! {
    #[test]
    fn a_due_instant_is_never_early((trigger, calendar, standard) in cases(standards().boxed())) {
        let due = owed(&calendar, &standard, trigger);
        prop_assert!(trigger < due.due_strict_at && due.due_strict_at <= due.due_at);
        let (start, end) = (calendar.local(trigger).date_naive(), calendar.local(due.due_at).date_naive());
        let last = if standard.day_rule == DayRule::SameTime { end } else { due.due_on };
        match standard.duration {
            Duration::ElapsedHours(hours) => {
                prop_assert_eq!(due.due_strict_at - trigger, TimeDelta::hours(hours.into()));
                prop_assert!(calendar.is_open_day(end));
            }
            Duration::BusinessHours(hours) => {
                prop_assert_eq!(calendar.business_time_between(trigger, due.due_at), TimeDelta::hours(hours.into()));
            }
            Duration::BusinessDays(days) => {
                prop_assert!(calendar.business_days_between(start, last) >= days);
            }
            Duration::CalendarDays(days) => prop_assert!((last - start).num_days() >= days.into()),
            _ => prop_assert!(false, "no other duration is owed to a matter"),
        }
    }

    #[test]
    fn the_end_of_a_day_is_the_end_of_a_local_day(
        (trigger, calendar, standard) in cases(to_the_end_of_a_day().boxed()),
    ) {
        let due = owed(&calendar, &standard, trigger);
        let local = calendar.local(due.due_at);
        prop_assert_eq!(local.time(), NaiveTime::MIN);
        prop_assert_eq!(local.date_naive().pred_opt(), Some(due.due_on));
        prop_assert!(due.due_on.year() >= 2000);
    }

    #[test]
    fn a_later_trigger_is_never_due_sooner(
        (trigger, calendar, standard) in cases(monotonic().boxed()),
        later in 0_i64..20 * 86_400,
    ) {
        let first = owed(&calendar, &standard, trigger);
        let second = owed(&calendar, &standard, trigger + TimeDelta::seconds(later));
        prop_assert!(first.due_strict_at <= second.due_strict_at);
    }

    #[test]
    fn a_pause_never_shortens(
        (trigger, calendar, standard) in cases(standards().boxed()),
        pauses in prop::collection::vec((0_i64..10 * 86_400, 0_i64..10 * 86_400), 1..4),
    ) {
        let declaration = declaration(calendar.clone(), vec![]);
        let mut due = owed(&calendar, &standard, trigger);
        let mut now = trigger;
        for (until_pause, paused_for) in pauses {
            let paused_at = now + TimeDelta::seconds(until_pause);
            let resumed_at = paused_at + TimeDelta::seconds(paused_for);
            let after = resumed(&declaration, &standard, &due, paused_at, resumed_at);
            prop_assert!(after.due_at >= due.due_at);
            prop_assert!(after.due_strict_at >= due.due_strict_at);
            if let Duration::ElapsedHours(_) = standard.duration {
                prop_assert_eq!(after.due_strict_at - due.due_strict_at, resumed_at - paused_at);
            }
            (due, now) = (after, resumed_at);
        }
    }

    #[test]
    fn a_pause_gives_back_exactly_the_counted_days(
        (trigger, calendar, standard) in cases(to_the_end_of_a_day().boxed()),
        days in 1_u32..40,
        (until_pause, paused_for) in (0_i64..86_400, 0_i64..20 * 86_400),
    ) {
        let standard = Standard { duration: Duration::BusinessDays(days), ..standard };
        let paused_at = trigger + TimeDelta::seconds(until_pause);
        let resumed_at = paused_at + TimeDelta::seconds(paused_for);
        let before = owed(&calendar, &standard, trigger);
        let after = resumed(&declaration(calendar.clone(), vec![]), &standard, &before, paused_at, resumed_at);
        let day = |at| calendar.local(at).date_naive();
        prop_assert_eq!(
            calendar.business_days_between(before.due_on, after.due_on),
            calendar.business_days_between(day(paused_at), day(resumed_at))
        );
    }
}
