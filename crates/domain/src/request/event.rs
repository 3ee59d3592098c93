//! What happens to a request, as it is stored. Shapes are append-only: see `docs/decisions/0007-event-evolution.md`.

use serde::{Deserialize, Serialize};

use crate::{
    declaration::Priority,
    ids::{PersonId, RequestId},
    number::Number,
    personal::Personal,
    promise,
    time::{Instant, Local},
    words::Code,
};

/// `request.*` and `promise.*` in `request-<uuid>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Submitted(Box<Submitted>),
    Triaged {
        at: Local,
        priority: Priority,
    },
    Assigned {
        at: Local,
        unit: Code,
        /// `usr_…` or `key_…`, never a name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent: Option<Code>,
    },
    /// S3-15: counted by whoever asks how often.
    Transferred {
        at: Local,
        from: Option<Code>,
        to: Code,
    },
    Started {
        at: Local,
    },
    /// Waiting for the citizen.
    WaitingStarted {
        at: Local,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        question: Option<Personal<String>>,
    },
    WaitingEnded {
        at: Local,
    },
    Noted {
        at: Local,
        visibility: Visibility,
        text: Personal<String>,
    },
    /// S3-28: with the anticipated date, exclusive instant.
    InterimAnswered {
        at: Local,
        anticipated_at: Instant,
        anticipated_on: chrono::NaiveDate,
        text: Personal<String>,
    },
    Answered {
        at: Local,
        text: Personal<String>,
    },
    Resolved {
        at: Local,
        /// What was done, as a code of the source or the organisation; no declaration lists them. In clear for ever: a
        /// class of work, never a word about a person.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        outcome: Option<Code>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<Personal<String>>,
    },
    Refused {
        at: Local,
        /// A code of the declaration's `refusal_reasons`.
        reason: Code,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<Personal<String>>,
    },
    Reopened {
        at: Local,
    },
    Cancelled {
        at: Local,
    },
    Recategorised {
        at: Local,
        from: Code,
        product: Code,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        precision: Option<Code>,
        /// The unit that now receives it, if the new product names one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unit: Option<Code>,
    },
    LinkedAsDuplicate {
        at: Local,
        of: RequestId,
    },
    Unlinked {
        at: Local,
        of: RequestId,
    },
    /// S2-24..26: feeds the planning base, no follow-up.
    Planned {
        at: Local,
        programme: Code,
    },
    /// An agent released a text for public answers: what was `description: null` now reads so. In clear by intent.
    TextReleased {
        at: Local,
        text: String,
    },
    /// Stored under its own kinds (`promise.made`), so that serde's name for this variant is never written.
    #[serde(skip)]
    Promise(promise::Event),
}

impl Event {
    /// The stored name: the aggregate, a point, and what serde calls the variant.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Submitted(_) => "request.submitted",
            Self::Triaged { .. } => "request.triaged",
            Self::Assigned { .. } => "request.assigned",
            Self::Transferred { .. } => "request.transferred",
            Self::Started { .. } => "request.started",
            Self::WaitingStarted { .. } => "request.waiting_started",
            Self::WaitingEnded { .. } => "request.waiting_ended",
            Self::Noted { .. } => "request.noted",
            Self::InterimAnswered { .. } => "request.interim_answered",
            Self::Answered { .. } => "request.answered",
            Self::Resolved { .. } => "request.resolved",
            Self::Refused { .. } => "request.refused",
            Self::Reopened { .. } => "request.reopened",
            Self::Cancelled { .. } => "request.cancelled",
            Self::Recategorised { .. } => "request.recategorised",
            Self::LinkedAsDuplicate { .. } => "request.linked_as_duplicate",
            Self::Unlinked { .. } => "request.unlinked",
            Self::Planned { .. } => "request.planned",
            Self::TextReleased { .. } => "request.text_released",
            Self::Promise(event) => match event {
                promise::Event::Made { .. } => "promise.made",
                promise::Event::Kept { .. } => "promise.kept",
                promise::Event::Missed { .. } => "promise.missed",
                promise::Event::Extended { .. } => "promise.extended",
                promise::Event::Paused { .. } => "promise.paused",
                promise::Event::Resumed { .. } => "promise.resumed",
                promise::Event::Released { .. } => "promise.released",
            },
        }
    }

    /// When it happened, as the organisation's clock showed it.
    pub fn at(&self) -> Local {
        match self {
            Self::Submitted(submitted) => submitted.at,
            Self::Triaged { at, .. }
            | Self::Assigned { at, .. }
            | Self::Transferred { at, .. }
            | Self::Started { at }
            | Self::WaitingStarted { at, .. }
            | Self::WaitingEnded { at }
            | Self::Noted { at, .. }
            | Self::InterimAnswered { at, .. }
            | Self::Answered { at, .. }
            | Self::Resolved { at, .. }
            | Self::Refused { at, .. }
            | Self::Reopened { at }
            | Self::Cancelled { at }
            | Self::Recategorised { at, .. }
            | Self::LinkedAsDuplicate { at, .. }
            | Self::Unlinked { at, .. }
            | Self::Planned { at, .. }
            | Self::TextReleased { at, .. } => *at,
            Self::Promise(event) => match event {
                promise::Event::Made { at, .. }
                | promise::Event::Kept { at, .. }
                | promise::Event::Missed { at, .. }
                | promise::Event::Extended { at, .. }
                | promise::Event::Paused { at, .. }
                | promise::Event::Resumed { at, .. }
                | promise::Event::Released { at, .. } => *at,
            },
        }
    }
}

/// What was asked, by whom, where, through what channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Submitted {
    pub at: Local,
    pub number: Number,
    pub channel: Code,
    pub product: Code,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<Code>,
    pub priority: Priority,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Code>,
    /// Neighbourhood or borough, in clear: statistics survive erasure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area: Option<Code>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<Answer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Personal<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_url: Option<Personal<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requester: Option<PersonId>,
    /// The declaration version by which the answers were read.
    pub declaration: Code,
    /// Where an imported request comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    Public(Location),
    Private(Personal<Location>),
}

/// At least one of point, address and address id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<Point>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_id: Option<String>,
}

/// WGS84, in units of 1e-7 degree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    pub lat: i64,
    pub long: i64,
}

/// One answer along the product's question tree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    pub question: Code,
    pub value: AnswerValue,
}

impl Answer {
    /// Stands for every question that the tree does not have.
    pub const UNKNOWN: &'static str = "unknown";
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerValue {
    Choices(Vec<Code>),
    /// As typed, checked to be a number.
    Number(String),
    Datetime(Local),
    /// Free text, and whatever came to a question that was not asked.
    Text(Personal<String>),
    /// What came under a name that the tree does not know (16 of Open311's questions: kept, never refused). A caller
    /// chooses such a name as freely as what it names, so both are sealed; the question is then [`Answer::UNKNOWN`].
    Unknown(Personal<Unasked>),
}

/// What nobody asked, as it came.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unasked {
    pub name: String,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    Internal,
    Public,
}

/// The imported row: file and key, nothing personal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    pub name: Code,
    /// The source's own identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The source's own status and verdict, where it publishes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Code>,
}
