//! The rows a verifier reads, as stored: text as bytes, because a damaged one may be no text, or another spelling of the
//! same value. Ids and instants that PostgreSQL keeps natively arrive in the one spelling that SQLite must have.

use db::{DbError, ReadRow, Row, Statement};

/// The row of `log_head`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadRow {
    pub epoch: Vec<u8>,
    pub position: i64,
    pub hash: Vec<u8>,
    pub recorded_at: Vec<u8>,
}

/// A row of `event`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    pub position: i64,
    /// The position of its stream's first event.
    pub stream: i64,
    pub revision: i64,
    /// Empty but in the first event.
    pub stream_name: Vec<u8>,
    pub id: Vec<u8>,
    pub kind: Vec<u8>,
    pub schema: i64,
    pub payload: Vec<u8>,
    pub meta: Vec<u8>,
    pub recorded_at: Vec<u8>,
    pub hash: Vec<u8>,
}

/// An id that one stream holds more than once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TwinRow {
    pub stream: i64,
    pub id: Vec<u8>,
}

/// A row of `stream`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRow {
    pub name: Vec<u8>,
    pub first_position: i64,
    pub truncated_before: i64,
    /// 0 or 1.
    pub tombstoned: i64,
}

/// A row of `operation`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationRow {
    pub id: Vec<u8>,
    pub fingerprint: Option<Vec<u8>>,
    pub first_position: i64,
    pub last_position: i64,
}

impl HeadRow {
    pub fn all(log: i32) -> Statement {
        stored("select @epoch, position, hash, @recorded_at from log_head where log = $1", log)
    }
}

impl EventRow {
    /// In order of position.
    pub fn all(log: i32) -> Statement {
        stored(
            "select position, stream, cast(revision as bigint), @stream_name, @id, @kind, cast(schema as bigint), payload, meta, @recorded_at, hash
             from event
             where log = $1
             order by position",
            log,
        )
    }
}

impl TwinRow {
    pub fn all(log: i32) -> Statement {
        stored(
            "select stream, @id
             from event
             where log = $1
             group by stream, id
             having count(*) > 1
             order by stream, id",
            log,
        )
    }
}

impl StreamRow {
    pub fn all(log: i32) -> Statement {
        stored(
            "select @name, first_position, cast(truncated_before as bigint), cast(cast(tombstoned as integer) as bigint)
             from stream
             where log = $1
             order by name",
            log,
        )
    }
}

impl OperationRow {
    /// In order of their ranges.
    pub fn all(log: i32) -> Statement {
        stored(
            "select id, fingerprint, first_position, last_position
             from operation
             where log = $1
             order by first_position, last_position, id",
            log,
        )
    }
}

/// An instant outside of what the page allows keeps PostgreSQL's own spelling, which the rules then refuse.
const POSTGRES_INSTANT: &str = "convert_to(
    case
        when recorded_at between '0001-01-01 00:00:00+00' and '9999-12-31 23:59:59.999999+00'
        then to_char(recorded_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')
        else cast(recorded_at as text)
    end,
    'UTF8'
)";

/// The two databases have no common word for the bytes of a text.
fn stored(sql: &'static str, log: i32) -> Statement {
    Statement::new(sql, vec![log.into()])
        .fill_per_dialect("@epoch", "cast(epoch as blob)", "convert_to(cast(epoch as text), 'UTF8')")
        .fill_per_dialect("@id", "cast(id as blob)", "convert_to(cast(id as text), 'UTF8')")
        .fill_per_dialect("@stream_name", "cast(stream_name as blob)", "convert_to(stream_name, 'UTF8')")
        .fill_per_dialect("@name", "cast(name as blob)", "convert_to(name, 'UTF8')")
        .fill_per_dialect("@kind", "cast(kind as blob)", "convert_to(kind, 'UTF8')")
        .fill_per_dialect("@recorded_at", "cast(recorded_at as blob)", POSTGRES_INSTANT)
}

impl ReadRow for HeadRow {
    fn read(row: &Row<'_>) -> Result<Self, DbError> {
        Ok(Self { epoch: row.bytes(0)?, position: row.int(1)?, hash: row.bytes(2)?, recorded_at: row.bytes(3)? })
    }
}

impl ReadRow for EventRow {
    fn read(row: &Row<'_>) -> Result<Self, DbError> {
        Ok(Self {
            position: row.int(0)?,
            stream: row.int(1)?,
            revision: row.int(2)?,
            stream_name: row.bytes(3)?,
            id: row.bytes(4)?,
            kind: row.bytes(5)?,
            schema: row.int(6)?,
            payload: row.bytes(7)?,
            meta: row.bytes(8)?,
            recorded_at: row.bytes(9)?,
            hash: row.bytes(10)?,
        })
    }
}

impl ReadRow for TwinRow {
    fn read(row: &Row<'_>) -> Result<Self, DbError> {
        Ok(Self { stream: row.int(0)?, id: row.bytes(1)? })
    }
}

impl ReadRow for StreamRow {
    fn read(row: &Row<'_>) -> Result<Self, DbError> {
        Ok(Self {
            name: row.bytes(0)?,
            first_position: row.int(1)?,
            truncated_before: row.int(2)?,
            tombstoned: row.int(3)?,
        })
    }
}

impl ReadRow for OperationRow {
    fn read(row: &Row<'_>) -> Result<Self, DbError> {
        Ok(Self {
            id: row.bytes(0)?,
            fingerprint: row.opt_bytes(1)?,
            first_position: row.int(2)?,
            last_position: row.int(3)?,
        })
    }
}
