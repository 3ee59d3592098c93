//! A transaction, on either database.

use futures_util::{StreamExt, TryStreamExt};
use sqlx::{AssertSqlSafe, Executor, Postgres, SqlSafeStr, Sqlite, Transaction};

use crate::bulk::{self, Column, OnConflict};
use crate::{DbError, Dialect, ReadRow, Row, Statement, Value};

/// Handed to the work of [`crate::Db::write`] and [`crate::Db::snapshot`]; they commit it.
pub enum Tx {
    #[doc(hidden)]
    Sqlite(Transaction<'static, Sqlite>),
    #[doc(hidden)]
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    pub async fn fetch_all<R: ReadRow + Send>(&mut self, statement: Statement) -> Result<Vec<R>, DbError> {
        let text = statement.text(self.dialect());
        match self {
            Self::Sqlite(tx) => {
                let query = sqlx::query_with(text, statement.sqlite_arguments()?);
                query.fetch(&mut **tx).map(|row| R::read(&Row::Sqlite(&row?))).try_collect().await
            }
            Self::Postgres(tx) => {
                let query = sqlx::query_with(text, statement.postgres_arguments()?);
                query.fetch(&mut **tx).map(|row| R::read(&Row::Postgres(&row?))).try_collect().await
            }
        }
    }

    pub async fn fetch_optional<R: ReadRow + Send>(&mut self, statement: Statement) -> Result<Option<R>, DbError> {
        Ok(self.fetch_all(statement).await?.into_iter().next())
    }

    /// Hands out rows one by one while the database still sends them: a long read of one state, in little memory.
    pub async fn for_each<R: ReadRow>(
        &mut self,
        statement: Statement,
        mut take: impl FnMut(R) + Send,
    ) -> Result<(), DbError> {
        let text = statement.text(self.dialect());
        match self {
            Self::Sqlite(tx) => {
                let mut rows = sqlx::query_with(text, statement.sqlite_arguments()?).fetch(&mut **tx);
                while let Some(row) = rows.try_next().await? {
                    take(R::read(&Row::Sqlite(&row))?);
                }
            }
            Self::Postgres(tx) => {
                let mut rows = sqlx::query_with(text, statement.postgres_arguments()?).fetch(&mut **tx);
                while let Some(row) = rows.try_next().await? {
                    take(R::read(&Row::Postgres(&row))?);
                }
            }
        }
        Ok(())
    }

    /// The number of rows it touched.
    pub async fn execute(&mut self, statement: Statement) -> Result<u64, DbError> {
        let text = statement.text(self.dialect());
        Ok(match self {
            Self::Sqlite(tx) => {
                let query = sqlx::query_with(text, statement.sqlite_arguments()?);
                query.execute(&mut **tx).await?.rows_affected()
            }
            Self::Postgres(tx) => {
                let query = sqlx::query_with(text, statement.postgres_arguments()?);
                query.execute(&mut **tx).await?.rows_affected()
            }
        })
    }

    /// Text of several statements without parameters.
    pub async fn script(&mut self, sql: &str) -> Result<(), DbError> {
        let script = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()).into_sql_str());
        match self {
            Self::Sqlite(tx) => {
                tx.execute(script).await?;
            }
            Self::Postgres(tx) => {
                tx.execute(script).await?;
            }
        }
        Ok(())
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
            Self::Sqlite(_) => {
                self.in_numbers(rows, |together| bulk::sqlite_insert(table, columns, together, on_conflict)).await
            }
            Self::Postgres(_) => {
                let sql = bulk::postgres_insert(table, columns, on_conflict);
                self.run(&sql, [Value::Json(Some(bulk::json_rows(columns, rows)))]).await
            }
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
            Self::Sqlite(_) => {
                self.in_numbers(keys, |together| bulk::sqlite_delete(table, key, only_if, together)).await
            }
            Self::Postgres(_) => {
                let sql = bulk::postgres_delete(table, key, only_if);
                self.run(&sql, [Value::Json(Some(bulk::json_rows(key, keys)))]).await
            }
        }
    }

    /// Many rows through a few statements, each for a fixed number of rows.
    async fn in_numbers(&mut self, rows: Vec<Vec<Value>>, text: impl Fn(usize) -> String) -> Result<u64, DbError> {
        let mut touched = 0;
        let mut rows = rows.into_iter();
        for together in bulk::SQLITE_ROWS {
            if rows.len() < together {
                continue;
            }
            let sql = text(together);
            while rows.len() >= together {
                touched += self.run(&sql, rows.by_ref().take(together).flatten()).await?;
            }
        }
        Ok(touched)
    }

    /// Runs text that this crate built for one database. The driver keeps it prepared.
    async fn run(&mut self, sql: &str, values: impl IntoIterator<Item = Value>) -> Result<u64, DbError> {
        self.execute(Statement::built(sql, values.into_iter().collect())).await
    }

    pub(crate) async fn commit(self) -> Result<(), DbError> {
        let ended = match self {
            Self::Sqlite(tx) => tx.commit().await,
            Self::Postgres(tx) => tx.commit().await,
        };
        Ok(ended?)
    }

    pub(crate) async fn rollback(self) -> Result<(), DbError> {
        let ended = match self {
            Self::Sqlite(tx) => tx.rollback().await,
            Self::Postgres(tx) => tx.rollback().await,
        };
        Ok(ended?)
    }
}
