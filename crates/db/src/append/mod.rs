//! The log's append, written by hand for each database: the one place where two texts earn their keep.
//!
//! A batch is one transaction. Its first act is to compare and swap the head row on epoch, position and hash; when the row
//! no longer says what the writer believed, nothing is written. It also looks up what the writer could not know from the
//! head alone (operations, event ids, streams it assumed), and when it finds any it writes nothing and returns them.
//! docs/decisions/0002-head-row-is-the-lock.md has the argument. What a batch means is not known here.

mod postgres;
mod sqlite;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{Db, DbError, Dialect, Statement};

/// A digest, or a keyed hash.
pub type Bytes32 = [u8; 32];

/// The head row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadRow {
    pub epoch: Uuid,
    pub position: i64,
    pub hash: Bytes32,
    pub recorded_at: DateTime<Utc>,
}

/// Where a stream stands; revision −1: it has no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamState {
    /// The position of its first event, which is its number inside; none where it has no event, or was not read.
    pub first: Option<i64>,
    pub revision: i64,
    pub truncated_before: i64,
    pub tombstoned: bool,
}

impl StreamState {
    pub const ABSENT: Self = Self::live(-1);

    /// A stream that was not read and is taken to stand here, never truncated.
    pub const fn live(revision: i64) -> Self {
        Self { first: None, revision, truncated_before: 0, tombstoned: false }
    }

    /// Whether a stream that was read stands where it was taken to stand.
    pub fn is_live(&self, revision: i64) -> bool {
        (self.revision, self.truncated_before, self.tombstoned) == (revision, 0, false)
    }
}

/// An operation that was written, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationRow {
    pub id: Bytes32,
    pub fingerprint: Option<Bytes32>,
    pub first: i64,
    pub last: i64,
}

/// An event id that its stream already holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    pub stream: String,
    pub id: Uuid,
    pub revision: i64,
    pub position: i64,
}

/// What the database knows of what was asked. A stream that was asked for is always among the answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    pub streams: Vec<(String, StreamState)>,
    pub operations: Vec<OperationRow>,
    pub events: Vec<EventRow>,
}

impl Facts {
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty() && self.operations.is_empty() && self.events.is_empty()
    }
}

/// What a writer wants to know before it can admit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    pub streams: Vec<String>,
    pub operations: Vec<Bytes32>,
    pub events: Vec<(String, Uuid)>,
}

/// One event of a batch. Its position follows from its place, its instant is the new head's.
#[derive(Debug, Clone, Copy)]
pub struct NewRow<'a> {
    pub stream: &'a str,
    /// The position of the stream's first event; none where its stream is assumed: then the database knows.
    pub first: Option<i64>,
    pub revision: i64,
    pub id: Uuid,
    pub kind: &'a str,
    pub schema: i32,
    pub payload: &'a [u8],
    pub meta: &'a [u8],
    pub hash: Bytes32,
}

/// An id that its stream must not hold yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownEvent<'a> {
    pub stream: &'a str,
    /// As in [`NewRow`].
    pub first: Option<i64>,
    pub id: Uuid,
}

/// Everything one transaction writes, and everything it must find unchanged or unknown.
#[derive(Debug)]
pub struct Batch<'a> {
    pub expected: HeadRow,
    pub head: HeadRow,
    pub events: Vec<NewRow<'a>>,
    pub new_streams: Vec<(&'a str, StreamState)>,
    /// Streams that have gone on. Their events say so; no row is written.
    pub continued_streams: Vec<(&'a str, StreamState)>,
    /// Streams of which something was hidden, or which have ended.
    pub hidden_streams: Vec<(&'a str, StreamState)>,
    /// Inserted, and refused by the batch when one is known already.
    pub operations: Vec<OperationRow>,
    /// Ids of events whose stream exists: none may be known.
    pub unknown_events: Vec<UnknownEvent<'a>>,
    /// Streams taken to stand at this revision, live and never truncated, without having been read (−1: absent).
    pub assumed: Vec<(&'a str, i64)>,
}

/// How a batch ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed {
    Yes,
    /// Another writer moved the head; nothing was written.
    Moved,
    /// Something was known, or an assumption was wrong; nothing was written.
    Known(Facts),
}

/// The writer's own connection: nobody else uses it, nobody can cancel what it runs. On SQLite its calls block ([`drive`]).
pub struct Appender(Own);

enum Own {
    Sqlite(Box<sqlite::Own>),
    Postgres(Box<postgres::Own>),
}

impl Appender {
    /// Connects when first used, and again after any failure.
    pub fn new(db: &Db, log: i32) -> Self {
        let log = i64::from(log);
        Self(match (db.sqlite_options(), db.postgres_options()) {
            (Some(options), _) => Own::Sqlite(Box::new(sqlite::Own::new(options.clone(), log))),
            (_, Some(options)) => Own::Postgres(Box::new(postgres::Own::new(options.clone(), log))),
            (None, None) => unreachable!("a database is one of the two"),
        })
    }

    /// The head, and the facts asked for, as of one instant.
    pub async fn load(&mut self, wanted: &Wanted) -> Result<(HeadRow, Facts), DbError> {
        match &mut self.0 {
            Own::Sqlite(own) => own.load(wanted),
            Own::Postgres(own) => own.load(wanted).await,
        }
    }

    /// Writes a batch, or nothing. After an error nobody knows which; sending it again is always safe.
    pub async fn commit(&mut self, batch: &Batch<'_>) -> Result<Committed, DbError> {
        match &mut self.0 {
            Own::Sqlite(own) => own.commit(batch),
            Own::Postgres(own) => own.commit(batch).await,
        }
    }

    /// The hash of the event at a position: tells whose batch it was.
    pub async fn hash_at(&mut self, position: i64) -> Result<Option<Bytes32>, DbError> {
        match &mut self.0 {
            Own::Sqlite(own) => own.hash_at(position),
            Own::Postgres(own) => own.hash_at(position).await,
        }
    }
}

/// Runs the loop of a log's writer, which has an [`Appender`], until it ends or the runtime does. On SQLite a commit is a call
/// that waits for the disk, so the loop has a thread of its own there, which also spares each batch a trip to another and back.
pub fn drive(db: &Db, writer: impl Future<Output = ()> + Send + 'static) -> Result<(), DbError> {
    match db.dialect() {
        Dialect::Sqlite => sqlite::Thread::spawn(writer),
        Dialect::Postgres => {
            tokio::spawn(writer);
            Ok(())
        }
    }
}

/// Gives a log its head row, once.
pub async fn create_head(db: &Db, log: i32, epoch: Uuid, genesis: Bytes32) -> Result<(), DbError> {
    db.execute(insert_head(log, epoch, genesis)).await.map(drop)
}

fn insert_head(log: i32, epoch: Uuid, genesis: Bytes32) -> Statement {
    Statement::new(
        "insert into log_head (log, epoch, position, hash, recorded_at)
         values ($1, $2, 0, $3, $4)
         on conflict (log) do nothing",
        vec![log.into(), epoch.into(), genesis.into(), DateTime::UNIX_EPOCH.into()],
    )
}

/// For the test that has both databases prepare every statement.
#[doc(hidden)]
pub fn statements() -> Vec<Statement> {
    vec![insert_head(0, Uuid::nil(), [0; 32])]
}
