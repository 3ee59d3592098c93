//! Why something did not happen. One enum per thing that can fail; doors map each variant to one answer.

use domain::words::Code;

/// What is wrong with one field of what was asked. Codes are catalogue keys; no value is repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The field, as the caller named it: `product`, `answers/odour_when`.
    pub field: String,
    /// `required`, `unknown`, `not_a_number`, `too_long`, …
    pub code: &'static str,
}

/// The log or the vault cannot be read or written. The chain goes to the log, once; the caller is told nothing of it.
#[derive(Debug, thiserror::Error)]
#[error("the storage failed")]
pub struct StorageError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

impl StorageError {
    pub(crate) fn new(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Box::new(source))
    }
}

/// Why a request was not submitted.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// 400 / 422, pointing at the fields.
    #[error("what was asked does not fit the declaration")]
    Invalid { problems: Vec<Problem> },
    /// 422: the same operation came with another content.
    #[error("the operation was used for something else")]
    OperationReused,
    /// 503 with `Retry-After`: nothing was written.
    #[error("too much is waiting")]
    Overloaded,
    /// 503 with `Retry-After`: whether it was written is not known yet; repeat the operation.
    #[error("the outcome is not known yet")]
    Unknown,
    /// 413.
    #[error("too much in one request")]
    TooLarge,
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why an act on a request was not done.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    #[error("what was asked does not fit the declaration")]
    Invalid { problems: Vec<Problem> },
    /// 409 with the refusal's code, a catalogue key.
    #[error("refused: {0}")]
    Refused(Code),
    #[error("no such request")]
    NotFound,
    /// 412 with the current ETag.
    #[error("the request has changed since")]
    PreconditionFailed { current: String },
    /// 409: others were faster three times over.
    #[error("the request is changing too fast")]
    Conflict,
    #[error("the operation was used for something else")]
    OperationReused,
    #[error("too much is waiting")]
    Overloaded,
    #[error("the outcome is not known yet")]
    Unknown,
    #[error("too much in one request")]
    TooLarge,
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why sealed fields were not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("too much is waiting")]
    Overloaded,
    #[error("the outcome is not known yet")]
    Unknown,
    /// The ciphertext is not what was sealed there: the row or the log was altered.
    #[error("a sealed value was altered")]
    Altered,
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why a declaration was not published; each stops the start.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("declaration {organisation} {version} differs from the text published as that version: give it a new version")]
    TextChanged { organisation: Code, version: Code },
    #[error("declaration {version} is of {found}, not of {expected}")]
    AnotherOrganisation { expected: String, found: Code, version: Code },
    #[error("the log could not take declaration {version}")]
    Append { version: Code, #[source] source: StorageError },
    #[error(transparent)]
    Storage(#[from] StorageError),
}
