//! What can go wrong below a statement.

use std::path::PathBuf;

use rusqlite::ffi::{
    SQLITE_BUSY, SQLITE_CONSTRAINT, SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE, SQLITE_ERROR,
    SQLITE_INTERRUPT, SQLITE_MISMATCH, SQLITE_TOOBIG,
};

/// A failure of the database or of its use.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    #[error("the database refused or could not be reached")]
    Sql(#[from] sqlx::Error),
    #[error("SQLite refused")]
    Sqlite(#[from] rusqlite::Error),
    #[error("cannot prepare the directory {0}")]
    Directory(PathBuf, #[source] std::io::Error),
    #[error("`{0}` is neither sqlite:DIRECTORY nor postgres://…")]
    Location(String),
    #[error("`{0}` is no slug: a lower-case letter, then at most 39 lower-case letters, digits or underscores")]
    Slug(String),
    #[error("SQLite {found} is older than {needed}, which first repaired its write-ahead log")]
    OldSqlite { found: String, needed: &'static str },
    #[error("the database was made by a later program: it has migration {version}, which this one does not know")]
    Newer { version: i64 },
    #[error("migration {version} of the database is not the one that this program has")]
    Migrated { version: i64 },
    #[error("column {column} holds {found}, which is not {wanted}")]
    Decode { column: usize, wanted: &'static str, found: String },
    #[error("a year that four digits cannot write")]
    Year,
    #[error("the writer of the log has no thread to run on")]
    Thread(#[source] std::io::Error),
    #[error("a task of the database ended early")]
    Task(#[from] tokio::task::JoinError),
    #[error("expected one row, found none")]
    NoRow,
    #[error("the database fell silent")]
    Silent,
    #[error("every connection is in use, and stays so")]
    NoConnection,
    #[error("the database was closed")]
    Closed,
    #[error("{0}")]
    Refused(String),
}

impl DbError {
    /// Whether sending the same statement again can never succeed: the database understood it and said no.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Sql(sqlx::Error::Database(error)) => match error.code() {
                // SQLSTATE classes: data exception, integrity constraint, syntax or access rule.
                Some(code) => matches!(code.get(..2), Some("22" | "23" | "42")),
                None => false,
            },
            Self::Sql(error) => matches!(error, sqlx::Error::Encode(_) | sqlx::Error::ColumnDecode { .. }),
            Self::Sqlite(error) => match error.sqlite_error() {
                Some(error) => matches!(
                    error.extended_code & 0xff,
                    SQLITE_ERROR | SQLITE_TOOBIG | SQLITE_CONSTRAINT | SQLITE_MISMATCH
                ),
                // The driver itself: a value or a statement that it cannot take.
                None => true,
            },
            Self::Silent | Self::NoConnection | Self::Thread(_) => false,
            _ => true,
        }
    }

    /// Whether two processes inserted the same key at the same time.
    pub fn is_unique_violation(&self) -> bool {
        match self {
            Self::Sql(sqlx::Error::Database(error)) => error.is_unique_violation(),
            Self::Sqlite(error) => error.sqlite_error().is_some_and(|error| {
                matches!(error.extended_code, SQLITE_CONSTRAINT_UNIQUE | SQLITE_CONSTRAINT_PRIMARYKEY)
            }),
            _ => false,
        }
    }

    /// Whether the connection died before it could answer. Pools do not ping at acquire, so a read simply tries another.
    pub(crate) fn is_stale_connection(&self) -> bool {
        match self {
            Self::Sql(sqlx::Error::Io(_) | sqlx::Error::Protocol(_)) => true,
            Self::Sql(sqlx::Error::Database(error)) => matches!(
                error.code().as_deref(),
                // Terminated or shut down; and a cached plan whose table was replaced beneath it (0A000).
                Some("57P01" | "57P02" | "57P03" | "0A000")
            ),
            _ => false,
        }
    }

    /// Whether SQLite gave up a read because it may not wait or work where it was begun.
    pub(crate) fn wants_a_thread(&self) -> bool {
        let Self::Sqlite(error) = self else { return false };
        error.sqlite_error().is_some_and(|error| matches!(error.extended_code & 0xff, SQLITE_BUSY | SQLITE_INTERRUPT))
    }
}

/// Whether an error was caused by a database that could not be reached, or had no room, and may do the same thing later.
pub fn is_passing(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let shared = error.downcast_ref::<std::sync::Arc<DbError>>().map(std::sync::Arc::as_ref);
        if let Some(error) = error.downcast_ref::<DbError>().or(shared) {
            return !error.is_permanent();
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer<E: std::error::Error + 'static>(#[source] E);

    #[test]
    fn an_outage_is_found_below_whatever_wraps_it() {
        assert!(is_passing(&Outer(Outer(DbError::Silent))));
        assert!(is_passing(&Outer(Arc::new(DbError::Silent))));
        assert!(!is_passing(&Outer(DbError::NoRow)));
        assert!(!is_passing(&Outer(std::fmt::Error)));
    }
}
