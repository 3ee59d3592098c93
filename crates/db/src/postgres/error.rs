//! What PostgreSQL, or the way to it, answers instead of rows.

use tokio_postgres::error::SqlState;
use tokio_postgres::types::WrongType;

/// A failure, without any value that was sent: PostgreSQL repeats values in the details of an error, and a message of the
/// class "data exception" quotes what could not be read. Neither is kept.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    #[error("PostgreSQL refused with {code}: {message}")]
    Refused { code: String, message: String },
    /// Nobody knows whether what was sent was done.
    #[error("the connection to PostgreSQL failed")]
    Lost(#[source] tokio_postgres::Error),
    #[error(transparent)]
    Unsendable(#[from] Unsendable),
    #[error("the PostgreSQL URL cannot be used: {0}")]
    Url(String),
    #[error("cannot read the {what} {file}")]
    File {
        what: &'static str,
        file: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A value that the protocol, or the statement, has no place for. It never left.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub enum Unsendable {
    #[error("one text was sent with values of two types")]
    OtherType,
    #[error("a row has fewer values than columns")]
    ShortRow,
    #[error("a value is larger than PostgreSQL takes")]
    TooLarge,
}

impl PostgresError {
    /// Whether sending it again can never succeed. SQLSTATE classes: data exception, integrity constraint, syntax or access rule.
    pub(crate) fn is_permanent(&self) -> bool {
        matches!(self, Self::Unsendable(_)) || matches!(self.class(), Some("22" | "23" | "42"))
    }

    pub(crate) fn is_unique_violation(&self) -> bool {
        self.code() == Some(SqlState::UNIQUE_VIOLATION.code())
    }

    /// Whether another connection may answer: this one died before it could, or holds a plan whose table was replaced
    /// beneath it (0A000).
    pub(crate) fn is_stale(&self) -> bool {
        match self {
            Self::Lost(_) => true,
            _ => matches!(self.code(), Some("57P01" | "57P02" | "57P03" | "0A000")),
        }
    }

    fn class(&self) -> Option<&str> {
        self.code().and_then(|code| code.get(..2))
    }

    fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            _ => None,
        }
    }
}

impl From<tokio_postgres::Error> for PostgresError {
    fn from(error: tokio_postgres::Error) -> Self {
        let source = std::error::Error::source(&error);
        if let Some(unsendable) = source.and_then(|source| source.downcast_ref::<Unsendable>()) {
            return Self::Unsendable(*unsendable);
        }
        if source.is_some_and(<dyn std::error::Error>::is::<WrongType>) {
            return Self::Unsendable(Unsendable::OtherType);
        }
        let Some(refusal) = error.as_db_error() else { return Self::Lost(error) };
        let code = refusal.code().code().to_owned();
        let message = if code.starts_with("22") { "a value it cannot take" } else { refusal.message() };
        Self::Refused { message: message.to_owned(), code }
    }
}
