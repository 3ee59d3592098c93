//! Why an act on a request is refused.

use super::{Status, questions::Fault};
use crate::{
    ids::RequestId,
    words::{Code, NotAText},
};

/// What the business forbids. Each has a stable code, the key of its words in the catalogues (`refusal.<code>`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("nothing was submitted")]
    NotSubmitted,
    #[error("the request is already submitted")]
    AlreadySubmitted,
    #[error("the request is closed: {}", status.as_str())]
    Closed { status: Status },
    #[error("the request is a duplicate, followed in {of}")]
    Duplicate { of: RequestId },
    #[error("the request waits for the citizen")]
    Waiting,
    #[error("the request is in a planned programme, without follow-up")]
    Planned,
    #[error("unit {unit} holds the request: transfer it")]
    HeldByAnotherUnit { unit: Code },
    #[error("no unit holds the request: assign it")]
    Unassigned,
    #[error("a request is no duplicate of itself")]
    DuplicateOfItself,
    #[error("there is no request to be a duplicate of")]
    UnknownOriginal,
    #[error("the other request is itself a duplicate")]
    OriginalIsDuplicate,
    #[error("the anticipated date has passed")]
    AnticipatedInThePast,
    #[error("the anticipated date is years and years away")]
    AnticipatedTooFar,
    /// `field`: `at`, or `source_due` of an imported row.
    #[error("{field} is of another age")]
    DateOutOfRange { field: &'static str },
    #[error("an agent is usr_ or key_, then 1 to 32 of the characters a-z 0-9")]
    NotAnAgent,
    /// Not a fault of anybody: the citizen is sent to 9-1-1, and no request is created (S2-38..43).
    #[error("an answer is an emergency: {reason}")]
    Emergency { reason: Code },
    #[error("{} of the answers do not read", .0.len())]
    Answers(Vec<Fault>),
    #[error("the declaration has no product {0}")]
    UnknownProduct(Code),
    #[error("the product has no precision {0}")]
    UnknownPrecision(Code),
    #[error("the declaration has no channel {0}")]
    UnknownChannel(Code),
    #[error("the declaration has no unit {0}")]
    UnknownUnit(Code),
    #[error("the declaration has no area {0}")]
    UnknownArea(Code),
    #[error("the declaration has no refusal reason {0}")]
    UnknownReason(Code),
    #[error("the declaration has no programme {0}")]
    UnknownProgramme(Code),
    #[error("the point is not on Earth")]
    PointOffEarth,
    #[error("the media address is not an http or https address")]
    NotAMediaUrl,
    #[error("the key of the source is too long, or holds a control character")]
    NotASourceKey,
    #[error("{field} does not read")]
    Text {
        field: &'static str,
        #[source]
        source: NotAText,
    },
}

impl Refusal {
    /// Stable for ever: programs branch on it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotSubmitted => "request.not_submitted",
            Self::AlreadySubmitted => "request.already_submitted",
            Self::Closed { .. } => "request.closed",
            Self::Duplicate { .. } => "request.duplicate",
            Self::Waiting => "request.waiting",
            Self::Planned => "request.planned",
            Self::HeldByAnotherUnit { .. } => "request.held_by_another_unit",
            Self::Unassigned => "request.unassigned",
            Self::DuplicateOfItself => "request.duplicate_of_itself",
            Self::UnknownOriginal => "request.unknown_original",
            Self::OriginalIsDuplicate => "request.original_is_duplicate",
            Self::AnticipatedInThePast => "request.anticipated_in_the_past",
            Self::AnticipatedTooFar => "request.anticipated_too_far",
            Self::DateOutOfRange { .. } => "request.date_out_of_range",
            Self::NotAnAgent => "request.not_an_agent",
            Self::Emergency { .. } => "request.emergency",
            Self::Answers(_) => "request.answers",
            Self::UnknownProduct(_) => "request.unknown_product",
            Self::UnknownPrecision(_) => "request.unknown_precision",
            Self::UnknownChannel(_) => "request.unknown_channel",
            Self::UnknownUnit(_) => "request.unknown_unit",
            Self::UnknownArea(_) => "request.unknown_area",
            Self::UnknownReason(_) => "request.unknown_reason",
            Self::UnknownProgramme(_) => "request.unknown_programme",
            Self::PointOffEarth => "request.point_off_earth",
            Self::NotAMediaUrl => "request.not_a_media_url",
            Self::NotASourceKey => "request.not_a_source_key",
            Self::Text { source, .. } => source.code(),
        }
    }

    /// The field of the act that does not read; none when the act reads well and the situation forbids it.
    /// A door answers the first as unreadable (422), the second as a conflict (409).
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::NotSubmitted
            | Self::AlreadySubmitted
            | Self::Closed { .. }
            | Self::Duplicate { .. }
            | Self::Waiting
            | Self::Planned
            | Self::HeldByAnotherUnit { .. }
            | Self::Unassigned
            | Self::OriginalIsDuplicate
            | Self::Emergency { .. } => None,
            Self::DuplicateOfItself | Self::UnknownOriginal => Some("of"),
            Self::AnticipatedInThePast | Self::AnticipatedTooFar => Some("anticipated_on"),
            Self::NotAnAgent => Some("agent"),
            Self::Answers(_) => Some("answers"),
            Self::UnknownProduct(_) => Some("product"),
            Self::UnknownPrecision(_) => Some("precision"),
            Self::UnknownChannel(_) => Some("channel"),
            Self::UnknownUnit(_) => Some("unit"),
            Self::UnknownArea(_) => Some("area"),
            Self::UnknownReason(_) => Some("reason"),
            Self::UnknownProgramme(_) => Some("programme"),
            Self::PointOffEarth => Some("place"),
            Self::NotAMediaUrl => Some("media_url"),
            Self::NotASourceKey => Some("source"),
            Self::DateOutOfRange { field } | Self::Text { field, .. } => Some(field),
        }
    }
}
