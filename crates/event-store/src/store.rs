//! The door to one log.

use std::sync::Arc;
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use db::append::create_head;
use db::{Db, DbError, LogEntry, ReadRow, Row};
use futures_core::Stream;
use futures_util::TryStreamExt;
use futures_util::future::Either;
use tokio::sync::watch;
use uuid::Uuid;

use crate::desk::Desk;
use crate::names::{self, Scan};
use crate::request::{Request, refuse_reserved};
use crate::seam::{Bounds, Database, Reader, Stored};
use crate::{
    Append, AppendError, Appended, Direction, Expected, Filter, From, Head, Record, StoredOperation, StreamStatus,
    Subscription, Write, read, system,
};

/// How often a deletion starts again because someone appended meanwhile.
const TRIES: usize = 10;

/// Why a log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the log could not be read")]
    Db(#[from] DbError),
    #[error("the log was closed")]
    Closed,
}

/// One log: a cheap clone, shared by everyone who reads it and appends to it. Its writer ends when the last clone is gone.
#[derive(Clone)]
pub struct EventStore(Arc<Inner>);

struct Inner {
    db: Db,
    log: i32,
    slug: String,
    desk: Desk<Database>,
}

impl ReadRow for Head {
    fn read(row: &Row<'_>) -> Result<Self, DbError> {
        Ok(Self { epoch: row.uuid(0)?, position: row.int(1)?, hash: row.bytes32(2)? })
    }
}

impl ReadRow for StreamStatus {
    fn read(row: &Row<'_>) -> Result<Self, DbError> {
        Ok(Self { revision: row.int(0)?, truncated_before: row.int(1)?, tombstoned: row.bool(2)? })
    }
}

impl ReadRow for StoredOperation {
    fn read(row: &Row<'_>) -> Result<Self, DbError> {
        Ok(Self { fingerprint: row.opt_bytes32(0)?, first: row.int(1)?, last: row.int(2)? })
    }
}

impl EventStore {
    /// Starts the log's writer. Gives the log its head row if it has none.
    pub async fn open(db: Db, entry: &LogEntry) -> Result<Self, StoreError> {
        Self::open_with(db, entry, system_clock).await
    }

    /// As [`EventStore::open`], by another clock.
    pub async fn open_with(db: Db, entry: &LogEntry, clock: fn() -> DateTime<Utc>) -> Result<Self, StoreError> {
        create_head(&db, entry.id, entry.epoch, crate::genesis(&entry.slug)).await?;
        let (log, reader) = (Stored::new(&db, entry.id), Database::new(db.clone(), entry.id));
        let desk = Desk::open(log, reader, &entry.slug, clock, Bounds::default()).await?;
        Ok(Self(Arc::new(Inner { db, log: entry.id, slug: entry.slug.clone(), desk })))
    }

    pub fn slug(&self) -> &str {
        &self.0.slug
    }

    /// Whether the writer is still there. Once it is gone every append is refused, until the process starts anew.
    pub fn is_writing(&self) -> bool {
        self.0.desk.is_writing()
    }

    /// Whether the writer last found a log without what it had seen of it, and refuses to write on it.
    pub fn has_diverged(&self) -> bool {
        self.0.desk.has_diverged()
    }

    /// Appends, or says why not. Dropping this future, or its caller hanging up, cancels nothing: an append that was queued
    /// will be written.
    pub async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.0.desk.append(append).await
    }

    /// Hides a stream's revisions below `before` from stream reads. `id` and `meta` are those of the event that says so.
    pub async fn truncate(&self, stream: &str, before: i64, id: Uuid, meta: Vec<u8>) -> Result<Appended, AppendError> {
        self.hide(stream, Expected::Any, id, meta, |_| before).await
    }

    /// Hides everything a stream holds. The next append continues at its next revision.
    pub async fn delete(
        &self,
        stream: &str,
        expected: Expected,
        id: Uuid,
        meta: Vec<u8>,
    ) -> Result<Appended, AppendError> {
        self.hide(stream, expected, id, meta, |revision| revision + 1).await
    }

    async fn hide(
        &self,
        stream: &str,
        expected: Expected,
        id: Uuid,
        meta: Vec<u8>,
        before: impl Fn(i64) -> i64,
    ) -> Result<Appended, AppendError> {
        refuse_reserved(stream)?;
        let conflict = |actual| AppendError::Conflict { stream: stream.to_owned(), expected, actual };
        let mut tries = 1;
        loop {
            let status = self.stream(stream).await.map_err(storage)?;
            let Some(StreamStatus { revision, .. }) = status else { return Err(conflict(None)) };
            if matches!(expected, Expected::Revision(wanted) if wanted != revision) || expected == Expected::NoStream {
                return Err(conflict(Some(revision)));
            }
            let before = before(revision);
            if !(0..=revision + 1).contains(&before) {
                return Err(AppendError::Invalid("a truncation ends at the stream's next revision"));
            }
            let events = vec![system::truncated(id, before, meta.clone())];
            let write = Write { stream: system::metastream(stream), expected: Expected::Any, events };
            let checks = vec![(stream.to_owned(), Expected::Revision(revision))];
            match self.0.desk.submit(Request::of_system(Append { writes: vec![write], checks, operation: None })?).await
            {
                // Someone appended in between: look again.
                Err(AppendError::Conflict { .. }) if tries < TRIES => tries += 1,
                answer => return answer,
            }
        }
    }

    /// Ends a stream for ever, at its next revision.
    pub async fn tombstone(
        &self,
        stream: &str,
        expected: Expected,
        id: Uuid,
        meta: Vec<u8>,
    ) -> Result<Appended, AppendError> {
        refuse_reserved(stream)?;
        let write = Write { stream: stream.to_owned(), expected, events: vec![system::tombstoned(id, meta)] };
        self.0.desk.submit(Request::of_system(Append { writes: vec![write], checks: vec![], operation: None })?).await
    }

    /// What an operation wrote, if it was carried out.
    pub async fn operation(&self, id: [u8; 32]) -> Result<Option<StoredOperation>, StoreError> {
        Ok(self.0.desk.reader().operation(id).await?)
    }

    /// Where a stream stands; none if it never had an event.
    pub async fn stream(&self, stream: &str) -> Result<Option<StreamStatus>, StoreError> {
        Ok(self.0.db.fetch_optional(read::stream_status(self.0.log, stream)).await?)
    }

    /// A stream's visible events, the revision `from` included.
    pub async fn read_stream(
        &self,
        stream: &str,
        from: From,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        Ok(self.0.db.fetch_all(read::stream(self.0.log, stream, from, direction, limit)).await?)
    }

    /// A stream's events up to a position of the log, hidden ones too.
    pub async fn read_whole_stream(&self, stream: &str, until: i64) -> Result<Vec<Record>, StoreError> {
        Ok(self.0.db.fetch_all(read::whole_stream(self.0.log, stream, until)).await?)
    }

    /// The log's events, hidden ones too, the position `from` included.
    pub async fn read_log(
        &self,
        from: From,
        direction: Direction,
        limit: usize,
        filter: &Filter,
    ) -> Result<Vec<Record>, StoreError> {
        Ok(self.0.db.fetch_all(read::log(self.0.log, from, direction, limit, filter)).await?)
    }

    /// Everything after a position in one long ordered read, handed out while it is still being read. Payloads are bytes;
    /// dropping the stream half-way closes its connection.
    pub fn scan(
        &self,
        after: i64,
        filter: Filter,
    ) -> impl Stream<Item = Result<Record, StoreError>> + Send + Unpin + use<> {
        let (db, log) = (&self.0.db, self.0.log);
        let records = if filter.is_all() {
            Either::Left(Scan::new(db.clone(), log, after))
        } else {
            Either::Right(db.stream::<Record>(read::scan(log, after, &filter)))
        };
        records.map_err(StoreError::Db)
    }

    /// Every event up to a position as one long read, stream by stream, each from its first revision. Nothing is hidden.
    pub fn scan_streams(&self, until: i64) -> impl Stream<Item = Result<Record, StoreError>> + Send + Unpin + use<> {
        names::by_stream(&self.0.db, self.0.log, until).map_err(StoreError::Db)
    }

    /// Follows the log after a position: what is there, [`Delivery::CaughtUp`](crate::Delivery::CaughtUp), then what comes.
    pub fn subscribe(&self, after: i64, filter: Filter) -> Subscription {
        self.0.desk.subscribe(after, filter)
    }

    /// The head, from the database.
    pub async fn head(&self) -> Result<Head, StoreError> {
        Ok(self.0.desk.reader().head().await?)
    }

    /// The position of the head as this process knows it: at once for its own appends, within 50 ms for others'.
    pub fn watch(&self) -> watch::Receiver<i64> {
        self.0.desk.watch()
    }

    /// To tell whether a checkpoint belongs to this history.
    pub async fn hash_at(&self, position: i64) -> Result<Option<[u8; 32]>, StoreError> {
        let hash: Option<([u8; 32],)> = self.0.db.fetch_optional(read::hash_at(self.0.log, position)).await?;
        Ok(hash.map(|(hash,)| hash))
    }
}

#[allow(clippy::disallowed_methods, reason = "`recorded_at` is when the log took an event; no decision reads it")]
fn system_clock() -> DateTime<Utc> {
    DateTime::from(SystemTime::now())
}

fn storage(error: StoreError) -> AppendError {
    match error {
        StoreError::Db(error) => AppendError::Storage(Arc::new(error)),
        StoreError::Closed => AppendError::Unknown,
    }
}
