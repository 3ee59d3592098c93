//! A number of connections that are used alike: opened when first needed, kept, lent to one user at a time.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::connection::BUSY;
use super::{Connection, Options};
use crate::DbError;

type Open = fn(&Options) -> Result<Connection, DbError>;

pub(super) struct Lane {
    kept: Arc<Kept>,
    permits: Arc<Semaphore>,
    most: usize,
}

struct Kept {
    options: Options,
    open: Open,
    /// The one used last is lent first: its pages and prepared statements are the warmest.
    idle: Mutex<Vec<Connection>>,
}

/// The right to one connection.
pub(super) struct Lease {
    kept: Arc<Kept>,
    _permit: OwnedSemaphorePermit,
}

impl Lane {
    pub(super) fn new(most: usize, options: Options, open: Open) -> Self {
        let kept = Kept { options, open, idle: Mutex::default() };
        Self { kept: Arc::new(kept), permits: Arc::new(Semaphore::new(most)), most }
    }

    /// Taking a permit also gives the runtime its turn now and then, which a read that never waits would not.
    pub(super) async fn take(&self) -> Result<Lease, DbError> {
        let permit = timeout(BUSY, Arc::clone(&self.permits).acquire_owned()).await;
        let permit = permit.map_err(|_| DbError::NoConnection)?.map_err(|_| DbError::Closed)?;
        Ok(Lease { kept: Arc::clone(&self.kept), _permit: permit })
    }

    /// Waits for everything that is lent, and hands the connections over to be dropped.
    pub(super) async fn close(&self) -> Vec<Connection> {
        let all = self.permits.acquire_many(self.most as u32).await;
        self.permits.close();
        drop(all);
        std::mem::take(&mut *self.kept.idle())
    }
}

impl Kept {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    pub(super) fn run<T>(&self, work: impl FnOnce(&Connection) -> Result<T, DbError>) -> Result<T, DbError> {
        let connection = self.connection()?;
        let outcome = work(&connection);
        self.keep(connection);
        outcome
    }

    pub(super) fn connection(&self) -> Result<Connection, DbError> {
        let idle = self.kept.idle().pop();
        idle.map_or_else(|| (self.kept.open)(&self.kept.options), Ok)
    }

    /// One that is still in a transaction is closed, which rolls back.
    pub(super) fn keep(&self, connection: Connection) {
        if connection.is_at_rest() {
            self.kept.idle().push(connection);
        }
    }
}
