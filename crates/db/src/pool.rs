//! A database one can read and write: on SQLite one file with its single writer, on PostgreSQL a small pool.
//!
//! Every write, and every transaction, runs in a task of its own: a caller that hangs up cancels nothing, and sqlx 0.9
//! cannot hand a half-begun transaction back to its pool (a dropped `begin` would).

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use futures_core::Stream;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, SqlSafeStr};
use tokio::sync::mpsc;

use crate::{DbError, Dialect, ReadRow, Row, Statement, Tx};

/// A handle; clones share its connections.
#[derive(Clone)]
pub struct Db(Pools);

#[derive(Clone)]
enum Pools {
    Sqlite { writer: SqlitePool, readers: SqlitePool, options: SqliteConnectOptions },
    Postgres { pool: PgPool, options: PgConnectOptions },
}

/// How much one file may lose when the power fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Every commit is on disk before it is acknowledged.
    Full,
    /// The last commits of a disposable read model may go; what is left is consistent.
    Normal,
}

const SQLITE_READERS: u32 = 4;
/// In KiB, negative as SQLite wants it. Keys are random, so a writer touches pages all over its indexes.
pub(crate) const WRITER_CACHE: &str = "-65536";
const POSTGRES_CONNECTIONS: u32 = 16;
const BUSY: Duration = Duration::from_secs(30);
const ROWS_AHEAD: usize = 8;
const ROWS_TOGETHER: usize = 256;
const TRIES: usize = 3;

impl Db {
    /// Opens, or makes, one SQLite file.
    pub(crate) fn sqlite(file: &Path, durability: Durability) -> Self {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .busy_timeout(BUSY)
            .row_buffer_size(ROWS_TOGETHER)
            .statement_cache_capacity(500)
            .disable_statement_logging();
        // Keys are random, so a batch touches pages all over the indexes: a late checkpoint writes each of them once for
        // many commits. What the log has lies in the write-ahead file meanwhile, as durable as anywhere.
        let options = options.pragma("wal_autocheckpoint", "10000");
        let options = match durability {
            // What is deleted here is deleted for good: keys that were destroyed leave no bytes on free pages.
            Durability::Full => options.synchronous(SqliteSynchronous::Full).pragma("secure_delete", "on"),
            Durability::Normal => options.synchronous(SqliteSynchronous::Normal),
        };
        let pool = || {
            SqlitePoolOptions::new()
                .test_before_acquire(false)
                .acquire_timeout(BUSY)
                .idle_timeout(None)
                .max_lifetime(None)
        };
        let writer = pool().max_connections(1).connect_lazy_with(options.clone().pragma("cache_size", WRITER_CACHE));
        let readers = pool().max_connections(SQLITE_READERS);
        let readers = readers.connect_lazy_with(options.clone().pragma("query_only", "on"));
        Self(Pools::Sqlite { writer, readers, options })
    }

    /// A pool whose unqualified names live in `schema`. It connects when first used.
    pub fn postgres(url: &str, schema: &str) -> Result<Self, DbError> {
        let options = PgConnectOptions::from_str(url)?
            .application_name("guichet")
            .statement_cache_capacity(500)
            .options([
                ("search_path", schema),
                ("TimeZone", "UTC"),
                ("default_transaction_isolation", "read committed"),
                // A plan that was made while a table was small is kept until it is analysed again: an import would be
                // over by then. Planning each time costs a tenth of a millisecond and follows the table as it grows.
                ("plan_cache_mode", "force_custom_plan"),
                // A forgotten transaction holds back vacuum and locks; nothing of ours thinks that long.
                ("idle_in_transaction_session_timeout", "60s"),
                // A peer that went silent is noticed by the server within a minute.
                ("tcp_keepalives_idle", "30"),
                ("tcp_keepalives_interval", "10"),
                ("tcp_keepalives_count", "3"),
            ])
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(POSTGRES_CONNECTIONS)
            .acquire_timeout(BUSY)
            .test_before_acquire(false)
            .connect_lazy_with(options.clone());
        Ok(Self(Pools::Postgres { pool, options }))
    }

    pub fn dialect(&self) -> Dialect {
        match &self.0 {
            Pools::Sqlite { .. } => Dialect::Sqlite,
            Pools::Postgres { .. } => Dialect::Postgres,
        }
    }

    pub async fn fetch_all<R: ReadRow + Send + 'static>(&self, statement: Statement) -> Result<Vec<R>, DbError> {
        let mut tries = 1;
        loop {
            match self.read(statement.clone()).await {
                Err(error) if error.is_stale_connection() && tries < TRIES => tries += 1,
                answer => return answer,
            }
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

    async fn read<R: ReadRow>(&self, statement: Statement) -> Result<Vec<R>, DbError> {
        let text = statement.text(self.dialect());
        match &self.0 {
            Pools::Sqlite { readers, .. } => {
                let query = sqlx::query_with(text, statement.sqlite_arguments()?);
                let rows = query.fetch(readers).map(|row| R::read(&Row::Sqlite(&row?)));
                rows.try_collect().await
            }
            Pools::Postgres { pool, .. } => {
                let query = sqlx::query_with(text, statement.postgres_arguments()?);
                let rows = query.fetch(pool).map(|row| R::read(&Row::Postgres(&row?)));
                rows.try_collect().await
            }
        }
    }

    /// One long read: rows are handed out while the database still sends them, a bounded number ahead of the reader. A
    /// reader that goes away closes the connection, which is cheaper than receiving the rest.
    pub fn stream<R: ReadRow + Send + 'static>(
        &self,
        statement: Statement,
    ) -> impl Stream<Item = Result<R, DbError>> + Send + Unpin + use<R> {
        let (sender, mut receiver) = mpsc::channel::<Result<Vec<R>, DbError>>(ROWS_AHEAD);
        let db = self.clone();
        tokio::spawn(async move {
            if let Err(error) = db.pour(statement, &sender).await {
                let _ = sender.send(Err(error)).await; // nobody listens: nothing to report
            }
        });
        futures_util::stream::poll_fn(move |context| receiver.poll_recv(context))
            .map_ok(|rows| futures_util::stream::iter(rows.into_iter().map(Ok)))
            .try_flatten()
    }

    async fn pour<R: ReadRow>(
        &self,
        statement: Statement,
        sender: &mpsc::Sender<Result<Vec<R>, DbError>>,
    ) -> Result<(), DbError> {
        let text = statement.text(self.dialect());
        match &self.0 {
            Pools::Sqlite { readers, .. } => {
                let mut connection = readers.acquire().await?;
                let query = sqlx::query_with(text, statement.sqlite_arguments()?);
                let rows = query.fetch(&mut *connection).map(|row| R::read(&Row::Sqlite(&row?)));
                if !hand_out(rows, sender).await? {
                    connection.close_on_drop();
                }
            }
            Pools::Postgres { pool, .. } => {
                let mut connection = pool.acquire().await?;
                // Long reads follow an index that lies in their order. Before the first `analyze` PostgreSQL does not know
                // that, and would sort everything before it sends the first row.
                let begin = "begin read only; set local enable_sort = off; set local jit = off";
                let read = async {
                    connection.execute(sqlx::raw_sql(begin)).await?;
                    let query = sqlx::query_with(text, statement.postgres_arguments()?);
                    let rows = query.fetch(&mut *connection).map(|row| R::read(&Row::Postgres(&row?)));
                    let whole = hand_out(rows, sender).await?;
                    if whole {
                        connection.execute("commit").await?;
                    }
                    Ok::<_, DbError>(whole)
                };
                let read = read.await;
                if !matches!(read, Ok(true)) {
                    connection.close_on_drop();
                }
                read?;
            }
        }
        Ok(())
    }

    /// One writing statement, a transaction by itself. It runs to its end whatever becomes of the caller.
    pub async fn execute(&self, statement: Statement) -> Result<u64, DbError> {
        let db = self.clone();
        tokio::spawn(async move { db.run(statement).await }).await?
    }

    async fn run(&self, statement: Statement) -> Result<u64, DbError> {
        let text = statement.text(self.dialect());
        Ok(match &self.0 {
            Pools::Sqlite { writer, .. } => {
                let query = sqlx::query_with(text, statement.sqlite_arguments()?);
                query.execute(writer).await?.rows_affected()
            }
            Pools::Postgres { pool, .. } => {
                let query = sqlx::query_with(text, statement.postgres_arguments()?);
                query.execute(pool).await?.rows_affected()
            }
        })
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
            let mut tx = db.begin(writes).await?;
            match work(&mut tx).await {
                Ok(value) => tx.commit().await.map(|()| value),
                Err(error) => {
                    tx.rollback().await?;
                    Err(error)
                }
            }
        })
        .await?
    }

    async fn begin(&self, writes: bool) -> Result<Tx, DbError> {
        let mut tries = 1;
        loop {
            let begun = match &self.0 {
                Pools::Sqlite { writer, .. } if writes => writer.begin_with("begin immediate").await.map(Tx::Sqlite),
                Pools::Sqlite { readers, .. } => readers.begin().await.map(Tx::Sqlite),
                Pools::Postgres { pool, .. } if writes => pool.begin().await.map(Tx::Postgres),
                Pools::Postgres { pool, .. } => {
                    pool.begin_with("begin isolation level repeatable read read only").await.map(Tx::Postgres)
                }
            };
            match begun.map_err(DbError::from) {
                Err(error) if error.is_stale_connection() && tries < TRIES => tries += 1,
                answer => return answer,
            }
        }
    }

    /// DDL text of several statements, in one transaction.
    pub async fn script(&self, sql: &str) -> Result<(), DbError> {
        let sql = sql.to_owned();
        self.write(|tx| Box::pin(async move { tx.script(&sql).await })).await
    }

    /// Has the database check a statement without running it.
    pub async fn prepare(&self, statement: &Statement) -> Result<(), DbError> {
        let text = AssertSqlSafe(statement.sql(self.dialect()).to_owned()).into_sql_str();
        match &self.0 {
            Pools::Sqlite { readers, .. } => {
                readers.acquire().await?.prepare(text).await?;
            }
            Pools::Postgres { pool, .. } => {
                pool.acquire().await?.prepare_with(text, &statement.postgres_types()).await?;
            }
        }
        Ok(())
    }

    /// Waits until every connection is closed; handles that are still about get an error.
    pub async fn close(&self) {
        match &self.0 {
            Pools::Sqlite { writer, readers, .. } => {
                readers.close().await;
                writer.close().await;
            }
            Pools::Postgres { pool, .. } => pool.close().await,
        }
    }

    pub(crate) fn sqlite_options(&self) -> Option<&SqliteConnectOptions> {
        match &self.0 {
            Pools::Sqlite { options, .. } => Some(options),
            Pools::Postgres { .. } => None,
        }
    }

    pub(crate) fn postgres_options(&self) -> Option<&PgConnectOptions> {
        match &self.0 {
            Pools::Sqlite { .. } => None,
            Pools::Postgres { options, .. } => Some(options),
        }
    }
}

/// True when every row was handed out, false when the reader went away.
async fn hand_out<R>(
    rows: impl Stream<Item = Result<R, DbError>>,
    sender: &mpsc::Sender<Result<Vec<R>, DbError>>,
) -> Result<bool, DbError> {
    let mut rows = std::pin::pin!(rows);
    let mut together = Vec::new();
    while let Some(row) = rows.next().await {
        together.push(row?);
        if together.len() == ROWS_TOGETHER && sender.send(Ok(std::mem::take(&mut together))).await.is_err() {
            return Ok(false);
        }
    }
    Ok(together.is_empty() || sender.send(Ok(together)).await.is_ok())
}
