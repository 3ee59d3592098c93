//! Where a request stands, as every reader says it: the word that an agent and a citizen see.
//!
//! Readers fold it from events with [`Status::after`]; the decider's own situations carry it too, so that what is
//! shown and what is allowed never disagree.

use serde::{Deserialize, Serialize};

use super::Event;

/// The stored and published words: `status.request.<as_str>` in the catalogues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Submitted, reopened or unlinked, and nobody has looked at it since.
    Received,
    Triaged,
    Assigned,
    InProgress,
    /// For the citizen.
    Waiting,
    /// The citizen has the answer; the work, if there is any, is not done.
    Answered,
    Resolved,
    Refused,
    Cancelled,
    /// Followed in another request.
    Duplicate,
    /// Entered in a planned programme (S2-24..26): still to be done, owed no date.
    Planned,
}

impl Status {
    pub const ALL: [Self; 11] = [
        Self::Received,
        Self::Triaged,
        Self::Assigned,
        Self::InProgress,
        Self::Waiting,
        Self::Answered,
        Self::Resolved,
        Self::Refused,
        Self::Cancelled,
        Self::Duplicate,
        Self::Planned,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Triaged => "triaged",
            Self::Assigned => "assigned",
            Self::InProgress => "in_progress",
            Self::Waiting => "waiting",
            Self::Answered => "answered",
            Self::Resolved => "resolved",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
            Self::Duplicate => "duplicate",
            Self::Planned => "planned",
        }
    }

    /// Open311's `open`. A planned request is open, like a scheduled one elsewhere: nobody has done it yet.
    pub fn is_open(self) -> bool {
        !matches!(self, Self::Resolved | Self::Refused | Self::Cancelled | Self::Duplicate)
    }

    /// The status after an event; `Received` before the first. Total, like every `evolve`.
    #[must_use]
    pub fn after(self, event: &Event) -> Self {
        match event {
            Event::Submitted(_) | Event::Reopened { .. } | Event::Unlinked { .. } => Self::Received,
            Event::Triaged { .. } if self == Self::Received => Self::Triaged,
            Event::Assigned { .. } if matches!(self, Self::Received | Self::Triaged) => Self::Assigned,
            Event::Transferred { .. } if matches!(self, Self::Received | Self::Triaged | Self::InProgress) => {
                Self::Assigned
            }
            Event::Started { .. } | Event::WaitingEnded { .. } => Self::InProgress,
            Event::WaitingStarted { .. } => Self::Waiting,
            Event::Answered { .. } => Self::Answered,
            Event::Resolved { .. } => Self::Resolved,
            Event::Refused { .. } => Self::Refused,
            Event::Cancelled { .. } => Self::Cancelled,
            Event::LinkedAsDuplicate { .. } => Self::Duplicate,
            Event::Planned { .. } => Self::Planned,
            // The programme was the old product's; another precision of the same product stays in it.
            Event::Recategorised { from, product, .. } if self == Self::Planned && from != product => Self::Received,
            Event::Triaged { .. }
            | Event::Assigned { .. }
            | Event::Transferred { .. }
            | Event::Recategorised { .. }
            | Event::Noted { .. }
            | Event::InterimAnswered { .. }
            | Event::TextReleased { .. }
            | Event::Promise(_) => self,
        }
    }
}
