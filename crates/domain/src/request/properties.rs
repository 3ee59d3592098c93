//! What holds for a request whatever happens to it.

use proptest::{collection::vec, prelude::*, sample::select};

use super::{
    Act, Command, Event, Request, State, Status,
    fixtures::{assign, city, every_act, plan, recategorise, refuse, submission, submit},
};
use crate::{
    arbitrary::request_event,
    decider::Decider,
    given::fold,
    promise::{
        self,
        fixtures::{at, code},
    },
    time::Instant,
};

/// Acts that ask for a situation: once it is there, asking again says nothing new.
fn claims_to_repeat(act: &Act) -> bool {
    !matches!(act, Act::Submit(_) | Act::Note { .. } | Act::AnswerInterim { .. } | Act::Answer { .. })
}

fn acts() -> impl Strategy<Value = Vec<(Act, i64)>> {
    let mut acts = every_act();
    acts.extend([assign("roads"), refuse("not_ours"), recategorise("tree"), recategorise("water"), plan("pruning")]);
    acts.push(Act::Transfer { to: code("aqueduct") });
    vec((select(acts), 0..2_000_i64), 0..25)
}

fn decide(state: &State, act: &Act, at: Instant) -> Option<Vec<Event>> {
    Request::decide(state, Command { rules: city(), at, act: act.clone() }).ok()
}

/// How many promises are open, by what was recorded.
fn open_promises(history: &[Event]) -> usize {
    let count = |matches: fn(&promise::Event) -> bool| {
        history.iter().filter(|event| matches!(event, Event::Promise(event) if matches(event))).count()
    };
    count(|event| matches!(event, promise::Event::Made { .. }))
        - count(|event| {
            use promise::Event::{Kept, Missed, Released};
            matches!(event, Kept { .. } | Missed { .. } | Released { .. })
        })
}

proptest! {
    #[test]
    fn evolve_takes_any_events_in_any_order(events in vec(request_event(), 0..30)) {
        let state = fold::<Request>(State::Unsubmitted, &events);
        for act in every_act() {
            let _ = decide(&state, &act, at("2026-11-20 10:00"));
        }
    }

    #[test]
    fn a_life_keeps_its_invariants(acts in acts()) {
        let Ok(mut history) = Request::decide(&State::Unsubmitted, submit(submission("tree"))) else {
            return Err(TestCaseError::fail("a tree is not submitted"));
        };
        let mut now = at("2026-11-18 10:00");
        for (act, minutes) in acts {
            now += chrono::TimeDelta::minutes(minutes);
            let state = fold::<Request>(State::Unsubmitted, &history);
            let Some(events) = decide(&state, &act, now) else { continue };
            let after = fold::<Request>(state, &events);
            history.extend(events);

            if claims_to_repeat(&act) {
                prop_assert_eq!(decide(&after, &act, now), Some(vec![]), "{:?} says something new twice", act);
            }
            let folded = history.iter().fold(Status::Received, Status::after);
            prop_assert_eq!(after.status(), Some(folded), "readers and decider disagree after {:?}", act);
            if !folded.is_open() || folded == Status::Planned {
                prop_assert_eq!(open_promises(&history), 0, "{:?} leaves a promise open", act);
            }
        }
    }
}
