//! Why something did not happen. One enum per thing that can fail; doors map each variant to one answer.

use domain::words::Code;
use event_store::AppendError;
use vault::VaultError;

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
    /// 503 with `Retry-After`: the log lost what was acknowledged, and somebody must see to it.
    #[error("the log is behind what was acknowledged")]
    Diverged,
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
    Refused(&'static str),
    #[error("no such request")]
    NotFound,
    /// 400: the ETag is not of this request.
    #[error("not an ETag of this request")]
    ForeignEtag,
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
    #[error("the log is behind what was acknowledged")]
    Diverged,
    #[error("too much in one request")]
    TooLarge,
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why persons were not merged or un-merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// 409 with the refusal's code, a catalogue key.
    #[error("refused: {0}")]
    Refused(&'static str),
    #[error("no such person")]
    NotFound,
    #[error("the person is changing too fast")]
    Conflict,
    #[error("the operation was used for something else")]
    OperationReused,
    #[error("too much is waiting")]
    Overloaded,
    #[error("the outcome is not known yet")]
    Unknown,
    #[error("the log is behind what was acknowledged")]
    Diverged,
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
    #[error("the log is behind what was acknowledged")]
    Diverged,
    /// The ciphertext is not what was sealed there: the row or the log was altered.
    #[error("a sealed value was altered")]
    Altered,
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why a declaration was not published; each stops the start.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error(
        "declaration {organisation} {version} differs from the text published as that version: give it a new version"
    )]
    TextChanged { organisation: Code, version: Code },
    #[error("{organisation} has no declaration: name one at start")]
    NoDeclaration { organisation: String },
    #[error("declaration {version} is of {found}, not of {expected}")]
    AnotherOrganisation { expected: String, found: Code, version: Code },
    #[error("the log could not take declaration {version}")]
    Append {
        version: Code,
        #[source]
        source: StorageError,
    },
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why the store or the vault did not take a write, before it is told to whoever asked.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// A stream is not what was expected of it.
    Conflict {
        stream: String,
    },
    OperationReused,
    Overloaded,
    Unknown,
    Diverged,
    TooLarge {
        what: &'static str,
        limit: usize,
    },
    Storage(StorageError),
}

impl From<AppendError> for WriteError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Conflict { stream, .. } | AppendError::Deleted { stream } => Self::Conflict { stream },
            AppendError::OperationReused => Self::OperationReused,
            AppendError::Overloaded => Self::Overloaded,
            AppendError::Unknown => Self::Unknown,
            AppendError::Diverged => Self::Diverged,
            AppendError::TooLarge { what, limit } => Self::TooLarge { what, limit },
            error => Self::Storage(StorageError::new(error)),
        }
    }
}

impl From<VaultError> for WriteError {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Overloaded => Self::Overloaded,
            error => Self::Storage(StorageError::new(error)),
        }
    }
}

impl From<StorageError> for WriteError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

/// For those who ask for nothing that has more than one way to fail.
impl From<WriteError> for StorageError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Storage(error) => error,
            WriteError::Conflict { stream } => Self::new(Unexpected { stream }),
            WriteError::OperationReused => Self::new(AppendError::OperationReused),
            WriteError::Overloaded => Self::new(AppendError::Overloaded),
            WriteError::Unknown => Self::new(AppendError::Unknown),
            WriteError::Diverged => Self::new(AppendError::Diverged),
            WriteError::TooLarge { what, limit } => Self::new(AppendError::TooLarge { what, limit }),
        }
    }
}

impl From<WriteError> for SubmitError {
    fn from(error: WriteError) -> Self {
        match error {
            // New ids were taken several times over: somebody writes numbers that are not theirs.
            WriteError::Conflict { stream } => Self::Storage(StorageError::new(Unexpected { stream })),
            WriteError::OperationReused => Self::OperationReused,
            WriteError::Overloaded => Self::Overloaded,
            WriteError::Unknown => Self::Unknown,
            WriteError::Diverged => Self::Diverged,
            WriteError::TooLarge { .. } => Self::TooLarge,
            WriteError::Storage(error) => Self::Storage(error),
        }
    }
}

impl From<WriteError> for ExecuteError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Conflict { .. } => Self::Conflict,
            WriteError::OperationReused => Self::OperationReused,
            WriteError::Overloaded => Self::Overloaded,
            WriteError::Unknown => Self::Unknown,
            WriteError::Diverged => Self::Diverged,
            WriteError::TooLarge { .. } => Self::TooLarge,
            WriteError::Storage(error) => Self::Storage(error),
        }
    }
}

impl From<WriteError> for MergeError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Conflict { .. } => Self::Conflict,
            WriteError::OperationReused => Self::OperationReused,
            WriteError::Overloaded => Self::Overloaded,
            WriteError::Unknown => Self::Unknown,
            WriteError::Diverged => Self::Diverged,
            WriteError::TooLarge { .. } => Self::Storage(StorageError::new(Unexpected { stream: "person".to_owned() })),
            WriteError::Storage(error) => Self::Storage(error),
        }
    }
}

impl From<WriteError> for OpenError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Overloaded => Self::Overloaded,
            WriteError::Unknown => Self::Unknown,
            WriteError::Diverged => Self::Diverged,
            WriteError::Storage(error) => Self::Storage(error),
            // The access log expects nothing of its streams and holds names of fields alone.
            WriteError::Conflict { .. } | WriteError::OperationReused | WriteError::TooLarge { .. } => {
                Self::Storage(StorageError::new(Unexpected { stream: "access".to_owned() }))
            }
        }
    }
}

/// The store refused what it cannot refuse: a bug, told as one.
#[derive(Debug, thiserror::Error)]
#[error("the store refused a write to {stream} that it should have taken")]
pub(crate) struct Unexpected {
    pub(crate) stream: String,
}
