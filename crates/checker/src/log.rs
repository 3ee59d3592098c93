//! The tables of one log, read as `docs/log-format.md` lays them out: the only module here that knows a database.
//!
//! Texts come as bytes, because a damaged one may be no UTF-8, and everything comes from one snapshot.

mod postgres;
mod sqlite;

use std::{path::PathBuf, str::FromStr};

use anyhow::bail;

/// Where the logs lie: `sqlite:DIR` or `postgres://…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    Sqlite(PathBuf),
    Postgres(String),
}

impl FromStr for Database {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.to_owned()));
        }
        match text.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path)) {
            Some(path) if !path.is_empty() => Ok(Self::Sqlite(path.into())),
            // What stands there may hold a password: it is not repeated.
            _ => bail!("name the database as sqlite:DIR or postgres://…"),
        }
    }
}

/// A row of `log_directory`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryRow {
    pub log: i64,
    pub epoch: Vec<u8>,
}

/// A row of `log_head`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadRow {
    pub epoch: Vec<u8>,
    pub position: i64,
    pub hash: Vec<u8>,
    pub recorded_at: Vec<u8>,
}

/// A row of `event`. Ids and instants are in the spelling that the page prescribes for SQLite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    pub position: i64,
    /// The position of the first event of its stream.
    pub stream: i64,
    /// The stream's name, in its first event alone.
    pub name: Option<Vec<u8>>,
    pub revision: i64,
    pub id: Vec<u8>,
    pub kind: Vec<u8>,
    pub schema: i64,
    pub payload: Vec<u8>,
    pub meta: Vec<u8>,
    pub recorded_at: Vec<u8>,
    pub hash: Vec<u8>,
}

/// A row of `stream`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRow {
    pub name: Vec<u8>,
    pub first: i64,
    pub truncated_before: i64,
    pub tombstoned: bool,
}

/// A row of `operation`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationRow {
    pub id: Vec<u8>,
    pub fingerprint: Option<Vec<u8>>,
    pub first: i64,
    pub last: i64,
}

/// Is handed the rows: the directory and the heads first, then events by position, then streams, then operations by
/// their first position.
pub trait Visit {
    fn directory(&mut self, rows: Vec<DirectoryRow>, heads: Vec<HeadRow>);
    fn event(&mut self, row: EventRow);
    fn stream(&mut self, row: StreamRow);
    fn operation(&mut self, row: OperationRow);
}

/// Reads the log of an organisation in one snapshot.
pub async fn visit(database: &Database, slug: &str, visitor: &mut (dyn Visit + Send)) -> anyhow::Result<()> {
    match database {
        Database::Sqlite(folder) => sqlite::visit(folder, slug, visitor),
        Database::Postgres(url) => postgres::visit(url, slug, visitor).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_databases_are_named_as_on_the_command_line() {
        assert_eq!("sqlite:data".parse::<Database>().ok(), Some(Database::Sqlite("data".into())));
        assert_eq!("postgres://h/d".parse::<Database>().ok(), Some(Database::Postgres("postgres://h/d".into())));
        let error = "mysql://user:secret@host".parse::<Database>().expect_err("not ours");
        assert!(!error.to_string().contains("secret"));
    }
}
