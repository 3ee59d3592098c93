//! One SQLite file and its connections.
//!
//! SQLite is a library: a statement is a call of some microseconds, and the dearest part of a short one would be the trip to
//! another thread and back. So a read begins where it is asked for, on the runtime's own thread, with a bounded number of
//! steps; one that needs more, or would have to wait for a lock, begins again on a thread that may block. What writes, and
//! what reads in several statements, has such a thread from its first statement to its last, so that each of them is a plain
//! call there. docs/decisions/0010-drivers.md has the measurements.

mod connection;
mod lane;
mod row;

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

pub(crate) use connection::{Connection, Transaction};
pub(crate) use row::{at, bool, bytes, day, int, str, uuid};

use crate::pool::ROWS_TOGETHER;
use crate::{DbError, ReadRow, Statement, Tx};
use lane::Lane;

/// Far more than the threads of a runtime: nobody waits here unless the file is being closed.
const READS_AT_ONCE: usize = 64;
/// Long reads and transactions that read.
const READS_APART: usize = 8;

/// How much one file may lose when the power fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Every commit is on disk before it is acknowledged.
    Full,
    /// The last commits of a disposable read model may go; what is left is consistent.
    Normal,
}

/// What every connection to a file needs to know.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) path: PathBuf,
    pub(crate) durability: Durability,
}

/// A handle; clones share the connections.
#[derive(Clone)]
pub(crate) struct File(Arc<Lanes>);

struct Lanes {
    options: Options,
    writer: Lane,
    at_once: Lane,
    apart: Lane,
}

impl File {
    /// Connects, and makes the file where there is none, when first used.
    pub(crate) fn new(options: Options) -> Self {
        let writer = Lane::new(1, options.clone(), Connection::writer);
        let at_once = Lane::new(READS_AT_ONCE, options.clone(), Connection::reader_at_once);
        let apart = Lane::new(READS_APART, options.clone(), Connection::reader_apart);
        Self(Arc::new(Lanes { options, writer, at_once, apart }))
    }

    pub(crate) fn options(&self) -> &Options {
        &self.0.options
    }

    pub(crate) async fn fetch<R: ReadRow + Send + 'static>(&self, statement: Statement) -> Result<Vec<R>, DbError> {
        let lease = self.0.at_once.take().await?;
        match lease.run(|connection| connection.fetch_in_few_steps(&statement)) {
            Err(error) if error.wants_a_thread() => {}
            answer => return answer,
        }
        let lease = self.0.apart.take().await?;
        spawn_blocking(move || lease.run(|connection| connection.fetch(&statement))).await?
    }

    /// Pours the rows of one long read into a channel, until it is read to its end or nobody listens.
    pub(crate) async fn pour<R: ReadRow + Send + 'static>(
        &self,
        statement: Statement,
        sender: mpsc::Sender<Result<Vec<R>, DbError>>,
    ) -> Result<(), DbError> {
        let lease = self.0.apart.take().await?;
        spawn_blocking(move || lease.run(|connection| pour(connection, &statement, &sender))).await?
    }

    /// To be called from a task of its own: what is dropped before it has the writer's connection never begins.
    pub(crate) async fn execute(&self, statement: Statement) -> Result<u64, DbError> {
        let lease = self.0.writer.take().await?;
        spawn_blocking(move || lease.run(|connection| connection.execute(&statement))).await?
    }

    /// As [`execute`](Self::execute), a transaction. `work` is polled on a thread that may block.
    pub(crate) async fn transact<T, F>(&self, work: F, writes: bool) -> Result<T, DbError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, DbError>> + Send + 'static,
    {
        let lease = if writes { self.0.writer.take().await? } else { self.0.apart.take().await? };
        let runtime = Handle::current();
        spawn_blocking(move || {
            let tx = Transaction::begin(lease, writes)?;
            runtime.block_on(Tx::Sqlite(tx).settle(work))
        })
        .await?
    }

    /// Has SQLite check a statement without running it.
    pub(crate) async fn prepare(&self, sql: &str) -> Result<(), DbError> {
        self.0.at_once.take().await?.run(|connection| connection.prepare(sql))
    }

    /// Waits until every connection is closed. The last one to close a file copies its write-ahead log back.
    pub(crate) async fn close(&self) {
        for lane in [&self.0.at_once, &self.0.apart, &self.0.writer] {
            let idle = lane.close().await;
            let _ = spawn_blocking(|| drop(idle)).await; // nothing is left to close where the runtime is gone
        }
    }
}

fn pour<R: ReadRow>(
    connection: &Connection,
    statement: &Statement,
    sender: &mpsc::Sender<Result<Vec<R>, DbError>>,
) -> Result<(), DbError> {
    let mut together = Vec::with_capacity(ROWS_TOGETHER);
    let mut heard = true;
    connection.each(statement, |row| {
        together.push(row);
        if together.len() == ROWS_TOGETHER {
            heard =
                sender.blocking_send(Ok(std::mem::replace(&mut together, Vec::with_capacity(ROWS_TOGETHER)))).is_ok();
        }
        heard
    })?;
    if heard && !together.is_empty() {
        let _ = sender.blocking_send(Ok(together)); // nobody listens: nothing to report
    }
    Ok(())
}
