//! A database one can read and write: on SQLite one file with its single writer, on PostgreSQL a small pool.
//!
//! Every write, and every transaction, runs in a task of its own: a caller that hangs up cancels nothing.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use futures_core::Stream;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, SqlSafeStr};
use tokio::sync::mpsc;

use crate::sqlite::{self, Durability, File};
use crate::{DbError, Dialect, ReadRow, Row, Statement, Tx};

/// A handle; clones share its connections.
#[derive(Clone)]
pub struct Db(Pools);

#[derive(Clone)]
enum Pools {
    Sqlite(File),
    Postgres { pool: PgPool, options: Box<PgConnectOptions> },
}

const POSTGRES_CONNECTIONS: u32 = 16;
const BUSY: Duration = Duration::from_secs(30);
const BUNDLES_AHEAD: usize = 8;
pub(crate) const ROWS_TOGETHER: usize = 256;
const TRIES: usize = 3;

impl Db {
    /// One SQLite file, opened or made when first used.
    pub(crate) fn sqlite(path: PathBuf, durability: Durability) -> Self {
        Self(Pools::Sqlite(File::new(sqlite::Options { path, durability })))
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
        Ok(Self(Pools::Postgres { pool, options: Box::new(options) }))
    }

    pub fn dialect(&self) -> Dialect {
        match &self.0 {
            Pools::Sqlite(_) => Dialect::Sqlite,
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

    async fn read<R: ReadRow + Send + 'static>(&self, statement: Statement) -> Result<Vec<R>, DbError> {
        match &self.0 {
            Pools::Sqlite(file) => file.fetch(statement).await,
            Pools::Postgres { pool, .. } => {
                let text = statement.text(Dialect::Postgres);
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
            Pools::Sqlite(file) => file.pour(statement, sender).await?,
            Pools::Postgres { pool, .. } => {
                let text = statement.text(Dialect::Postgres);
                let mut connection = pool.acquire().await?;
                // Long reads follow an index that lies in their order. Before the first `analyze` PostgreSQL does not know
                // that, and would sort everything before it sends the first row.
                let begin = "begin read only; set local enable_sort = off; set local jit = off";
                let read = async {
                    connection.execute(sqlx::raw_sql(begin)).await?;
                    let query = sqlx::query_with(text, statement.postgres_arguments()?);
                    let rows = query.fetch(&mut *connection).map(|row| R::read(&Row::Postgres(&row?)));
                    let whole = hand_out(rows, &sender).await?;
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
        Ok(match &self.0 {
            Pools::Sqlite(file) => file.execute(statement).await?,
            Pools::Postgres { pool, .. } => {
                let text = statement.text(Dialect::Postgres);
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
            match &db.0 {
                Pools::Sqlite(file) => file.transact(work, writes).await,
                Pools::Postgres { pool, .. } => begin(pool, writes).await?.settle(work).await,
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
            Pools::Sqlite(file) => file.prepare(statement.sql(Dialect::Sqlite)).await?,
            Pools::Postgres { pool, .. } => {
                let text = AssertSqlSafe(statement.sql(Dialect::Postgres).to_owned()).into_sql_str();
                pool.acquire().await?.prepare_with(text, &statement.postgres_types()).await?;
            }
        }
        Ok(())
    }

    /// Waits until every connection is closed; handles that are still about get an error.
    pub async fn close(&self) {
        match &self.0 {
            Pools::Sqlite(file) => file.close().await,
            Pools::Postgres { pool, .. } => pool.close().await,
        }
    }

    pub(crate) fn sqlite_options(&self) -> Option<&sqlite::Options> {
        match &self.0 {
            Pools::Sqlite(file) => Some(file.options()),
            Pools::Postgres { .. } => None,
        }
    }

    pub(crate) fn postgres_options(&self) -> Option<&PgConnectOptions> {
        match &self.0 {
            Pools::Sqlite(_) => None,
            Pools::Postgres { options, .. } => Some(options),
        }
    }
}

async fn begin(pool: &PgPool, writes: bool) -> Result<Tx, DbError> {
    let mut tries = 1;
    loop {
        let begun = if writes {
            pool.begin().await
        } else {
            pool.begin_with("begin isolation level repeatable read read only").await
        };
        match begun.map_err(DbError::from) {
            Err(error) if error.is_stale_connection() && tries < TRIES => tries += 1,
            answer => return answer.map(Tx::Postgres),
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
