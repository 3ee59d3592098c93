//! A transaction, on either database.

use futures_util::future::BoxFuture;

use crate::bulk::{Column, OnConflict};
use crate::{DbError, Dialect, ReadRow, Statement, Value, postgres, sqlite};

/// Handed to the work of [`crate::Db::write`] and [`crate::Db::snapshot`]; they commit it.
pub enum Tx {
    #[doc(hidden)]
    Sqlite(sqlite::Transaction),
    #[doc(hidden)]
    Postgres(postgres::Tx),
}

impl Tx {
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    pub async fn fetch_all<R: ReadRow + Send>(&mut self, statement: Statement) -> Result<Vec<R>, DbError> {
        match self {
            Self::Sqlite(tx) => tx.fetch(&statement),
            Self::Postgres(tx) => tx.fetch_all(&statement).await,
        }
    }

    pub async fn fetch_optional<R: ReadRow + Send>(&mut self, statement: Statement) -> Result<Option<R>, DbError> {
        Ok(self.fetch_all(statement).await?.into_iter().next())
    }

    /// Hands out rows one by one while the database still sends them: a long read of one state, in little memory.
    pub async fn for_each<R: ReadRow>(
        &mut self,
        statement: Statement,
        take: impl FnMut(R) + Send,
    ) -> Result<(), DbError> {
        match self {
            Self::Sqlite(tx) => tx.each(&statement, take),
            Self::Postgres(tx) => tx.for_each(&statement, take).await,
        }
    }

    /// The number of rows it touched.
    pub async fn execute(&mut self, statement: Statement) -> Result<u64, DbError> {
        match self {
            Self::Sqlite(tx) => tx.execute(&statement),
            Self::Postgres(tx) => tx.execute(&statement).await,
        }
    }

    /// Text of several statements without parameters.
    pub async fn script(&mut self, sql: &str) -> Result<(), DbError> {
        match self {
            Self::Sqlite(tx) => tx.script(sql),
            Self::Postgres(tx) => tx.script(sql).await,
        }
    }

    /// Inserts rows whose values stand in the order of `columns`.
    pub async fn insert_rows(
        &mut self,
        table: &str,
        columns: &[Column],
        rows: Vec<Vec<Value>>,
        on_conflict: OnConflict<'_>,
    ) -> Result<u64, DbError> {
        match self {
            _ if rows.is_empty() => Ok(0),
            Self::Sqlite(tx) => tx.insert_rows(table, columns, &rows, on_conflict),
            Self::Postgres(tx) => tx.insert_rows(table, columns, &rows, on_conflict).await,
        }
    }

    /// Deletes the rows whose `key` columns hold one of `keys`.
    pub async fn delete_rows(&mut self, table: &str, key: &[Column], keys: Vec<Vec<Value>>) -> Result<u64, DbError> {
        self.delete(table, key, keys, None).await
    }

    /// The same, of those rows that also meet a condition that the program wrote.
    pub async fn delete_rows_if(
        &mut self,
        table: &str,
        key: &[Column],
        keys: Vec<Vec<Value>>,
        condition: &str,
    ) -> Result<u64, DbError> {
        self.delete(table, key, keys, Some(condition)).await
    }

    async fn delete(
        &mut self,
        table: &str,
        key: &[Column],
        keys: Vec<Vec<Value>>,
        only_if: Option<&str>,
    ) -> Result<u64, DbError> {
        match self {
            _ if keys.is_empty() => Ok(0),
            Self::Sqlite(tx) => tx.delete_rows(table, key, &keys, only_if),
            Self::Postgres(tx) => tx.delete_rows(table, key, &keys, only_if).await,
        }
    }

    /// Carries out some work and commits it, or not.
    pub(crate) async fn settle<T, F>(mut self, work: F) -> Result<T, DbError>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, DbError>>,
    {
        match work(&mut self).await {
            Ok(value) => self.commit().await.map(|()| value),
            Err(error) => {
                self.rollback().await?;
                Err(error)
            }
        }
    }

    async fn commit(self) -> Result<(), DbError> {
        match self {
            Self::Sqlite(tx) => tx.commit(),
            Self::Postgres(tx) => tx.commit().await,
        }
    }

    async fn rollback(self) -> Result<(), DbError> {
        match self {
            Self::Sqlite(tx) => tx.rollback(),
            Self::Postgres(tx) => tx.rollback().await,
        }
    }
}
