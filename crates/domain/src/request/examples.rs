//! What happens to a request, act by act. The promises' own arithmetic is shown in `promise`.

use std::fmt::Write;

use super::{
    Act, Command, Event, Location, Place, Point, Refusal, Request, Situation, Source, SourceDue, State, Status,
    Submission, Visibility,
    fixtures::{
        LATE, RECEIVED, SOON, answer, assign, city, every_act, id, interim, kinds, link, on, plan, recategorise,
        refuse, resolve, submission, submit, tree, unsubmitted, wait,
    },
    questions::{Fault, FaultKind, Given as Answered},
};
use crate::{
    declaration::Priority,
    given::When,
    personal::Personal,
    promise::{
        self, Basis,
        fixtures::{at, code},
    },
    words::NotAText,
};

impl When<Request> {
    #[track_caller]
    fn then_kinds(self, expected: &[&str]) -> Self {
        assert_eq!(kinds(self.events()), expected);
        self
    }
}

fn status(state: &State) -> Status {
    state.status().expect("a submitted request")
}

mod submitting {
    use super::*;

    #[test]
    fn promises_what_the_product_owes() {
        unsubmitted().when(submit(submission("tree"))).then_kinds(&[
            "request.submitted",
            "promise.made",
            "promise.made",
        ]);
    }

    #[test]
    fn takes_the_product_s_unit_and_priority() {
        let when = unsubmitted().when(submit(submission("tree")));
        let Event::Submitted(submitted) = &when.events()[0] else { panic!("not submitted") };
        assert_eq!((submitted.unit.clone(), submitted.priority), (Some(code("parks")), Priority::Normal));
        assert_eq!(submitted.at, city().local(at(RECEIVED)));
        assert_eq!(submitted.declaration, code("2026-1"));
    }

    #[test]
    fn is_done_once() {
        tree([]).when(submit(submission("tree"))).refused(Refusal::AlreadySubmitted);
    }

    #[test]
    fn comes_first() {
        for act in every_act().into_iter().skip(1) {
            unsubmitted().when(on(SOON, act)).refused(Refusal::NotSubmitted);
        }
    }

    #[test]
    fn seals_what_was_typed_and_a_private_place() {
        let location = Location { address: Some("2, rue des Jardins".to_owned()), ..Location::default() };
        let asked = Submission {
            description: Some("It tastes of earth.".to_owned()),
            place: Some(location.clone()),
            answers: vec![Answered { question: "what".to_owned(), values: vec!["other".to_owned()] }],
            ..submission("water")
        };
        let when = unsubmitted().when(submit(asked));
        let Event::Submitted(submitted) = &when.events()[0] else { panic!("not submitted") };
        assert_eq!(submitted.description, Some(Personal::Plain("It tastes of earth.".to_owned())));
        assert_eq!(submitted.place, Some(Place::Private(Personal::Plain(location))));
    }

    #[test]
    fn an_emergency_creates_no_request() {
        let asked = Submission {
            answers: vec![Answered { question: "signs".to_owned(), values: vec!["flood".to_owned()] }],
            ..submission("water")
        };
        unsubmitted().when(submit(asked)).refused(Refusal::Emergency { reason: code("flood") });
    }

    #[test]
    fn says_which_answers_do_not_read() {
        let fault = Fault { question: code("what"), kind: FaultKind::Required };
        unsubmitted().when(submit(submission("water"))).refused(Refusal::Answers(vec![fault]));
    }

    #[test]
    fn an_imported_due_date_is_the_promise_of_the_intervention() {
        let source = Some(Source { name: code("boston"), key: None, verdict: None });
        let source_due = SourceDue::By(at("2026-11-20 17:00"));
        let when = unsubmitted().when(submit(Submission { source, source_due, ..submission("tree") }));
        let bases: Vec<_> = when
            .events()
            .iter()
            .filter_map(|event| match event {
                Event::Promise(promise::Event::Made { id, basis, due, computed_due_at, .. }) => {
                    Some((id.standard.as_str(), *basis, due.due_at, computed_due_at.is_some()))
                }
                _ => None,
            })
            .collect();
        assert_eq!(
            bases,
            [
                ("reply", Basis::Standard, at("2026-11-21 00:00"), false),
                ("felling", Basis::Source, at("2026-11-20 17:00"), true)
            ]
        );
    }

    #[test]
    fn a_source_that_promised_no_intervention_is_not_made_to() {
        let asked = Submission { source_due: SourceDue::Nothing, ..submission("tree") };
        unsubmitted().when(submit(asked)).then_kinds(&["request.submitted", "promise.made"]);
    }

    #[test]
    fn refuses_what_does_not_read() {
        let unknown = code("unknown");
        let place = |lat| Some(Location { point: Some(Point { lat, long: 0 }), ..Location::default() });
        let text = |text: String| Some(text);
        let source = |key: &str| Some(Source { name: code("boston"), key: Some(key.to_owned()), verdict: None });
        let far = chrono::DateTime::<chrono::Utc>::MAX_UTC;
        let cases = [
            (Submission { product: unknown.clone(), ..submission("tree") }, "request.unknown_product"),
            (Submission { channel: unknown.clone(), ..submission("tree") }, "request.unknown_channel"),
            (Submission { unit: Some(unknown.clone()), ..submission("tree") }, "request.unknown_unit"),
            (Submission { precision: Some(unknown), ..submission("tree") }, "request.unknown_precision"),
            (Submission { place: place(900_000_001), ..submission("tree") }, "request.point_off_earth"),
            (
                Submission { media_url: text("javascript://x".to_owned()), ..submission("tree") },
                "request.not_a_media_url",
            ),
            (Submission { source: source("1\0"), ..submission("tree") }, "request.not_a_source_key"),
            (Submission { source: source("1\u{1b}[2J"), ..submission("tree") }, "request.not_a_source_key"),
            (Submission { source: source(&"1".repeat(201)), ..submission("tree") }, "request.not_a_source_key"),
            (Submission { source_due: SourceDue::By(far), ..submission("tree") }, "request.date_out_of_range"),
            (Submission { description: text("\0".to_owned()), ..submission("tree") }, "text.nul"),
            (Submission { description: text("é".repeat(4_001)), ..submission("tree") }, "text.too_long"),
        ];
        for (asked, expected) in cases {
            let refusal = match unsubmitted().when(submit(asked)).into_outcome() {
                Ok(events) => panic!("{expected}: not refused: {events:?}"),
                Err(refusal) => refusal,
            };
            assert_eq!(refusal.code(), expected);
            assert!(refusal.field().is_some(), "{expected} points at no field");
        }
        unsubmitted().when(submit(Submission { description: text("é".repeat(4_000)), ..submission("tree") })).state();
        unsubmitted().when(submit(Submission { source: source("1-101 é"), ..submission("tree") })).state();
        let of_another_age = Command { at: far, ..submit(submission("tree")) };
        unsubmitted().when(of_another_age).refused(Refusal::DateOutOfRange { field: "at" });
    }
}

mod handing_over {
    use super::*;

    #[test]
    fn an_assignment_changes_the_agent_but_never_the_unit_that_holds_it() {
        let agent = Some(code("usr_1"));
        tree([assign("parks")])
            .when(on(SOON, Act::Assign { unit: code("parks"), agent }))
            .then_kinds(&["request.assigned"])
            .then_nothing_again();
        tree([]).when(on(SOON, assign("roads"))).refused(Refusal::HeldByAnotherUnit { unit: code("parks") });
    }

    #[test]
    fn an_agent_is_an_id_and_never_a_name() {
        let to = |agent: &str| on(SOON, Act::Assign { unit: code("parks"), agent: Some(code(agent)) });
        for good in ["usr_4f2a", "key_abcdefghij", &format!("usr_{}", "a".repeat(32))] {
            tree([]).when(to(good)).state();
        }
        for bad in
            ["jean_tremblay", "usr_", "usr_jean_tremblay", "usr_Jean", "usr-1", &format!("usr_{}", "a".repeat(33))]
        {
            tree([]).when(to(bad)).refused(Refusal::NotAnAgent);
        }
    }

    #[test]
    fn a_transfer_leaves_the_promises_alone() {
        tree([])
            .when(on(SOON, Act::Transfer { to: code("roads") }))
            .then([Event::Transferred { at: city().local(at(SOON)), from: Some(code("parks")), to: code("roads") }])
            .then_nothing_again();
    }

    #[test]
    fn nobody_transfers_what_no_unit_holds() {
        let answers = vec![Answered { question: "what".to_owned(), values: vec!["other".to_owned()] }];
        unsubmitted()
            .and(submit(Submission { answers, ..submission("water") }))
            .when(on(SOON, Act::Transfer { to: code("roads") }))
            .refused(Refusal::Unassigned);
    }

    #[test]
    fn triage_at_the_same_priority_is_a_fact_once() {
        tree([])
            .when(on(SOON, Act::Triage { priority: Priority::Normal }))
            .then_kinds(&["request.triaged"])
            .then_nothing_again();
    }

    #[test]
    fn a_unit_that_nobody_declared_is_refused() {
        tree([]).when(on(SOON, assign("moon"))).refused(Refusal::UnknownUnit(code("moon")));
    }
}

mod waiting {
    use super::*;

    #[test]
    fn pauses_the_standards_that_pause() {
        tree([]).when(on(SOON, wait())).then_kinds(&["request.waiting_started", "promise.paused"]).then_nothing_again();
    }

    #[test]
    fn ends_with_the_reply() {
        tree([wait()])
            .when(on(LATE, Act::CitizenReplied))
            .then_kinds(&["request.waiting_ended", "promise.resumed"])
            .then_nothing_again();
    }

    #[test]
    fn ends_before_whatever_moves_the_request_on() {
        for act in [answer(), interim("2026-12-04"), resolve(), refuse("not_ours"), Act::Cancel, recategorise("hedge")]
        {
            let when = tree([wait()]).when(on(SOON, act));
            assert_eq!(kinds(when.events())[..2], ["request.waiting_ended", "promise.resumed"]);
            assert!(!matches!(when.state(), State::Submitted(_, Situation::Waiting)));
        }
    }

    #[test]
    fn is_not_work() {
        tree([wait()]).when(on(SOON, Act::Start)).refused(Refusal::Waiting);
    }
}

mod answering {
    use super::*;

    #[test]
    fn keeps_the_answer_and_leaves_the_intervention_owed() {
        tree([]).when(on(SOON, answer())).then_kinds(&["request.answered", "promise.kept"]);
        assert!(Status::Answered.is_open());
    }

    #[test]
    fn comes_too_late_after_the_second_business_day() {
        tree([]).when(on(LATE, answer())).then_kinds(&["request.answered", "promise.missed"]);
    }

    #[test]
    fn an_interim_answer_extends_to_the_end_of_the_announced_day() {
        let when = tree([]).when(on(SOON, interim("2026-12-04")));
        let Event::InterimAnswered { anticipated_at, .. } = &when.events()[0] else { panic!("no interim answer") };
        assert_eq!(*anticipated_at, at("2026-12-05 00:00"));
        when.then_kinds(&["request.interim_answered", "promise.extended"]);
    }

    #[test]
    fn an_interim_answer_after_the_due_date_makes_a_new_promise() {
        tree([]).when(on(LATE, interim("2026-12-04"))).then_kinds(&[
            "request.interim_answered",
            "promise.missed",
            "promise.made",
        ]);
    }

    #[test]
    fn nobody_announces_yesterday() {
        tree([]).when(on(SOON, interim("2026-11-18"))).refused(Refusal::AnticipatedInThePast);
        tree([]).when(on(SOON, interim("2026-11-19"))).state();
    }

    #[test]
    fn nobody_announces_what_they_will_not_live_to_see() {
        tree([]).when(on(SOON, interim("2036-11-19"))).state();
        for day in ["2036-11-20", "9999-12-31", "+262142-12-31"] {
            tree([]).when(on(SOON, interim(day))).refused(Refusal::AnticipatedTooFar);
        }
        tree([]).when(on(SOON, interim("-262143-01-01"))).refused(Refusal::AnticipatedInThePast);
    }

    #[test]
    fn a_blank_answer_is_none() {
        let blank = Refusal::Text { field: "text", source: NotAText::Blank };
        tree([]).when(on(SOON, Act::Answer { text: " \n".to_owned() })).refused(blank);
    }
}

mod ending {
    use super::*;

    #[test]
    fn resolving_answers_too() {
        tree([])
            .when(on(SOON, resolve()))
            .then_kinds(&["request.resolved", "promise.kept", "promise.kept"])
            .then_nothing_again();
        tree([answer()]).when(on(SOON, resolve())).then_kinds(&["request.resolved", "promise.kept"]);
    }

    #[test]
    fn a_reason_answers_and_what_was_to_be_done_is_owed_no_longer() {
        tree([])
            .when(on(SOON, refuse("private_tree")))
            .then_kinds(&["request.refused", "promise.kept", "promise.released"])
            .then_nothing_again();
    }

    #[test]
    fn another_reason_is_another_decision() {
        let closed = Refusal::Closed { status: Status::Refused };
        tree([refuse("private_tree")]).when(on(SOON, refuse("not_ours"))).refused(closed);
    }

    #[test]
    fn only_a_declared_reason_refuses() {
        tree([]).when(on(SOON, refuse("tired"))).refused(Refusal::UnknownReason(code("tired")));
    }

    #[test]
    fn cancelling_releases_and_owns_up_to_what_is_past_due() {
        tree([])
            .when(on(SOON, Act::Cancel))
            .then_kinds(&["request.cancelled", "promise.released", "promise.released"])
            .then_nothing_again();
        let when = tree([]).when(on(LATE, Act::Cancel));
        assert!(kinds(when.events()).contains(&"promise.missed"));
    }

    #[test]
    fn a_closed_request_takes_notes_and_nothing_else_but_a_reopening() {
        let closed = || Refusal::Closed { status: Status::Resolved };
        tree([resolve()]).when(on(LATE, assign("parks"))).refused(closed());
        tree([resolve()]).when(on(LATE, Act::Cancel)).refused(closed());
        let note = Act::Note { visibility: Visibility::Public, text: "Stump ground out.".to_owned() };
        tree([resolve()]).when(on(LATE, note)).then_kinds(&["request.noted"]);
    }

    #[test]
    fn reopening_promises_anew_from_the_reopening() {
        let when = tree([resolve()]).when(on(LATE, Act::Reopen));
        let Event::Promise(promise::Event::Made { due, .. }) = &when.events()[1] else { panic!("nothing promised") };
        assert_eq!(due.trigger_at, city().local(at(LATE)));
        when.then_kinds(&["request.reopened", "promise.made", "promise.made"]).then_nothing_again();
    }
}

mod recategorising {
    use super::*;

    #[test]
    fn releases_and_promises_from_the_original_trigger() {
        let when = tree([]).when(on(SOON, recategorise("hedge")));
        let Some(Event::Promise(promise::Event::Made { due, .. })) = when.events().last() else {
            panic!("nothing promised")
        };
        assert_eq!(due.trigger_at, city().local(at(RECEIVED)));
        when.then_kinds(&["request.recategorised", "promise.released", "promise.released", "promise.made"])
            .then_nothing_again();
    }

    #[test]
    fn promises_no_answer_to_whoever_has_one() {
        tree([answer()])
            .when(on(SOON, recategorise("hedge")))
            .then_kinds(&["request.recategorised", "promise.released"]);
    }

    #[test]
    fn hands_the_request_to_the_new_product_s_unit() {
        let state = tree([]).when(on(SOON, recategorise("hedge"))).state();
        assert_eq!(state.matter().and_then(|matter| matter.unit.clone()), Some(code("roads")));
    }

    #[test]
    fn another_precision_owes_nothing_else() {
        let answers = vec![Answered { question: "what".to_owned(), values: vec!["other".to_owned()] }];
        let leak = Act::Recategorise { product: code("water"), precision: Some(code("leak")) };
        unsubmitted()
            .and(submit(Submission { answers, ..submission("water") }))
            .when(on(SOON, leak))
            .then_kinds(&["request.recategorised"])
            .then_nothing_again();
    }
}

mod duplicates {
    use super::*;

    #[test]
    fn release_and_owe_the_same_again_once_unlinked() {
        let before = tree([]);
        let linked = tree([link()]);
        assert_eq!(linked.state().status(), Some(Status::Duplicate));
        let when = linked.when(on(SOON, Act::Unlink));
        let due_of = |events: &[Event]| -> Vec<_> {
            events
                .iter()
                .filter_map(|event| match event {
                    Event::Promise(promise::Event::Made { due, .. }) => Some(due.due_at),
                    _ => None,
                })
                .collect()
        };
        let first = unsubmitted().when(submit(submission("tree")));
        let (mut again, mut once) = (due_of(when.events()), due_of(first.events()));
        again.sort();
        once.sort();
        assert_eq!(again, once);
        assert_eq!(status(&when.state()), status(before.state()));
        when.then_kinds(&["request.unlinked", "promise.made", "promise.made"]).then_nothing_again();
    }

    #[test]
    fn are_followed_in_the_other_request() {
        tree([link()]).when(on(SOON, resolve())).refused(Refusal::Duplicate { of: id(2) });
        tree([])
            .when(on(SOON, link()))
            .then_kinds(&["request.linked_as_duplicate", "promise.released", "promise.released"])
            .then_nothing_again();
    }

    #[test]
    fn never_form_a_chain_or_a_circle() {
        let link = |of, original| on(SOON, Act::LinkAsDuplicate { of, original });
        tree([]).when(link(id(1), Some(Status::Received))).refused(Refusal::DuplicateOfItself);
        tree([]).when(link(id(2), Some(Status::Duplicate))).refused(Refusal::OriginalIsDuplicate);
        tree([]).when(link(id(2), None)).refused(Refusal::UnknownOriginal);
    }
}

mod planning {
    use super::*;

    #[test]
    fn owes_nothing_and_follows_nothing_up() {
        tree([])
            .when(on(SOON, plan("planting")))
            .then_kinds(&["request.planned", "promise.released", "promise.released"])
            .then_nothing_again();
        tree([plan("planting")]).when(on(SOON, answer())).refused(Refusal::Planned);
        tree([plan("planting")]).when(on(SOON, wait())).refused(Refusal::Planned);
    }

    #[test]
    fn ends_with_the_work_or_with_a_reopening() {
        tree([plan("planting")]).when(on(LATE, resolve())).then_kinds(&["request.resolved"]);
        tree([plan("planting")]).when(on(LATE, Act::Reopen)).then_kinds(&[
            "request.reopened",
            "promise.made",
            "promise.made",
        ]);
    }

    #[test]
    fn may_change_programme() {
        tree([plan("planting")]).when(on(SOON, plan("pruning"))).then_kinds(&["request.planned"]);
        tree([]).when(on(SOON, plan("moon"))).refused(Refusal::UnknownProgramme(code("moon")));
    }
}

#[test]
fn a_released_text_is_released_once() {
    let release = |text: &str| on(SOON, Act::ReleaseText { text: text.to_owned() });
    tree([]).when(release("A tree leans.")).then_kinds(&["request.text_released"]).then_nothing_again();
}

/// The whole table, for whoever proof-reads it: acts down, situations across.
#[test]
fn every_act_in_every_situation() {
    let situations: [(&str, &[Act]); 9] = [
        ("received", &[]),
        ("in progress", &[Act::Start]),
        ("waiting", &[wait()]),
        ("answered", &[answer()]),
        ("planned", &[plan("planting")]),
        ("duplicate", &[link()]),
        ("resolved", &[resolve()]),
        ("refused", &[refuse("private_tree")]),
        ("cancelled", &[Act::Cancel]),
    ];
    let mut table = String::new();
    for act in every_act() {
        writeln!(table, "{}", act.name()).expect("a string takes it");
        for (name, past) in &situations {
            let cell = match tree(past.to_vec()).when(on(SOON, act.clone())).into_outcome() {
                Ok(events) if events.is_empty() => "nothing".to_owned(),
                Ok(events) => kinds(&events).join(", "),
                Err(refusal) => format!("refused: {}", refusal.code()),
            };
            writeln!(table, "  {name:12} {cell}").expect("a string takes it");
        }
    }
    insta::assert_snapshot!(table);
}
