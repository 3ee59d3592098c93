//! What is read, and how it is asked for.

use chrono::{DateTime, Utc};
use db::{DbError, ReadRow, Row};
use uuid::Uuid;

/// An event about to be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    pub id: Uuid,
    pub kind: String,
    pub schema: i32,
    pub payload: Vec<u8>,
    pub meta: Vec<u8>,
}

/// An event as it lies in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub position: i64,
    pub stream: String,
    pub revision: i64,
    pub id: Uuid,
    pub kind: String,
    pub schema: i32,
    pub payload: Vec<u8>,
    pub meta: Vec<u8>,
    pub recorded_at: DateTime<Utc>,
    pub hash: [u8; 32],
}

/// The columns of [`Record`], in the order it reads them; the argument finds the name of the stream.
macro_rules! record_columns {
    ($name:expr) => {
        concat!("e.position, ", $name, ", e.revision, e.id, e.kind, e.schema, e.payload, e.meta, e.recorded_at, e.hash")
    };
}
pub(crate) use record_columns;

/// Where a statement lists the number of the stream, after a record's columns.
pub(crate) const STREAM_NUMBER: usize = 10;

impl ReadRow for Record {
    fn read(row: &Row<'_>) -> Result<Self, DbError> {
        let schema = row.int(5)?;
        Ok(Self {
            position: row.int(0)?,
            stream: row.text(1)?,
            revision: row.int(2)?,
            id: row.uuid(3)?,
            kind: row.text(4)?,
            schema: i32::try_from(schema).map_err(|_| DbError::Decode {
                column: 5,
                wanted: "a schema number",
                found: schema.to_string(),
            })?,
            payload: row.bytes(6)?,
            meta: row.bytes(7)?,
            recorded_at: row.at(8)?,
            hash: row.bytes32(9)?,
        })
    }
}

/// How far a log has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub epoch: Uuid,
    pub position: i64,
    pub hash: [u8; 32],
}

/// Where a stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamStatus {
    /// The last revision, hidden or not.
    pub revision: i64,
    /// Older revisions are hidden from stream reads.
    pub truncated_before: i64,
    pub tombstoned: bool,
}

impl StreamStatus {
    /// Every event is hidden; unless tombstoned, the stream may go on.
    pub fn is_deleted(&self) -> bool {
        self.tombstoned || self.truncated_before > self.revision
    }
}

/// An operation that was carried out, and the positions it wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredOperation {
    pub fingerprint: Option<[u8; 32]>,
    pub first: i64,
    pub last: i64,
}

/// Where a read starts. The revision or position itself is included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    Start,
    End,
    At(i64),
}

/// Which way a read goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Forward,
    Backward,
}

/// Which events a read of the log wants; an empty list wants all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// What a stream's name may start with.
    pub prefixes: Vec<String>,
    pub kinds: Vec<String>,
}

impl Filter {
    pub fn all() -> Self {
        Self::default()
    }

    pub fn is_all(&self) -> bool {
        self.prefixes.is_empty() && self.kinds.is_empty()
    }

    pub fn matches(&self, record: &Record) -> bool {
        let prefix = |prefix: &String| record.stream.starts_with(prefix.as_str());
        (self.prefixes.is_empty() || self.prefixes.iter().any(prefix))
            && (self.kinds.is_empty() || self.kinds.contains(&record.kind))
    }
}
