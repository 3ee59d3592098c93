//! One act on a submitted request: the events it leads to, those of the promises included.
//!
//! Each method is one act in a situation that allows it. A [`Story`] gathers the events; what happens to the promises
//! is told after the event that causes it.

use chrono::{Months, NaiveDate};

use super::{
    DESCRIPTION_MOST, Event, Matter, Refusal, Status, TEXT_MOST, Visibility,
    submission::{check_precision, check_unit, text},
};
use crate::{
    declaration::{Declaration, Priority},
    ids::RequestId,
    number::Number,
    personal::Personal,
    promise::{self, Milestone, Promises, Release},
    rules::Rules,
    time::{Instant, Local},
    words::{Code, required_text},
};

type Decision = Result<Vec<Event>, Refusal>;

/// No honest announcement looks further ahead than ten years.
const ANTICIPATED_MOST: Months = Months::new(120);

pub(super) struct Turn<'a> {
    pub(super) rules: &'a Rules,
    pub(super) at: Instant,
    pub(super) matter: &'a Matter,
}

impl Turn<'_> {
    pub(super) fn triage(&self, priority: Priority) -> Decision {
        if self.matter.priority == priority && self.matter.status != Status::Received {
            return Ok(vec![]);
        }
        only(Event::Triaged { at: self.local(), priority })
    }

    pub(super) fn assign(&self, unit: Code, agent: Option<Code>) -> Decision {
        check_unit(self.declaration(), &unit)?;
        if !agent.as_ref().is_none_or(is_agent) {
            return Err(Refusal::NotAnAgent);
        }
        match &self.matter.unit {
            Some(holder) if *holder != unit => return Err(Refusal::HeldByAnotherUnit { unit: holder.clone() }),
            Some(_) if self.matter.agent == agent && !self.is_unassigned() => return Ok(vec![]),
            _ => {}
        }
        only(Event::Assigned { at: self.local(), unit, agent })
    }

    pub(super) fn transfer(&self, to: Code) -> Decision {
        check_unit(self.declaration(), &to)?;
        match &self.matter.unit {
            None => Err(Refusal::Unassigned),
            Some(holder) if *holder == to => Ok(vec![]),
            Some(holder) => only(Event::Transferred { at: self.local(), from: Some(holder.clone()), to }),
        }
    }

    pub(super) fn start(&self) -> Decision {
        if self.matter.status == Status::InProgress {
            return Ok(vec![]);
        }
        only(Event::Started { at: self.local() })
    }

    pub(super) fn wait(&self, question: Option<String>) -> Decision {
        let question = text("question", question, TEXT_MOST)?.map(Personal::Plain);
        let mut story = self.story();
        story.tell(Event::WaitingStarted { at: self.local(), question });
        story.owe(|promises| promises.pause(self.rules, self.at));
        story.end()
    }

    pub(super) fn citizen_replied(&self) -> Decision {
        self.moving().end()
    }

    pub(super) fn note(&self, visibility: Visibility, text: String) -> Decision {
        only(Event::Noted { at: self.local(), visibility, text: typed(text)? })
    }

    pub(super) fn answer_interim(&self, anticipated_on: NaiveDate, text: String) -> Decision {
        let today = self.local().date_naive();
        if anticipated_on < today {
            return Err(Refusal::AnticipatedInThePast);
        }
        if today.checked_add_months(ANTICIPATED_MOST).is_none_or(|last| anticipated_on > last) {
            return Err(Refusal::AnticipatedTooFar);
        }
        let anticipated_at = self.rules.calendar().end_of_day(anticipated_on);
        let text = typed(text)?;
        let mut story = self.moving();
        story.tell(Event::InterimAnswered { at: self.local(), anticipated_at, anticipated_on, text });
        story.owe(|promises| promises.interim(self.rules, anticipated_at, self.at));
        story.end()
    }

    pub(super) fn answer(&self, text: String) -> Decision {
        let text = typed(text)?;
        let mut story = self.moving();
        story.tell(Event::Answered { at: self.local(), text });
        story.owe(|promises| promises.reach(self.rules, Milestone::Answer, self.at));
        story.end()
    }

    pub(super) fn resolve(&self, outcome: Option<Code>, typed: Option<String>) -> Decision {
        let text = text("text", typed, TEXT_MOST)?.map(Personal::Plain);
        let mut story = self.moving();
        story.tell(Event::Resolved { at: self.local(), outcome, text });
        story.owe(|promises| promises.reach(self.rules, Milestone::Answer, self.at));
        story.owe(|promises| promises.reach(self.rules, Milestone::Resolution, self.at));
        story.end()
    }

    /// A reason is an answer. What was still to be done will not be, so a promise of it is owed no longer.
    pub(super) fn refuse(&self, reason: Code, typed: Option<String>) -> Decision {
        if self.declaration().refusal_reasons.iter().all(|known| known.code != reason) {
            return Err(Refusal::UnknownReason(reason));
        }
        let text = text("text", typed, TEXT_MOST)?.map(Personal::Plain);
        let mut story = self.moving();
        story.tell(Event::Refused { at: self.local(), reason, text });
        story.owe(|promises| promises.reach(self.rules, Milestone::Answer, self.at));
        story.owe(|promises| promises.release(self.rules, Release::Refused, self.at));
        story.end()
    }

    pub(super) fn reopen(&self) -> Decision {
        let mut story = self.story();
        story.tell(Event::Reopened { at: self.local() });
        let standards = self.standards(&self.matter.product, self.at, false);
        story.owe(|promises| promises.make(self.rules, &standards, self.at, self.at, None));
        story.end()
    }

    pub(super) fn cancel(&self) -> Decision {
        let mut story = self.moving();
        story.tell(Event::Cancelled { at: self.local() });
        story.owe(|promises| promises.release(self.rules, Release::Cancelled, self.at));
        story.end()
    }

    /// Another precision of the same product owes nothing else, so its promises stand.
    pub(super) fn recategorise(&self, product: Code, precision: Option<Code>) -> Decision {
        let found = self.declaration().product(&product).ok_or_else(|| Refusal::UnknownProduct(product.clone()))?;
        if let Some(precision) = &precision {
            check_precision(found, precision)?;
        }
        let Matter { product: from, trigger, answered, .. } = self.matter;
        let same_product = *from == product;
        if same_product && self.matter.precision == precision {
            return Ok(vec![]);
        }
        let unit = found.unit.clone().filter(|unit| !same_product && self.matter.unit.as_ref() != Some(unit));
        let standards = self.standards(&product, *trigger, *answered);
        let event = Event::Recategorised { at: self.local(), from: from.clone(), product, precision, unit };
        if same_product {
            return only(event);
        }
        let mut story = self.moving();
        story.tell(event);
        story.owe(|promises| promises.release(self.rules, Release::Recategorised, self.at));
        story.owe(|promises| promises.make(self.rules, &standards, *trigger, self.at, None));
        story.end()
    }

    pub(super) fn link(&self, of: RequestId, original: Option<Status>) -> Decision {
        if Number::of(of) == self.matter.number {
            return Err(Refusal::DuplicateOfItself);
        }
        match original {
            None => return Err(Refusal::UnknownOriginal),
            Some(Status::Duplicate) => return Err(Refusal::OriginalIsDuplicate),
            Some(_) => {}
        }
        let mut story = self.moving();
        story.tell(Event::LinkedAsDuplicate { at: self.local(), of });
        story.owe(|promises| promises.release(self.rules, Release::Duplicate, self.at));
        story.end()
    }

    pub(super) fn unlink(&self, of: RequestId) -> Decision {
        let mut story = self.story();
        story.tell(Event::Unlinked { at: self.local(), of });
        story.owe(|promises| promises.restore(self.rules, self.at));
        story.end()
    }

    pub(super) fn plan(&self, programme: Code) -> Decision {
        if self.declaration().programmes.iter().all(|known| known.code != programme) {
            return Err(Refusal::UnknownProgramme(programme));
        }
        let mut story = self.moving();
        story.tell(Event::Planned { at: self.local(), programme });
        story.owe(|promises| promises.release(self.rules, Release::Planned, self.at));
        story.end()
    }

    pub(super) fn release_text(&self, text: String) -> Decision {
        let text = required_text(text, DESCRIPTION_MOST).map_err(|source| Refusal::Text { field: "text", source })?;
        if self.matter.released.as_ref() == Some(&text) {
            return Ok(vec![]);
        }
        only(Event::TextReleased { at: self.local(), text })
    }

    fn declaration(&self) -> &Declaration {
        self.rules.in_force(self.at)
    }

    fn local(&self) -> Local {
        self.rules.local(self.at)
    }

    /// The unit is the product's own choice; nobody has assigned it yet.
    fn is_unassigned(&self) -> bool {
        matches!(self.matter.status, Status::Received | Status::Triaged)
    }

    /// What a product owes by the version in force at the trigger; a product younger than that brings its own.
    /// Whoever has an answer is not promised one again.
    fn standards(&self, product: &Code, trigger: Instant, answered: bool) -> Vec<Code> {
        let then = self.rules.in_force(trigger);
        let offering = if then.product(product).is_some() { then } else { self.declaration() };
        let is_answer = |code: &Code| then.standard(code).is_some_and(|it| it.milestone == Milestone::Answer);
        let owed = offering.owed(product, &self.matter.channel);
        owed.into_iter().filter(|code| !(answered && is_answer(code))).collect()
    }

    fn story(&self) -> Story {
        Story { promises: self.matter.promises.clone(), events: Vec::new() }
    }

    /// A story that begins by ending the wait for the citizen, if there is one.
    fn moving(&self) -> Story {
        let mut story = self.story();
        if self.matter.status == Status::Waiting {
            story.tell(Event::WaitingEnded { at: self.local() });
            story.owe(|promises| promises.resume(self.rules, self.at));
        }
        story
    }
}

/// The events of one decision so far, and the promises as they leave them.
struct Story {
    promises: Promises,
    events: Vec<Event>,
}

impl Story {
    fn tell(&mut self, event: Event) {
        self.events.push(event);
    }

    fn owe(&mut self, what: impl FnOnce(&Promises) -> Vec<promise::Event>) {
        for event in what(&self.promises) {
            self.promises.evolve(&event);
            self.events.push(Event::Promise(event));
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "it is the last expression of decisions")]
    fn end(self) -> Decision {
        Ok(self.events)
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is the last expression of decisions")]
fn only(event: Event) -> Decision {
    Ok(vec![event])
}

/// `usr_…` or `key_…`, as actors are written. It stays in clear for ever: what somebody types as a name does not pass, and
/// whoever makes the ids keeps names out of them.
fn is_agent(agent: &Code) -> bool {
    let id = agent.as_str().strip_prefix("usr_").or_else(|| agent.as_str().strip_prefix("key_"));
    id.is_some_and(|id| {
        (1..=32).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}

fn typed(text: String) -> Result<Personal<String>, Refusal> {
    required_text(text, TEXT_MOST).map(Personal::Plain).map_err(|source| Refusal::Text { field: "text", source })
}
