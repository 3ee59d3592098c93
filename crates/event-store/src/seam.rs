//! What a store needs of a database, small enough that a simulator can stand behind it in tests.

use db::append::{Appender, Batch, Bytes32, Committed, Facts, HeadRow, Wanted};
use db::{Db, DbError};

use crate::{Filter, Head, Record, StoredOperation, read};

/// One log, as its writer sees it.
pub trait Log: Send + 'static {
    /// The head and what is known of what was asked, as of one instant.
    fn load(&mut self, wanted: &Wanted) -> impl Future<Output = Result<(HeadRow, Facts), DbError>> + Send;

    /// All of a batch or nothing. An error that is not permanent leaves open which; sending it again must be safe.
    fn commit(&mut self, batch: &Batch<'_>) -> impl Future<Output = Result<Committed, DbError>> + Send;

    fn hash_at(&mut self, position: i64) -> impl Future<Output = Result<Option<Bytes32>, DbError>> + Send;
}

/// One log, as those see it who follow it or look an answer up.
pub trait Reader: Clone + Send + Sync + 'static {
    fn head(&self) -> impl Future<Output = Result<Head, DbError>> + Send;

    /// At most `limit` events after one position, up to another: those that are wanted, and the one at the end in any case.
    fn page(
        &self,
        after: i64,
        until: i64,
        limit: usize,
        filter: &Filter,
    ) -> impl Future<Output = Result<Vec<Record>, DbError>> + Send;

    /// The last revision that each stream got between two positions.
    fn revisions(&self, first: i64, last: i64) -> impl Future<Output = Result<Vec<(String, i64)>, DbError>> + Send;

    fn operation(&self, id: Bytes32) -> impl Future<Output = Result<Option<StoredOperation>, DbError>> + Send;

    /// Runs the writer's loop to its end, where its calls may wait for a disk.
    fn drive(&self, writer: impl Future<Output = ()> + Send + 'static) -> Result<(), DbError> {
        tokio::spawn(writer);
        Ok(())
    }
}

/// How much is held at once. A simulator takes little, so that a small world meets every bound.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Requests that may wait; one more is refused rather than remembered.
    pub queue: usize,
    /// Requests of one batch.
    pub batch: usize,
    /// Events kept for those who follow live.
    pub ring: usize,
    /// Events that a follower reads at once.
    pub page: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { queue: 4096, batch: 500, ring: 8192, page: 512 }
    }
}

/// A log in a database, for its writer.
pub(crate) struct Stored(Appender);

impl Stored {
    pub(crate) fn new(db: &Db, log: i32) -> Self {
        Self(Appender::new(db, log))
    }
}

impl Log for Stored {
    async fn load(&mut self, wanted: &Wanted) -> Result<(HeadRow, Facts), DbError> {
        self.0.load(wanted).await
    }

    async fn commit(&mut self, batch: &Batch<'_>) -> Result<Committed, DbError> {
        self.0.commit(batch).await
    }

    async fn hash_at(&mut self, position: i64) -> Result<Option<Bytes32>, DbError> {
        self.0.hash_at(position).await
    }
}

/// A log in a database, for its readers.
#[derive(Clone)]
pub struct Database {
    db: Db,
    log: i32,
}

impl Database {
    pub(crate) fn new(db: Db, log: i32) -> Self {
        Self { db, log }
    }
}

impl Reader for Database {
    async fn head(&self) -> Result<Head, DbError> {
        self.db.fetch_one(read::head(self.log)).await
    }

    async fn page(&self, after: i64, until: i64, limit: usize, filter: &Filter) -> Result<Vec<Record>, DbError> {
        self.db.fetch_all(read::page(self.log, after, until, limit, filter)).await
    }

    async fn revisions(&self, first: i64, last: i64) -> Result<Vec<(String, i64)>, DbError> {
        self.db.fetch_all(read::revisions(self.log, first, last)).await
    }

    async fn operation(&self, id: Bytes32) -> Result<Option<StoredOperation>, DbError> {
        self.db.fetch_optional(read::operation(self.log, id)).await
    }

    fn drive(&self, writer: impl Future<Output = ()> + Send + 'static) -> Result<(), DbError> {
        db::append::drive(&self.db, writer)
    }
}
