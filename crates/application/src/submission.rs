//! A request as it is asked for, and what became of it.

use domain::{ids::RequestId, number::Number, request::Location, words::Code};

/// What a door has read from its form. Codes are not yet known to exist; nothing is sealed yet.
#[derive(Clone, Default)]
pub struct Submission {
    /// Absent: the declaration's Open311 channel.
    pub channel: Option<Code>,
    /// The product's code (`service_code`).
    pub product: String,
    pub precision: Option<String>,
    /// Question code, or whatever the caller called it, and what was answered, in order; several values for a `multivaluelist`.
    pub answers: Vec<(String, Vec<String>)>,
    pub place: Option<Location>,
    pub area: Option<Code>,
    pub description: Option<String>,
    pub media_url: Option<String>,
    /// `None`: nobody. Anonymity is a right.
    pub requester: Option<Requester>,
}

/// Who asks. All personal; every field may be absent.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Requester {
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
}

/// What a submission became: rendered from its events alone, so a repeated operation reads the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Created {
        request: RequestId,
        number: Number,
        revision: i64,
        /// An earlier submission of the same operation made it.
        replayed: bool,
        /// For `?after=`: a list that waits for it shows the request.
        after: String,
        etag: String,
    },
    /// No request: the citizen is sent to 9-1-1 with the words of this code.
    Emergency { code: Code, replayed: bool },
}
