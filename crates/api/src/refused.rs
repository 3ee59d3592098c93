//! What the application and the read models could not do, as problems.

use application::{ExecuteError, MergeError, OpenError, StorageError, SubmitError};
use projections::ReadError;

use crate::problem::{Fact, FieldError, Problem};

/// Fields as the native door names them: `answers/odour_when` is `/answers/odour_when`.
fn invalid(problems: Vec<application::Problem>) -> Problem {
    Problem::fields(
        problems.into_iter().map(|problem| FieldError::new(format!("/{}", problem.field), problem.code)).collect(),
    )
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Invalid { problems } => invalid(problems),
            SubmitError::OperationReused => Fact::OperationReused.into(),
            SubmitError::Overloaded => Fact::ServerOverloaded.into(),
            SubmitError::Unknown => Fact::ServerUnknownOutcome.into(),
            SubmitError::Diverged => Fact::ServerLogDiverged.into(),
            SubmitError::TooLarge => Fact::TooLarge.into(),
            SubmitError::Storage(error) => error.into(),
        }
    }
}

impl From<ExecuteError> for Problem {
    fn from(error: ExecuteError) -> Self {
        match error {
            ExecuteError::Invalid { problems } => invalid(problems),
            ExecuteError::Refused(code) => Self::refused(code),
            ExecuteError::NotFound => Fact::RequestUnknown.into(),
            ExecuteError::ForeignEtag => Fact::TokenForeign.into(),
            ExecuteError::PreconditionFailed { current } => Self::stale(Some(format!("\"{current}\""))),
            ExecuteError::Conflict => Fact::RequestConflict.into(),
            ExecuteError::OperationReused => Fact::OperationReused.into(),
            ExecuteError::Overloaded => Fact::ServerOverloaded.into(),
            ExecuteError::Unknown => Fact::ServerUnknownOutcome.into(),
            ExecuteError::Diverged => Fact::ServerLogDiverged.into(),
            ExecuteError::TooLarge => Fact::TooLarge.into(),
            ExecuteError::Storage(error) => error.into(),
        }
    }
}

impl From<MergeError> for Problem {
    fn from(error: MergeError) -> Self {
        match error {
            MergeError::Refused(code) => Self::refused(code),
            MergeError::NotFound => Fact::PersonUnknown.into(),
            MergeError::Conflict => Fact::PersonConflict.into(),
            MergeError::OperationReused => Fact::OperationReused.into(),
            MergeError::Overloaded => Fact::ServerOverloaded.into(),
            MergeError::Unknown => Fact::ServerUnknownOutcome.into(),
            MergeError::Diverged => Fact::ServerLogDiverged.into(),
            MergeError::Storage(error) => error.into(),
        }
    }
}

impl From<OpenError> for Problem {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Overloaded => Fact::ServerOverloaded.into(),
            OpenError::Unknown => Fact::ServerUnknownOutcome.into(),
            OpenError::Diverged => Fact::ServerLogDiverged.into(),
            error @ OpenError::Altered => Self::failed(&error),
            OpenError::Storage(error) => error.into(),
        }
    }
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        Self::failed(&error)
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NotReady { .. } => Fact::ServerNotReady.into(),
            error => Self::failed(&error),
        }
    }
}
