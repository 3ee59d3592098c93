//! A transaction on PostgreSQL.

use std::pin::pin;

use super::PostgresError;
use super::bulk;
use super::pool::Lease;
use crate::bulk::{Column, OnConflict};
use crate::{DbError, ReadRow, Row, Statement, Value};

/// Holds its connection to the end. Dropped before it, the connection closes, and PostgreSQL rolls back.
pub struct Tx {
    lease: Lease,
    /// A statement failed: PostgreSQL answers `commit` with a rollback, and calls that a success.
    failed: bool,
}

impl Tx {
    pub(super) fn new(lease: Lease) -> Self {
        Self { lease, failed: false }
    }

    pub(crate) async fn fetch_all<R: ReadRow>(&mut self, statement: &Statement) -> Result<Vec<R>, DbError> {
        let read = self.lease.session().fetch_all(statement).await;
        self.failed |= matches!(read, Err(DbError::Postgres(_)));
        read
    }

    pub(crate) async fn for_each<R: ReadRow>(
        &mut self,
        statement: &Statement,
        mut take: impl FnMut(R) + Send,
    ) -> Result<(), DbError> {
        let asked = self.lease.session().query(statement).await;
        let mut rows = pin!(self.noted(asked)?);
        loop {
            let next = self.lease.session().next(rows.as_mut()).await;
            let Some(row) = self.noted(next)? else { return Ok(()) };
            take(R::read(&Row::Postgres(&row))?);
        }
    }

    pub(crate) async fn execute(&mut self, statement: &Statement) -> Result<u64, DbError> {
        let done = self.lease.session().execute(statement).await;
        self.noted(done)
    }

    pub(crate) async fn script(&mut self, text: &str) -> Result<(), DbError> {
        let done = self.lease.session().script(text).await;
        self.noted(done)
    }

    pub(crate) async fn insert_rows(
        &mut self,
        table: &str,
        columns: &[Column],
        rows: &[Vec<Value>],
        on_conflict: OnConflict<'_>,
    ) -> Result<u64, DbError> {
        let done = bulk::insert(self.lease.session(), table, columns, rows, on_conflict).await;
        self.noted(done)
    }

    pub(crate) async fn delete_rows(
        &mut self,
        table: &str,
        key: &[Column],
        keys: &[Vec<Value>],
        only_if: Option<&str>,
    ) -> Result<u64, DbError> {
        let done = bulk::delete(self.lease.session(), table, key, keys, only_if).await;
        self.noted(done)
    }

    pub(crate) async fn commit(mut self) -> Result<(), DbError> {
        if self.failed {
            self.rollback().await?;
            return Err(DbError::Refused("a statement of this transaction failed: nothing was written".to_owned()));
        }
        self.lease.session().script("commit").await?;
        self.lease.give_back().await;
        Ok(())
    }

    pub(crate) async fn rollback(mut self) -> Result<(), DbError> {
        self.lease.session().script("rollback").await?;
        self.lease.give_back().await;
        Ok(())
    }

    fn noted<T>(&mut self, done: Result<T, PostgresError>) -> Result<T, DbError> {
        self.failed |= done.is_err();
        Ok(done?)
    }
}
