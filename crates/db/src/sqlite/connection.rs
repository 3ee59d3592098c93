//! A connection: how a file is opened, how a statement runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, ErrorCode, OpenFlags};
use uuid::Uuid;

use super::lane::Lease;
use super::{Durability, Options};
use crate::value::{day_text, four_digits, instant_text};
use crate::{Column, DbError, Dialect, OnConflict, ReadRow, Row, Statement, Value, bulk};

/// How long anybody waits for another process that writes, or for a connection.
pub(super) const BUSY: Duration = Duration::from_secs(30);

/// Between two tries of what SQLite itself does not try again.
const ASKED_AGAIN: Duration = Duration::from_millis(5);

/// In KiB, negative as SQLite wants it. A commit after a page was split walks over the whole cache, so that a large one costs
/// more than it spares; a log's writer touches few pages, and commits all the time.
const WRITER_CACHE: i64 = -8_192;
const APPENDER_CACHE: i64 = -2_048;
/// A reader's pages are good until anybody commits; between two commits they hold the upper levels of every index.
const READER_CACHE: i64 = -16_384;
/// A late checkpoint writes a page once for many commits, and makes one of them wait longer. Who waits for a read model waits for
/// no commit.
const CHECKPOINT_PAGES: i64 = 4_000;
const LATE_CHECKPOINT_PAGES: i64 = 10_000;
const PREPARED: usize = 500;
/// Rows of each index that `analyze` looks at: plans need orders of magnitude, and a rebuild waits for them.
const ANALYSED: i64 = 1_000;

/// What a read may take of the runtime's thread: about half a millisecond, in SQLite's own steps, looked at now and then.
const STEPS_BETWEEN_LOOKS: i32 = 1_000;
const LOOKS: i32 = 20;

pub(crate) struct Connection {
    sqlite: rusqlite::Connection,
    /// How often a statement may still be looked at before it is interrupted; none for one that may take its time.
    looks: Option<Arc<AtomicI32>>,
}

impl Connection {
    pub(crate) fn writer(options: &Options) -> Result<Self, DbError> {
        Self::open(options, BUSY, WRITER_CACHE)
    }

    /// For a log's writer.
    pub(crate) fn appender(options: &Options) -> Result<Self, DbError> {
        Self::open(options, BUSY, APPENDER_CACHE)
    }

    pub(super) fn reader_apart(options: &Options) -> Result<Self, DbError> {
        Self::reader(options, BUSY)
    }

    /// For a thread that must not wait: it gives up instead, and [`DbError::wants_a_thread`] says so.
    pub(super) fn reader_at_once(options: &Options) -> Result<Self, DbError> {
        let mut connection = Self::reader(options, Duration::ZERO)?;
        let looks = Arc::new(AtomicI32::new(LOOKS));
        let left = Arc::clone(&looks);
        let handler = move || left.fetch_sub(1, Ordering::Relaxed) <= 0;
        connection.sqlite.progress_handler(STEPS_BETWEEN_LOOKS, Some(handler))?;
        connection.looks = Some(looks);
        Ok(connection)
    }

    fn reader(options: &Options, busy: Duration) -> Result<Self, DbError> {
        let connection = Self::open(options, busy, READER_CACHE)?;
        connection.sqlite.pragma_update(None, "query_only", true)?;
        Ok(connection)
    }

    fn open(options: &Options, busy: Duration, cache: i64) -> Result<Self, DbError> {
        // One thread at a time has the connection, which the compiler sees to: SQLite need not lock it as well.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let sqlite = rusqlite::Connection::open_with_flags(&options.path, flags)?;
        sqlite.busy_timeout(busy)?;
        write_ahead(&sqlite, busy)?;
        sqlite.pragma_update(None, "cache_size", cache)?;
        sqlite.pragma_update(None, "analysis_limit", ANALYSED)?;
        match options.durability {
            Durability::Full => {
                sqlite.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
                sqlite.pragma_update(None, "synchronous", "full")?;
                // What is deleted here is deleted for good: keys that were destroyed leave no bytes on free pages.
                sqlite.pragma_update(None, "secure_delete", true)?;
            }
            Durability::Normal => {
                sqlite.pragma_update(None, "wal_autocheckpoint", LATE_CHECKPOINT_PAGES)?;
                sqlite.pragma_update(None, "synchronous", "normal")?;
            }
        }
        sqlite.set_prepared_statement_cache_capacity(PREPARED);
        // A plan that may depend on a bound value is made anew for each value otherwise: a fifth of the time of a GET.
        sqlite.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        Ok(Self { sqlite, looks: None })
    }

    /// Whether it is in no transaction.
    pub(super) fn is_at_rest(&self) -> bool {
        self.sqlite.is_autocommit()
    }

    pub(crate) fn prepared(&self, sql: &str) -> Result<CachedStatement<'_>, DbError> {
        Ok(self.sqlite.prepare_cached(sql)?)
    }

    pub(super) fn prepare(&self, sql: &str) -> Result<(), DbError> {
        Ok(self.sqlite.prepare(sql).map(drop)?)
    }

    pub(super) fn script(&self, sql: &str) -> Result<(), DbError> {
        Ok(self.sqlite.execute_batch(sql)?)
    }

    /// A statement without parameters and rows: one that begins or ends a transaction.
    pub(crate) fn command(&self, sql: &str) -> Result<(), DbError> {
        self.prepared(sql)?.raw_execute()?;
        Ok(())
    }

    pub(super) fn fetch_in_few_steps<R: ReadRow>(&self, statement: &Statement) -> Result<Vec<R>, DbError> {
        if let Some(looks) = &self.looks {
            looks.store(LOOKS, Ordering::Relaxed);
        }
        self.fetch(statement)
    }

    pub(super) fn fetch<R: ReadRow>(&self, statement: &Statement) -> Result<Vec<R>, DbError> {
        let mut rows = Vec::new();
        self.each(statement, |row| {
            rows.push(row);
            true
        })?;
        Ok(rows)
    }

    /// Hands out rows until there are no more, or no more are wanted.
    pub(super) fn each<R: ReadRow>(
        &self,
        statement: &Statement,
        mut take: impl FnMut(R) -> bool,
    ) -> Result<(), DbError> {
        let mut prepared = self.bound(statement)?;
        let mut rows = prepared.raw_query();
        while let Some(row) = rows.next()? {
            if !take(R::read(&Row::Sqlite(row))?) {
                break;
            }
        }
        Ok(())
    }

    /// The number of rows it touched. What it returns is read and dropped.
    pub(super) fn execute(&self, statement: &Statement) -> Result<u64, DbError> {
        let before = self.sqlite.total_changes();
        let mut prepared = self.bound(statement)?;
        let mut rows = prepared.raw_query();
        while rows.next()?.is_some() {}
        Ok(self.sqlite.total_changes() - before)
    }

    /// SQLite numbers `$2` by where it first stands, not by what it says.
    fn bound(&self, statement: &Statement) -> Result<CachedStatement<'_>, DbError> {
        let mut prepared = self.prepared(statement.sql(Dialect::Sqlite))?;
        let values = statement.values();
        for place in 1..=prepared.parameter_count() {
            let said = prepared.parameter_name(place).and_then(|name| name[1..].parse::<usize>().ok());
            let value = said.and_then(|number| values.get(number - 1));
            let value = value.ok_or(rusqlite::Error::InvalidParameterCount(values.len(), place))?;
            bind(&mut prepared, place, value)?;
        }
        Ok(prepared)
    }

    /// Runs one prepared text for each row, its marks in the order of the row's values.
    fn run_for_each(&self, sql: &str, rows: &[Vec<Value>]) -> Result<u64, DbError> {
        let mut prepared = self.prepared(sql)?;
        let mut touched = 0;
        for row in rows {
            for (value, place) in row.iter().zip(1..) {
                bind(&mut prepared, place, value)?;
            }
            touched += prepared.raw_execute()? as u64;
        }
        Ok(touched)
    }
}

/// SQLite gives up at once, whatever it was told, where two make a new file write ahead at the same moment.
fn write_ahead(sqlite: &rusqlite::Connection, patience: Duration) -> rusqlite::Result<()> {
    let begun = Instant::now();
    loop {
        match sqlite.pragma_update(None, "journal_mode", "wal") {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && begun.elapsed() < patience => {
                std::thread::sleep(ASKED_AGAIN);
            }
            answer => return answer,
        }
    }
}

/// SQLite knows no instants, days, ids or booleans: they are kept as fixed text and 0/1.
fn bind(statement: &mut rusqlite::Statement<'_>, place: usize, value: &Value) -> Result<(), DbError> {
    let mut buffer = Uuid::encode_buffer();
    let output = match value {
        Value::Bool(value) => value.map(|value| ToSqlOutput::from(i64::from(value))),
        Value::Int(value) => value.map(ToSqlOutput::from),
        Value::Text(value) | Value::Json(value) => value.as_deref().map(ToSqlOutput::from),
        Value::Uuid(value) => value.map(|id| ToSqlOutput::from(&*id.hyphenated().encode_lower(&mut buffer))),
        Value::At(value) => {
            let text = value.map(|at| four_digits(at, at.date_naive()).map(instant_text)).transpose()?;
            text.map(ToSqlOutput::from)
        }
        Value::Day(value) => value.map(|day| four_digits(day, day).map(day_text)).transpose()?.map(ToSqlOutput::from),
        Value::Bytes(value) => value.as_deref().map(ToSqlOutput::from),
    };
    Ok(statement.raw_bind_parameter(place, output.unwrap_or(ToSqlOutput::Borrowed(ValueRef::Null)))?)
}

/// Several statements, all or none of which are kept. Dropped before its end, it takes its connection along, which rolls back.
pub struct Transaction {
    connection: Connection,
    lease: Lease,
}

impl Transaction {
    pub(super) fn begin(lease: Lease, writes: bool) -> Result<Self, DbError> {
        let connection = lease.connection()?;
        connection.command(if writes { "begin immediate" } else { "begin" })?;
        Ok(Self { connection, lease })
    }

    pub(crate) fn fetch<R: ReadRow>(&self, statement: &Statement) -> Result<Vec<R>, DbError> {
        self.connection.fetch(statement)
    }

    pub(crate) fn each<R: ReadRow>(&self, statement: &Statement, mut take: impl FnMut(R)) -> Result<(), DbError> {
        self.connection.each(statement, |row| {
            take(row);
            true
        })
    }

    pub(crate) fn execute(&self, statement: &Statement) -> Result<u64, DbError> {
        self.connection.execute(statement)
    }

    pub(crate) fn script(&self, sql: &str) -> Result<(), DbError> {
        self.connection.script(sql)
    }

    pub(crate) fn insert_rows(
        &self,
        table: &str,
        columns: &[Column],
        rows: &[Vec<Value>],
        on_conflict: OnConflict<'_>,
    ) -> Result<u64, DbError> {
        self.connection.run_for_each(&bulk::sqlite_insert(table, columns, on_conflict), rows)
    }

    pub(crate) fn delete_rows(
        &self,
        table: &str,
        key: &[Column],
        keys: &[Vec<Value>],
        only_if: Option<&str>,
    ) -> Result<u64, DbError> {
        self.connection.run_for_each(&bulk::sqlite_delete(table, key, only_if), keys)
    }

    pub(crate) fn commit(self) -> Result<(), DbError> {
        self.end("commit")
    }

    pub(crate) fn rollback(self) -> Result<(), DbError> {
        self.end("rollback")
    }

    fn end(self, how: &str) -> Result<(), DbError> {
        // An error may have rolled back already, and there is nothing left to end.
        if how == "commit" || !self.connection.is_at_rest() {
            self.connection.command(how)?;
        }
        self.lease.keep(self.connection);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;

    #[test]
    fn what_would_not_read_back_is_not_written() {
        let connection = rusqlite::Connection::open_in_memory().expect("memory");
        let mut statement = connection.prepare("select ?").expect("a statement");
        for (year, expected) in [(0, true), (9999, true), (10_000, false), (-1, false)] {
            let day = NaiveDate::from_ymd_opt(year, 12, 31).expect("a day");
            let at = day.and_time(chrono::NaiveTime::MIN).and_utc();
            for value in [Value::from(day), Value::from(at)] {
                assert_eq!(bind(&mut statement, 1, &value).is_ok(), expected, "{year}");
            }
        }
    }

    #[test]
    fn a_log_is_on_disk_before_it_is_acknowledged_and_keeps_nothing_deleted() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("log.db");
        let connection = Connection::writer(&Options { path, durability: Durability::Full }).expect("a file");
        let pragma = |name: &str| {
            connection.sqlite.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).expect("a pragma")
        };
        assert_eq!(pragma("synchronous"), 2, "in a write-ahead log, `normal` loses the last commits with the power");
        assert_eq!(pragma("secure_delete"), 1, "a destroyed key lies on a free page");
    }
}
