//! A service request, from its submission to its end.
//!
//! A citizen, or nobody, asks for a product through a channel. The request is triaged, assigned to a unit, passed on,
//! worked on; it waits for the citizen; it is answered; it ends resolved, refused with a reason, cancelled, or
//! followed in another request. Some requests enter a planned programme and are owed nothing any more (S2-24..26).
//! What its product's standards promise lives in the same stream, decided here through [`Promises`].
//!
//! Every act is allowed in some situations and refused in the others: [`Request::decide`] is that table, one line
//! per cell. Its rules in prose:
//! - An act that asks for what already is yields no event. A note, an answer and an interim answer always say
//!   something new, and are told apart by the caller's operation key.
//! - Whatever moves a waiting request on ends its wait first.
//! - A unit gives a request away by a transfer, never by an assignment: transfers are counted (S3-15).
//! - A planned request gets no follow-up: it can be started, resolved, refused, cancelled, recategorised, linked, or
//!   taken out of its programme by reopening it.
//! - Notes and released texts are taken in every situation, the end included.
//!
//! It does not know who may act (`application::policies`), nor how a text is sealed (`application::sealing`).
//! Start at [`Act`], then [`Event`].

mod event;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod properties;
pub mod questions;
mod refusal;
mod status;
mod submission;
mod turn;

use std::{fmt, sync::Arc};

use chrono::NaiveDate;

use self::turn::Turn;
pub use self::{
    event::{Answer, AnswerValue, Event, Location, Place, Point, Source, Submitted, Unasked, Visibility},
    refusal::Refusal,
    status::Status,
    submission::{SourceDue, Submission},
};
use crate::{
    decider::Decider,
    declaration::Priority,
    ids::RequestId,
    number::Number,
    promise::Promises,
    rules::Rules,
    time::{self, Instant},
    words::Code,
};

/// Most characters of a description, and of a text released in its place (GeoReport v2).
pub const DESCRIPTION_MOST: usize = 4_000;
/// Most characters of any other typed text.
pub const TEXT_MOST: usize = 10_000;

/// The aggregate.
#[derive(Debug)]
pub struct Request;

/// An act, with the instant it happens at and the rules it is judged by.
#[derive(Debug, Clone)]
pub struct Command {
    pub rules: Arc<Rules>,
    pub at: Instant,
    pub act: Act,
}

/// What someone does. Typed texts are plain here: the decider wraps them as personal in its events.
#[derive(Clone, PartialEq)]
pub enum Act {
    Submit(Box<Submission>),
    Triage {
        priority: Priority,
    },
    /// To a unit that has none before it, or to an agent (`usr_…` or `key_…`) of the unit that holds it.
    Assign {
        unit: Code,
        agent: Option<Code>,
    },
    Transfer {
        to: Code,
    },
    Start,
    WaitForCitizen {
        question: Option<String>,
    },
    CitizenReplied,
    Note {
        visibility: Visibility,
        text: String,
    },
    /// S3-28. The announced day is the last one on which the answer keeps its promise; no earlier than the day of the act,
    /// no later than ten years after it.
    AnswerInterim {
        anticipated_on: NaiveDate,
        text: String,
    },
    Answer {
        text: String,
    },
    Resolve {
        outcome: Option<Code>,
        text: Option<String>,
    },
    Refuse {
        reason: Code,
        text: Option<String>,
    },
    Reopen,
    Cancel,
    Recategorise {
        product: Code,
        precision: Option<Code>,
    },
    /// `original`: the status of `of`, looked up by the application, which expects its revision in the same append.
    LinkAsDuplicate {
        of: RequestId,
        original: Option<Status>,
    },
    Unlink,
    Plan {
        programme: Code,
    },
    /// In clear from then on: an agent has read it and vouches for it.
    ReleaseText {
        text: String,
    },
}

impl Act {
    /// Stable, for logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Submit(_) => "submit",
            Self::Triage { .. } => "triage",
            Self::Assign { .. } => "assign",
            Self::Transfer { .. } => "transfer",
            Self::Start => "start",
            Self::WaitForCitizen { .. } => "wait_for_citizen",
            Self::CitizenReplied => "citizen_replied",
            Self::Note { .. } => "note",
            Self::AnswerInterim { .. } => "answer_interim",
            Self::Answer { .. } => "answer",
            Self::Resolve { .. } => "resolve",
            Self::Refuse { .. } => "refuse",
            Self::Reopen => "reopen",
            Self::Cancel => "cancel",
            Self::Recategorise { .. } => "recategorise",
            Self::LinkAsDuplicate { .. } => "link_as_duplicate",
            Self::Unlink => "unlink",
            Self::Plan { .. } => "plan",
            Self::ReleaseText { .. } => "release_text",
        }
    }
}

/// What was typed stays out of every log line.
impl fmt::Debug for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A request as its next decision needs it.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    Unsubmitted,
    Submitted(Box<Matter>, Situation),
}

/// Which acts are open to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Situation {
    Open,
    Waiting,
    Planned { programme: Code },
    Duplicate { of: RequestId },
    Closed,
}

/// What decisions compare with, whatever the situation.
#[derive(Debug, Clone, PartialEq)]
pub struct Matter {
    pub number: Number,
    pub status: Status,
    pub channel: Code,
    pub product: Code,
    pub precision: Option<Code>,
    pub priority: Priority,
    pub unit: Option<Code>,
    pub agent: Option<Code>,
    pub promises: Promises,
    /// What the promises of a new product count from: the submission, or the last reopening.
    trigger: Instant,
    /// Whether the citizen has an answer since `trigger`; none is promised again.
    answered: bool,
    /// Why it was refused.
    reason: Option<Code>,
    released: Option<String>,
}

impl State {
    /// What is known of a submitted request.
    pub fn matter(&self) -> Option<&Matter> {
        match self {
            Self::Unsubmitted => None,
            Self::Submitted(matter, _) => Some(matter),
        }
    }

    pub fn status(&self) -> Option<Status> {
        self.matter().map(|matter| matter.status)
    }
}

impl Decider for Request {
    const STREAM: &'static str = "request";
    type Command = Command;
    type Event = Event;
    type State = State;
    type Refusal = Refusal;

    fn initial() -> State {
        State::Unsubmitted
    }

    #[expect(clippy::match_same_arms, reason = "the table is read line by line, in groups that say why")]
    fn decide(state: &State, Command { rules, at, act }: Command) -> Result<Vec<Event>, Refusal> {
        use Situation::{Closed, Duplicate, Open, Planned, Waiting};

        if !time::is_sane(at.date_naive()) {
            return Err(Refusal::DateOutOfRange { field: "at" });
        }
        let State::Submitted(matter, situation) = state else {
            return match act {
                Act::Submit(submission) => submission.decide(&rules, at),
                _ => Err(Refusal::NotSubmitted),
            };
        };
        let turn = Turn { rules: &rules, at, matter };
        match (situation, act) {
            (_, Act::Submit(_)) => Err(Refusal::AlreadySubmitted),
            (_, Act::Note { visibility, text }) => turn.note(visibility, text),
            (_, Act::ReleaseText { text }) => turn.release_text(text),

            (Closed, Act::Resolve { .. }) if matter.status == Status::Resolved => Ok(vec![]),
            (Closed, Act::Refuse { reason, .. }) if matter.reason == Some(reason.clone()) => Ok(vec![]),
            (Closed, Act::Cancel) if matter.status == Status::Cancelled => Ok(vec![]),
            (Duplicate { of }, Act::LinkAsDuplicate { of: again, .. }) if *of == again => Ok(vec![]),
            (Planned { programme }, Act::Plan { programme: again }) if *programme == again => Ok(vec![]),

            (Closed | Planned { .. }, Act::Reopen) => turn.reopen(),
            (Open | Waiting, Act::Reopen) => Ok(vec![]),
            (Duplicate { of }, Act::Unlink) => turn.unlink(*of),
            (Open | Waiting | Planned { .. } | Closed, Act::Unlink) => Ok(vec![]),

            (Closed, _) => Err(Refusal::Closed { status: matter.status }),
            (Duplicate { of }, _) => Err(Refusal::Duplicate { of: *of }),

            (Open | Waiting | Planned { .. }, Act::Triage { priority }) => turn.triage(priority),
            (Open | Waiting | Planned { .. }, Act::Assign { unit, agent }) => turn.assign(unit, agent),
            (Open | Waiting | Planned { .. }, Act::Transfer { to }) => turn.transfer(to),
            (Open | Planned { .. }, Act::Start) => turn.start(),
            (Waiting, Act::Start) => Err(Refusal::Waiting),

            (Open, Act::WaitForCitizen { question }) => turn.wait(question),
            (Waiting, Act::WaitForCitizen { .. }) => Ok(vec![]),
            (Waiting, Act::CitizenReplied) => turn.citizen_replied(),
            (Open | Planned { .. }, Act::CitizenReplied) => Ok(vec![]),

            (Open | Waiting, Act::AnswerInterim { anticipated_on, text }) => turn.answer_interim(anticipated_on, text),
            (Open | Waiting, Act::Answer { text }) => turn.answer(text),
            (Planned { .. }, Act::WaitForCitizen { .. } | Act::AnswerInterim { .. } | Act::Answer { .. }) => {
                Err(Refusal::Planned)
            }

            (Open | Waiting | Planned { .. }, Act::Resolve { outcome, text }) => turn.resolve(outcome, text),
            (Open | Waiting | Planned { .. }, Act::Refuse { reason, text }) => turn.refuse(reason, text),
            (Open | Waiting | Planned { .. }, Act::Cancel) => turn.cancel(),
            (Open | Waiting | Planned { .. }, Act::Recategorise { product, precision }) => {
                turn.recategorise(product, precision)
            }
            (Open | Waiting | Planned { .. }, Act::LinkAsDuplicate { of, original }) => turn.link(of, original),
            (Open | Waiting | Planned { .. }, Act::Plan { programme }) => turn.plan(programme),
        }
    }

    fn evolve(state: State, event: &Event) -> State {
        match (state, event) {
            (_, Event::Submitted(submitted)) => {
                State::Submitted(Box::new(Matter::submitted(submitted)), Situation::Open)
            }
            (State::Unsubmitted, _) => State::Unsubmitted,
            (State::Submitted(mut matter, situation), event) => {
                matter.evolve(event);
                let situation = situation.after(matter.status, event);
                State::Submitted(matter, situation)
            }
        }
    }
}

impl Situation {
    fn after(self, status: Status, event: &Event) -> Self {
        match (status, event) {
            (_, Event::Planned { programme, .. }) => Self::Planned { programme: programme.clone() },
            (_, Event::LinkedAsDuplicate { of, .. }) => Self::Duplicate { of: *of },
            (Status::Planned | Status::Duplicate, _) => self,
            (Status::Waiting, _) => Self::Waiting,
            (status, _) if status.is_open() => Self::Open,
            _ => Self::Closed,
        }
    }
}

impl Matter {
    fn submitted(submitted: &Submitted) -> Self {
        Self {
            number: submitted.number.clone(),
            status: Status::Received,
            channel: submitted.channel.clone(),
            product: submitted.product.clone(),
            precision: submitted.precision.clone(),
            priority: submitted.priority,
            unit: submitted.unit.clone(),
            agent: None,
            promises: Promises::default(),
            trigger: submitted.at.to_utc(),
            answered: false,
            reason: None,
            released: None,
        }
    }

    fn evolve(&mut self, event: &Event) {
        self.status = self.status.after(event);
        match event {
            Event::Triaged { priority, .. } => self.priority = *priority,
            Event::Assigned { unit, agent, .. } => {
                self.unit = Some(unit.clone());
                self.agent.clone_from(agent);
            }
            Event::Transferred { to, .. } => {
                self.unit = Some(to.clone());
                self.agent = None;
            }
            Event::Answered { .. } => self.answered = true,
            Event::Refused { reason, .. } => self.reason = Some(reason.clone()),
            Event::Reopened { at } => {
                self.trigger = at.to_utc();
                self.answered = false;
                self.reason = None;
            }
            Event::Recategorised { product, precision, unit, .. } => {
                self.product = product.clone();
                self.precision.clone_from(precision);
                if let Some(unit) = unit {
                    self.unit = Some(unit.clone());
                    self.agent = None;
                }
            }
            Event::TextReleased { text, .. } => self.released = Some(text.clone()),
            Event::Promise(event) => self.promises.evolve(event),
            Event::Submitted(_)
            | Event::Started { .. }
            | Event::WaitingStarted { .. }
            | Event::WaitingEnded { .. }
            | Event::Noted { .. }
            | Event::InterimAnswered { .. }
            | Event::Resolved { .. }
            | Event::Cancelled { .. }
            | Event::LinkedAsDuplicate { .. }
            | Event::Unlinked { .. }
            | Event::Planned { .. } => {}
        }
    }
}
