//! Each row of the table, as given/when/then.

use super::*;
use crate::promise::Duration;
use crate::{
    calendar::Holidays,
    promise::fixtures::{at, calendar, code, declaration, rules, standard},
};

/// Promises of one standard in one matter, and the acts on them; every event is kept as it comes.
struct Story {
    rules: Rules,
    promises: Promises,
    last: Vec<Event>,
}

fn promised(standard: Standard) -> Story {
    let story = Story {
        rules: rules(declaration(calendar(Holidays::Quebec), vec![standard])),
        promises: Promises::default(),
        last: vec![],
    };
    story.when(|promises, rules| promises.make(rules, &[code("test")], monday(), monday(), None))
}

/// Ten business days: due at the end of Mon 2026-09-28.
fn ten_days() -> Standard {
    Standard { pauses: true, extends: true, ..standard(Duration::BusinessDays(10)) }
}

fn monday() -> Instant {
    at("2026-09-14 09:00")
}

impl Story {
    fn when(mut self, act: impl FnOnce(&Promises, &Rules) -> Vec<Event>) -> Self {
        self.last = act(&self.promises, &self.rules);
        for event in &self.last {
            self.promises.evolve(event);
        }
        self
    }

    fn resolved(self, on: &str) -> Self {
        self.when(|promises, rules| promises.reach(rules, Milestone::Resolution, at(on)))
    }

    fn answered(self, on: &str) -> Self {
        self.when(|promises, rules| promises.reach(rules, Milestone::Answer, at(on)))
    }

    fn announced(self, on: &str, date: &str) -> Self {
        self.when(|promises, rules| promises.interim(rules, at(date), at(on)))
    }

    fn paused(self, on: &str) -> Self {
        self.when(|promises, rules| promises.pause(rules, at(on)))
    }

    fn resumed(self, on: &str) -> Self {
        self.when(|promises, rules| promises.resume(rules, at(on)))
    }

    fn released(self, reason: Release, on: &str) -> Self {
        self.when(|promises, rules| promises.release(rules, reason, at(on)))
    }

    fn unlinked(self, on: &str) -> Self {
        self.when(|promises, rules| promises.restore(rules, at(on)))
    }

    /// What the last act decided, as `<event> #<ordinal> <last day>`.
    #[track_caller]
    fn gives(self, expected: &[&str]) -> Self {
        let told: Vec<String> = self.last.iter().map(tell).collect();
        assert_eq!(told, expected);
        self
    }
}

fn tell(event: &Event) -> String {
    let (word, due_on) = match event {
        Event::Made { due, basis: Basis::Standard, .. } => ("made", Some(due.due_on)),
        Event::Made { due, basis: Basis::Source, .. } => ("made of the source", Some(due.due_on)),
        Event::Made { due, basis: Basis::Interim, .. } => ("made of the announced date", Some(due.due_on)),
        Event::Kept { due_on, .. } => ("kept", Some(*due_on)),
        Event::Missed { due_on, .. } => ("missed", Some(*due_on)),
        Event::Extended { due, .. } => ("extended", Some(due.due_on)),
        Event::Paused { .. } => ("paused", None),
        Event::Resumed { due, .. } => ("resumed", Some(due.due_on)),
        Event::Released { due_on, .. } => ("released", Some(*due_on)),
    };
    let day = due_on.map(|day| format!(" {day}")).unwrap_or_default();
    format!("{word} #{}{day}", event.id().ordinal)
}

#[test]
fn a_milestone_before_the_due_instant_keeps_the_promise() {
    promised(ten_days()).gives(&["made #0 2026-09-28"]).resolved("2026-09-28 23:59").gives(&["kept #0 2026-09-28"]);
}

#[test]
fn a_milestone_at_the_due_instant_is_too_late() {
    promised(ten_days()).resolved("2026-09-29 00:00").gives(&["missed #0 2026-09-28"]);
}

#[test]
fn a_milestone_judges_once_and_only_its_own_promises() {
    promised(ten_days()).answered("2026-09-15 09:00").gives(&[]);
    promised(ten_days()).resolved("2026-09-15 09:00").resolved("2026-09-16 09:00").gives(&[]);
    let answer = Standard { milestone: Milestone::Answer, ..ten_days() };
    promised(answer).answered("2026-09-15 09:00").gives(&["kept #0 2026-09-28"]);
}

#[test]
fn an_announced_date_extends_and_judges_by_itself() {
    promised(ten_days())
        .announced("2026-09-20 09:00", "2026-10-03 00:00")
        .gives(&["extended #0 2026-10-02"])
        .announced("2026-09-21 09:00", "2026-10-10 00:00")
        .gives(&["extended #0 2026-10-09"])
        .resolved("2026-10-09 12:00")
        .gives(&["kept #0 2026-10-09"]);
}

#[test]
fn an_announced_date_that_comes_sooner_shortens_nothing() {
    promised(ten_days()).announced("2026-09-20 09:00", "2026-09-25 00:00").gives(&[]);
}

#[test]
fn an_announced_date_after_the_due_instant_is_a_new_promise() {
    promised(ten_days())
        .announced("2026-10-01 09:00", "2026-10-03 00:00")
        .gives(&["missed #0 2026-09-28", "made of the announced date #1 2026-10-02"])
        .announced("2026-10-02 09:00", "2026-10-10 00:00")
        .gives(&["extended #1 2026-10-09"])
        .resolved("2026-10-10 09:00")
        .gives(&["missed #1 2026-10-09"]);
}

#[test]
fn a_standard_that_does_not_extend_stands() {
    let firm = Standard { extends: false, ..ten_days() };
    promised(firm.clone()).announced("2026-09-20 09:00", "2026-10-03 00:00").gives(&[]);
    promised(firm).announced("2026-10-01 09:00", "2026-10-03 00:00").gives(&[]);
}

#[test]
fn a_pause_adds_the_counted_days_after_the_pause_up_to_the_resume() {
    promised(ten_days())
        .paused("2026-09-16 10:00")
        .gives(&["paused #0"])
        .resumed("2026-09-21 15:00")
        .gives(&["resumed #0 2026-10-01"]);
}

#[test]
fn a_pause_within_one_day_adds_none() {
    promised(ten_days()).paused("2026-09-16 10:00").resumed("2026-09-16 18:00").gives(&["resumed #0 2026-09-28"]);
}

#[test]
fn calendar_days_count_every_day_of_a_pause() {
    let days = Standard { duration: Duration::CalendarDays(10), ..ten_days() };
    promised(days)
        .gives(&["made #0 2026-09-24"])
        .paused("2026-09-18 10:00")
        .resumed("2026-09-21 09:00")
        .gives(&["resumed #0 2026-09-27"]);
}

#[test]
fn elapsed_hours_get_back_the_hours_of_the_pause_and_roll_again() {
    let hours = Standard { duration: Duration::ElapsedHours(48), ..ten_days() };
    let story = promised(hours).paused("2026-09-15 09:00").resumed("2026-09-18 12:00");
    let Some(Event::Resumed { due, .. }) = story.last.first() else { panic!("it resumes") };
    assert_eq!(due.due_strict_at, at("2026-09-19 12:00"));
    assert_eq!(due.due_at, at("2026-09-21 12:00"));
}

#[test]
fn a_second_pause_of_hours_builds_on_the_strict_instant_and_never_shortens() {
    let hours = Standard { duration: Duration::ElapsedHours(48), ..ten_days() };
    let story = promised(hours)
        .paused("2026-09-15 09:00")
        .resumed("2026-09-18 12:00")
        .paused("2026-09-19 10:00")
        .resumed("2026-09-19 11:00");
    let Some(Event::Resumed { due, .. }) = story.last.first() else { panic!("it resumes") };
    assert_eq!(due.due_strict_at, at("2026-09-19 13:00"));
    assert_eq!(due.due_at, at("2026-09-21 13:00"));
}

#[test]
fn business_hours_get_back_the_open_hours_of_the_pause() {
    let hours = Standard { duration: Duration::BusinessHours(11), ..ten_days() };
    let story = promised(hours).paused("2026-09-14 18:00").resumed("2026-09-15 10:00");
    let Some(Event::Resumed { due, .. }) = story.last.first() else { panic!("it resumes") };
    // Due Tue 9:00; paused one open hour of Monday and two of Tuesday.
    assert_eq!(due.due_at, at("2026-09-15 12:00"));
}

#[test]
fn a_second_pause_is_no_pause() {
    promised(ten_days()).paused("2026-09-16 10:00").paused("2026-09-17 10:00").gives(&[]);
}

#[test]
fn a_resume_without_a_pause_changes_nothing() {
    promised(ten_days()).resumed("2026-09-16 10:00").gives(&[]);
}

#[test]
fn a_standard_that_does_not_pause_is_untouched() {
    let steady = Standard { pauses: false, ..ten_days() };
    promised(steady).paused("2026-09-16 10:00").gives(&[]).resumed("2026-09-21 15:00").gives(&[]);
}

#[test]
fn a_promise_past_due_is_missed_instead_of_paused() {
    promised(ten_days()).paused("2026-09-29 10:00").gives(&["missed #0 2026-09-28"]);
}

#[test]
fn every_act_that_takes_it_away_releases_it() {
    for reason in [Release::Recategorised, Release::Duplicate, Release::Cancelled, Release::Planned] {
        promised(ten_days())
            .released(reason, "2026-09-20 09:00")
            .gives(&["released #0 2026-09-28"])
            .resolved("2026-09-21 09:00")
            .gives(&[]);
    }
}

#[test]
fn a_promise_past_due_is_missed_instead_of_released() {
    promised(ten_days()).released(Release::Duplicate, "2026-09-29 09:00").gives(&["missed #0 2026-09-28"]);
}

#[test]
fn recategorising_promises_anew_from_the_original_trigger() {
    promised(ten_days())
        .released(Release::Recategorised, "2026-09-20 09:00")
        .when(|promises, rules| promises.make(rules, &[code("test")], monday(), at("2026-09-20 09:00"), None))
        .gives(&["made #1 2026-09-28"]);
}

#[test]
fn reopening_promises_anew_from_the_reopening() {
    let reopening = at("2026-09-21 09:00");
    promised(ten_days())
        .resolved("2026-09-18 09:00")
        .when(|promises, rules| promises.make(rules, &[code("test")], reopening, reopening, None))
        .gives(&["made #1 2026-10-05"]);
}

#[test]
fn unlinking_a_duplicate_makes_the_same_promise_again() {
    promised(ten_days())
        .announced("2026-09-15 09:00", "2026-10-03 00:00")
        .released(Release::Duplicate, "2026-09-16 09:00")
        .unlinked("2026-09-30 09:00")
        .gives(&["made #1 2026-10-02"])
        .unlinked("2026-09-30 09:00")
        .gives(&[])
        .released(Release::Duplicate, "2026-10-01 09:00")
        .unlinked("2026-10-05 09:00")
        .gives(&["made #2 2026-10-02"])
        .resolved("2026-10-05 10:00")
        .gives(&["missed #2 2026-10-02"]);
}

#[test]
fn unlinking_brings_back_nothing_that_was_cancelled_or_missed() {
    promised(ten_days()).released(Release::Cancelled, "2026-09-16 09:00").unlinked("2026-09-17 09:00").gives(&[]);
    promised(ten_days()).released(Release::Duplicate, "2026-09-29 09:00").unlinked("2026-09-30 09:00").gives(&[]);
}

#[test]
fn a_paused_promise_resumes_before_anything_else_happens_to_it() {
    let paused = || promised(ten_days()).paused("2026-09-16 10:00");
    paused().resolved("2026-09-21 09:00").gives(&["resumed #0 2026-10-01", "kept #0 2026-10-01"]);
    paused()
        .released(Release::Duplicate, "2026-09-21 09:00")
        .gives(&["resumed #0 2026-10-01", "released #0 2026-10-01"]);
    paused()
        .announced("2026-09-21 09:00", "2026-10-10 00:00")
        .gives(&["resumed #0 2026-10-01", "extended #0 2026-10-09"]);
}

#[test]
fn a_due_instant_that_passed_during_the_pause_is_judged_after_the_resume() {
    promised(ten_days())
        .paused("2026-09-28 10:00")
        .resolved("2026-10-05 09:00")
        .gives(&["resumed #0 2026-10-05", "kept #0 2026-10-05"]);
}

#[test]
fn an_imported_date_is_the_promise_and_the_computed_one_stands_beside_it() {
    let source_due = at("2026-09-17 17:00");
    let story = Story {
        rules: rules(declaration(calendar(Holidays::Quebec), vec![ten_days()])),
        promises: Promises::default(),
        last: vec![],
    };
    let story = story
        .when(|promises, rules| promises.make(rules, &[code("test")], monday(), monday(), Some(source_due)))
        .gives(&["made of the source #0 2026-09-17"]);
    let Some(Event::Made { due, computed_due_at, .. }) = story.last.first() else { panic!("it is made") };
    assert_eq!((due.due_at, *computed_due_at), (source_due, Some(at("2026-09-29 00:00"))));
    // Fri 18 and Mon 21 are counted; the source's hour of the day stays.
    let story = story.paused("2026-09-17 09:00").resumed("2026-09-21 09:00").gives(&["resumed #0 2026-09-21"]);
    let Some(Event::Resumed { due, .. }) = story.last.first() else { panic!("it resumes") };
    assert_eq!(due.due_at, at("2026-09-21 17:00"));
}

#[test]
fn only_standards_of_requests_are_owed_in_one() {
    let listed = Standard { matter: Matter::Complaint, ..ten_days() };
    promised(listed).gives(&[]);
    promised(Standard { matter: Matter::Contact, ..standard(Duration::Seconds(120)) }).gives(&[]);
    promised(standard(Duration::Seconds(120))).gives(&[]);
}

#[test]
fn a_standard_without_a_duration_is_owed_only_where_the_source_gave_a_date() {
    let case_by_case = || standard(Duration::CaseByCase);
    promised(case_by_case()).gives(&[]);
    promised(case_by_case())
        .when(|promises, rules| promises.make(rules, &[code("test")], monday(), monday(), Some(at("2026-09-17 17:00"))))
        .gives(&["made of the source #0 2026-09-17"]);
}

#[test]
fn a_new_version_leaves_a_promise_to_the_version_that_made_it() {
    let first = declaration(calendar(Holidays::Quebec), vec![ten_days()]);
    let mut second = declaration(calendar(Holidays::Quebec), vec![Standard { pauses: false, ..ten_days() }]);
    second.version = code("2026-2");
    second.effective_from = "2026-09-15".parse().expect("a day");
    second.standards[0].duration = Duration::BusinessDays(2);
    let rules = Rules::new(vec![first.into(), second.into()]).expect("two declarations");
    let story = Story { rules, promises: Promises::default(), last: vec![] };
    story
        .when(|promises, rules| promises.make(rules, &[code("test")], monday(), monday(), None))
        .gives(&["made #0 2026-09-28"])
        .paused("2026-09-16 10:00")
        .resumed("2026-09-21 15:00")
        .gives(&["resumed #0 2026-10-01"])
        .when(|promises, rules| {
            let wednesday = at("2026-09-23 09:00");
            promises.make(rules, &[code("test")], wednesday, wednesday, None)
        })
        .gives(&["made #1 2026-09-25"]);
}
