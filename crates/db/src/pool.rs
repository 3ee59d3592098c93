//! A database one can read and write: on SQLite one file with its single writer, on PostgreSQL a small pool.
//!
//! Every write, and every transaction, runs in a task of its own: a caller that hangs up cancels nothing.

use std::path::PathBuf;

use futures_core::Stream;
use futures_util::TryStreamExt;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use crate::postgres::{self, Pool};
use crate::sqlite::{self, Durability, File};
use crate::{DbError, Dialect, ReadRow, Statement, Tx};

/// A handle; clones share its connections.
#[derive(Clone)]
pub struct Db(Pools);

#[derive(Clone)]
enum Pools {
    Sqlite(File),
    Postgres(Pool),
}

const BUNDLES_AHEAD: usize = 8;
pub(crate) const ROWS_TOGETHER: usize = 256;

impl Db {
    /// One SQLite file, opened or made when first used.
    pub(crate) fn sqlite(path: PathBuf, durability: Durability) -> Self {
        Self(Pools::Sqlite(File::new(sqlite::Options { path, durability })))
    }

    /// A pool whose unqualified names live in `schema`. It connects when first used.
    pub fn postgres(url: &str, schema: &str) -> Result<Self, DbError> {
        Ok(Self(Pools::Postgres(Pool::new(url, schema)?)))
    }

    pub fn dialect(&self) -> Dialect {
        match &self.0 {
            Pools::Sqlite(_) => Dialect::Sqlite,
            Pools::Postgres(_) => Dialect::Postgres,
        }
    }

    pub async fn fetch_all<R: ReadRow + Send + 'static>(&self, statement: Statement) -> Result<Vec<R>, DbError> {
        match &self.0 {
            Pools::Sqlite(file) => file.fetch(statement).await,
            Pools::Postgres(pool) => pool.fetch_all(statement).await,
        }
    }

    pub async fn fetch_optional<R: ReadRow + Send + 'static>(
        &self,
        statement: Statement,
    ) -> Result<Option<R>, DbError> {
        Ok(self.fetch_all(statement).await?.into_iter().next())
    }

    pub async fn fetch_one<R: ReadRow + Send + 'static>(&self, statement: Statement) -> Result<R, DbError> {
        self.fetch_optional(statement).await?.ok_or(DbError::NoRow)
    }

    /// One long read: rows are handed out while the database still sends them, a bounded number ahead of the reader. A
    /// reader that goes away closes the connection, which is cheaper than receiving the rest.
    pub fn stream<R: ReadRow + Send + 'static>(
        &self,
        statement: Statement,
    ) -> impl Stream<Item = Result<R, DbError>> + Send + Unpin + use<R> {
        let (sender, mut receiver) = mpsc::channel::<Result<Vec<R>, DbError>>(BUNDLES_AHEAD);
        let db = self.clone();
        tokio::spawn(async move {
            if let Err(error) = db.pour(statement, sender.clone()).await {
                let _ = sender.send(Err(error)).await; // nobody listens: nothing to report
            }
        });
        futures_util::stream::poll_fn(move |context| receiver.poll_recv(context))
            .map_ok(|rows| futures_util::stream::iter(rows.into_iter().map(Ok)))
            .try_flatten()
    }

    async fn pour<R: ReadRow + Send + 'static>(
        &self,
        statement: Statement,
        sender: mpsc::Sender<Result<Vec<R>, DbError>>,
    ) -> Result<(), DbError> {
        match &self.0 {
            Pools::Sqlite(file) => file.pour(statement, sender).await,
            Pools::Postgres(pool) => pool.pour(&statement, &sender).await,
        }
    }

    /// One writing statement, a transaction by itself. It runs to its end whatever becomes of the caller.
    pub async fn execute(&self, statement: Statement) -> Result<u64, DbError> {
        let db = self.clone();
        tokio::spawn(async move { db.run(statement).await }).await?
    }

    async fn run(&self, statement: Statement) -> Result<u64, DbError> {
        match &self.0 {
            Pools::Sqlite(file) => file.execute(statement).await,
            Pools::Postgres(pool) => pool.execute(&statement).await,
        }
    }

    /// A transaction (`begin immediate`, or read committed), committed when `work` says yes.
    pub async fn write<T, F>(&self, work: F) -> Result<T, DbError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, DbError>> + Send + 'static,
    {
        self.transact(work, true).await
    }

    /// Several reads that see one state of the database.
    pub async fn snapshot<T, F>(&self, work: F) -> Result<T, DbError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, DbError>> + Send + 'static,
    {
        self.transact(work, false).await
    }

    async fn transact<T, F>(&self, work: F, writes: bool) -> Result<T, DbError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, DbError>> + Send + 'static,
    {
        let db = self.clone();
        tokio::spawn(async move {
            match &db.0 {
                Pools::Sqlite(file) => file.transact(work, writes).await,
                Pools::Postgres(pool) => Tx::Postgres(pool.begin(writes).await?).settle(work).await,
            }
        })
        .await?
    }

    /// DDL text of several statements, in one transaction.
    pub async fn script(&self, sql: &str) -> Result<(), DbError> {
        let sql = sql.to_owned();
        self.write(|tx| Box::pin(async move { tx.script(&sql).await })).await
    }

    /// Has the database check a statement without running it.
    pub async fn prepare(&self, statement: &Statement) -> Result<(), DbError> {
        match &self.0 {
            Pools::Sqlite(file) => file.prepare(statement.sql(Dialect::Sqlite)).await,
            Pools::Postgres(pool) => pool.prepare(statement).await,
        }
    }

    /// Waits until every connection is closed; handles that are still about get an error.
    pub async fn close(&self) {
        match &self.0 {
            Pools::Sqlite(file) => file.close().await,
            Pools::Postgres(pool) => pool.close().await,
        }
    }

    pub(crate) fn sqlite_options(&self) -> Option<&sqlite::Options> {
        match &self.0 {
            Pools::Sqlite(file) => Some(file.options()),
            Pools::Postgres(_) => None,
        }
    }

    pub(crate) fn postgres_options(&self) -> Option<&postgres::Options> {
        match &self.0 {
            Pools::Sqlite(_) => None,
            Pools::Postgres(pool) => Some(pool.options()),
        }
    }
}
