//! What the writer needs of a database, small enough that a simulator can stand behind it in tests.

use db::append::{Appender, Batch, Bytes32, Committed, Facts, HeadRow, Wanted};
use db::{Db, DbError};

/// One log, as its writer sees it.
pub(crate) trait Log: Send + 'static {
    /// The head and what is known of what was asked, as of one instant.
    fn load(&mut self, wanted: &Wanted) -> impl Future<Output = Result<(HeadRow, Facts), DbError>> + Send;

    /// All of a batch or nothing. An error that is not permanent leaves open which; sending it again must be safe.
    fn commit(&mut self, batch: &Batch<'_>) -> impl Future<Output = Result<Committed, DbError>> + Send;

    fn hash_at(&mut self, position: i64) -> impl Future<Output = Result<Option<Bytes32>, DbError>> + Send;
}

/// A log in a database.
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
