//! What happens to open promises. Each method is one row of the table, in the order an agent lives it:
//!
//! | what happens | the open promises |
//! |---|---|
//! | milestone reached | `kept` before `due_at`, else `missed` |
//! | interim answer with a date | before `due_at` `extended`; after it `missed`, and its date makes a new promise |
//! | waiting for the citizen, resumed | `paused`, `resumed` where the standard pauses; otherwise untouched |
//! | recategorised, duplicate, cancelled, planned, and what a refusal leaves undone | `released` |
//! | unlinked | what the link released is made again, same due |
//! | any of these on a promise past due | never extended or released: `missed` |
//! | any of these on a paused promise | it resumes first, at that instant |
//!
//! An act that does not concern a standard (a pause where it does not pause, an interim answer where it does not
//! extend) leaves its promise untouched, past due or not.

use std::collections::BTreeMap;

use super::{Basis, Due, Event, Matter, Milestone, PromiseId, Release, Standard, due};
use crate::{
    declaration::Declaration,
    promise::due::{extended, given, resumed},
    rules::Rules,
    time::{Instant, whole_microseconds},
    words::Code,
};

/// The promises of one matter, as its decider needs them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Promises {
    all: BTreeMap<PromiseId, Promise>,
}

#[derive(Debug, Clone, PartialEq)]
struct Promise {
    milestone: Milestone,
    basis: Basis,
    due: Due,
    computed_due_at: Option<Instant>,
    situation: Situation,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Situation {
    Open,
    Paused { since: Instant },
    Judged,
    Released(Release),
}

/// A promise that an act touches: resumed already if it was paused, and not past due.
struct Touched<'a> {
    id: PromiseId,
    due: Due,
    declaration: &'a Declaration,
}

impl Promises {
    /// Total, like every `evolve`.
    pub fn evolve(&mut self, event: &Event) {
        if let Event::Made { id, milestone, basis, due, computed_due_at, .. } = event {
            let promise = Promise {
                milestone: *milestone,
                basis: *basis,
                due: due.clone(),
                computed_due_at: *computed_due_at,
                situation: Situation::Open,
            };
            self.all.insert(id.clone(), promise);
            return;
        }
        let Some(promise) = self.all.get_mut(event.id()) else { return };
        match event {
            Event::Made { .. } => {}
            Event::Kept { .. } | Event::Missed { .. } => promise.situation = Situation::Judged,
            Event::Extended { due, .. } => promise.due = due.clone(),
            Event::Paused { at, .. } => promise.situation = Situation::Paused { since: at.to_utc() },
            Event::Resumed { due, .. } => {
                promise.due = due.clone();
                promise.situation = Situation::Open;
            }
            Event::Released { reason, .. } => promise.situation = Situation::Released(*reason),
        }
    }

    /// Makes the promises of `standards` (codes of the declaration in force at `trigger`) from `trigger`.
    /// `source_due`: the imported source's own date, exclusive, which becomes the promise of the intervention.
    ///
    /// Makes them whatever is open: who recategorises releases first.
    pub fn make(
        &self,
        rules: &Rules,
        standards: &[Code],
        trigger: Instant,
        at: Instant,
        source_due: Option<Instant>,
    ) -> Vec<Event> {
        let declaration = rules.in_force(trigger);
        let at = rules.local(whole_microseconds(at));
        let owed = standards.iter().filter_map(|code| declaration.standard(code));
        owed.filter(|standard| standard.matter == Matter::Request)
            .filter_map(|standard| {
                let computed = due(declaration, standard, trigger);
                let source = source_due.filter(|_| standard.milestone == Milestone::Resolution);
                let (basis, due, computed_due_at) = match source {
                    Some(date) => {
                        (Basis::Source, given(declaration, trigger, date), computed.map(|computed| computed.due_at))
                    }
                    None => (Basis::Standard, computed?, None),
                };
                let id = self.next(&standard.code);
                Some(Event::Made { id, at, milestone: standard.milestone, basis, due, computed_due_at })
            })
            .collect()
    }

    /// The milestone was reached: `kept` or `missed` for each open promise it answers (a paused one resumes first).
    pub fn reach(&self, rules: &Rules, milestone: Milestone, at: Instant) -> Vec<Event> {
        let at = whole_microseconds(at);
        let concerned = |promise: &Promise, _: &Standard| promise.milestone == milestone;
        self.touch(rules, at, concerned, |Touched { id, due, .. }| {
            Some(Event::Kept { id, at: rules.local(at), due_at: due.due_at, due_on: due.due_on })
        })
    }

    /// An interim answer announced `anticipated` (exclusive instant): `extended`, or `missed` and a new promise.
    /// A date no later than what is owed already changes nothing.
    pub fn interim(&self, rules: &Rules, anticipated: Instant, at: Instant) -> Vec<Event> {
        let (anticipated, at) = (whole_microseconds(anticipated), whole_microseconds(at));
        let concerned = |_: &Promise, standard: &Standard| standard.extends;
        let mut events = self.touch(rules, at, concerned, |Touched { id, due, declaration }| {
            (anticipated > due.due_at).then(|| Event::Extended {
                id,
                at: rules.local(at),
                previous_due_at: due.due_at,
                previous_due_on: due.due_on,
                due: extended(declaration, &due, anticipated),
            })
        });
        if anticipated > at {
            let made = self.made_anew(rules, &events, anticipated, at);
            events.extend(made);
        }
        events
    }

    /// For each standard among the missed, a promise of the announced date.
    fn made_anew(&self, rules: &Rules, events: &[Event], anticipated: Instant, at: Instant) -> Vec<Event> {
        let missed = events.iter().filter(|event| matches!(event, Event::Missed { .. })).map(Event::id);
        let by_standard: BTreeMap<&Code, &PromiseId> = missed.map(|id| (&id.standard, id)).collect();
        let missed = by_standard.into_values().filter_map(|id| self.all.get_key_value(id));
        missed
            .map(|(id, promise)| Event::Made {
                id: self.next(&id.standard),
                at: rules.local(at),
                milestone: promise.milestone,
                basis: Basis::Interim,
                due: given(rules.version(&promise.due.declaration), at, anticipated),
                computed_due_at: None,
            })
            .collect()
    }

    /// The matter waits for the citizen. A second pause is a no-op.
    pub fn pause(&self, rules: &Rules, at: Instant) -> Vec<Event> {
        let at = whole_microseconds(at);
        let concerned =
            |promise: &Promise, standard: &Standard| promise.situation == Situation::Open && standard.pauses;
        self.touch(rules, at, concerned, |Touched { id, .. }| Some(Event::Paused { id, at: rules.local(at) }))
    }

    /// The citizen has answered.
    pub fn resume(&self, rules: &Rules, at: Instant) -> Vec<Event> {
        let at = whole_microseconds(at);
        self.all.iter().filter_map(|(id, promise)| resumption(rules, id, promise, at)).collect()
    }

    /// Releases every open promise; one past due is `missed` instead.
    pub fn release(&self, rules: &Rules, reason: Release, at: Instant) -> Vec<Event> {
        let at = whole_microseconds(at);
        self.touch(
            rules,
            at,
            |_, _| true,
            |Touched { id, due, .. }| {
                Some(Event::Released { id, at: rules.local(at), reason, due_at: due.due_at, due_on: due.due_on })
            },
        )
    }

    /// Unlinking a duplicate makes what was released for it again, same due.
    pub fn restore(&self, rules: &Rules, at: Instant) -> Vec<Event> {
        let at = rules.local(whole_microseconds(at));
        let released = self.all.iter().filter(|(id, promise)| {
            let is_last = self.next(&id.standard).ordinal == id.ordinal.saturating_add(1);
            is_last && promise.situation == Situation::Released(Release::Duplicate)
        });
        released
            .map(|(id, promise)| Event::Made {
                id: self.next(&id.standard),
                at,
                milestone: promise.milestone,
                basis: promise.basis,
                due: promise.due.clone(),
                computed_due_at: promise.computed_due_at,
            })
            .collect()
    }

    /// The rows that hold for every act: a paused promise resumes first, one past due is missed.
    fn touch<'a>(
        &self,
        rules: &'a Rules,
        at: Instant,
        concerned: impl Fn(&Promise, &Standard) -> bool,
        act: impl Fn(Touched<'a>) -> Option<Event>,
    ) -> Vec<Event> {
        let mut events = Vec::new();
        for (id, promise) in &self.all {
            let declaration = rules.version(&promise.due.declaration);
            let is_concerned = declaration.standard(&id.standard).is_some_and(|standard| concerned(promise, standard));
            if !promise.is_open() || !is_concerned {
                continue;
            }
            let resumption = resumption(rules, id, promise, at);
            let due = match &resumption {
                Some(Event::Resumed { due, .. }) => due.clone(),
                _ => promise.due.clone(),
            };
            events.extend(resumption);
            let (id, due_at, due_on) = (id.clone(), due.due_at, due.due_on);
            if due_at <= at {
                events.push(Event::Missed { id, at: rules.local(at), due_at, due_on });
            } else {
                events.extend(act(Touched { id, due, declaration }));
            }
        }
        events
    }

    /// The id of the next promise of a standard.
    fn next(&self, standard: &Code) -> PromiseId {
        let ordinals = self.all.keys().filter(|id| id.standard == *standard).map(|id| id.ordinal);
        PromiseId { standard: standard.clone(), ordinal: ordinals.max().map_or(0, |last| last.saturating_add(1)) }
    }
}

impl Promise {
    fn is_open(&self) -> bool {
        matches!(self.situation, Situation::Open | Situation::Paused { .. })
    }
}

/// `resumed`, if the promise is paused.
fn resumption(rules: &Rules, id: &PromiseId, promise: &Promise, at: Instant) -> Option<Event> {
    let Situation::Paused { since } = promise.situation else { return None };
    let declaration = rules.version(&promise.due.declaration);
    let standard = declaration.standard(&id.standard)?;
    Some(Event::Resumed {
        id: id.clone(),
        at: rules.local(at),
        previous_due_at: promise.due.due_at,
        previous_due_on: promise.due.due_on,
        due: resumed(declaration, standard, &promise.due, since, at),
    })
}

#[cfg(test)]
mod examples;
