//! The append on SQLite: several prepared statements in one `begin immediate`, through the writer's own connection.

use std::collections::HashMap;
use std::fmt::Write;

use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Connection, Executor, SqlSafeStr, SqlStr};
use uuid::Uuid;

use super::{Batch, Bytes32, Committed, EventRow, Facts, HeadRow, OperationRow, StreamState, Wanted};
use crate::bulk::SQLITE_ROWS;
use crate::value::instant_text;
use crate::{DbError, Row};

const HEAD: &str = "select epoch, position, hash, recorded_at from log_head where log = $1";
const SWAP_HEAD: &str = "update log_head
set position = $1, hash = $2, recorded_at = $3
where log = $4 and epoch = $5 and position = $6 and hash = $7";
const HASH_AT: &str = "select hash from event where log = $1 and position = $2";
// What is asked travels as one JSON array, so that one prepared statement serves any number. `cross join` keeps SQLite from
// putting the table outside and the few that are asked inside, which it would do to any stream that is long.
const OPERATIONS: &str = "select o.id, o.fingerprint, o.first_position, o.last_position
from json_each($2) as asked
cross join operation o on o.log = $1 and o.id = unhex(asked.value)";
// The `+` leaves the id alone to choose the index: by its stream, each id would read the stream's every event.
const EVENTS: &str = "select asked.value ->> 0, e.id, e.revision, e.position
from json_each($2) as asked
cross join event e on e.log = $1 and e.id = asked.value ->> 1
where +e.stream = (select first_position from stream where log = $1 and name = asked.value ->> 0)";
const STREAMS: &str = "select asked.value, s.first_position, s.revision, s.truncated_before, s.tombstoned
from json_each($2) as asked
left join stream s on s.log = $1 and s.name = asked.value
order by asked.key";
// New and changed alike, as one JSON array: a statement for each would cost more than all the rest of a batch.
const PUT_STREAMS: &str = "insert into stream (log, name, first_position, revision, truncated_before, tombstoned)
select $1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4
from json_each($2)
where true
on conflict (log, name) do update set revision = excluded.revision,
    truncated_before = excluded.truncated_before, tombstoned = excluded.tombstoned";
const INSERT_EVENTS: Insert = Insert {
    into: "event (log, schema, position, stream, revision, recorded_at, id, hash, kind, stream_name, meta, payload)",
    columns: 12,
};
const INSERT_OPERATIONS: Insert =
    Insert { into: "operation (log, first_position, last_position, id, fingerprint)", columns: 5 };

pub(super) struct Own {
    options: SqliteConnectOptions,
    log: i64,
    connection: Option<SqliteConnection>,
}

impl Own {
    pub(super) fn new(options: SqliteConnectOptions, log: i64) -> Self {
        Self { options: options.pragma("cache_size", crate::pool::WRITER_CACHE), log, connection: None }
    }

    /// A connection that failed may be in a transaction: it is closed, which rolls back, and never used again.
    async fn take(&mut self) -> Result<SqliteConnection, DbError> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => Ok(SqliteConnection::connect_with(&self.options).await?),
        }
    }

    pub(super) async fn commit(&mut self, batch: &Batch<'_>) -> Result<Committed, DbError> {
        let mut connection = self.take().await?;
        connection.execute("begin immediate").await?;
        let committed = write(&mut connection, self.log, batch).await?;
        connection.execute(if committed == Committed::Yes { "commit" } else { "rollback" }).await?;
        self.connection = Some(connection);
        Ok(committed)
    }

    pub(super) async fn load(&mut self, wanted: &Wanted) -> Result<(HeadRow, Facts), DbError> {
        let mut connection = self.take().await?;
        connection.execute("begin").await?;
        let rows = sqlx::query(HEAD).bind(self.log).fetch_all(&mut connection).await?;
        let row = Row::Sqlite(rows.first().ok_or(DbError::NoRow)?);
        let head =
            HeadRow { epoch: row.uuid(0)?, position: row.int(1)?, hash: row.bytes32(2)?, recorded_at: row.at(3)? };
        let events = wanted.events.iter().map(|(stream, id)| (stream.as_str(), *id));
        let facts = Facts {
            operations: operations(&mut connection, self.log, wanted.operations.iter()).await?,
            events: events_known(&mut connection, self.log, events).await?,
            streams: streams(&mut connection, self.log, wanted.streams.iter().map(String::as_str)).await?,
        };
        connection.execute("commit").await?;
        self.connection = Some(connection);
        Ok((head, facts))
    }

    pub(super) async fn hash_at(&mut self, position: i64) -> Result<Option<Bytes32>, DbError> {
        let mut connection = self.take().await?;
        let rows = sqlx::query(HASH_AT).bind(self.log).bind(position).fetch_all(&mut connection).await?;
        self.connection = Some(connection);
        rows.first().map(|row| Row::Sqlite(row).bytes32(0)).transpose()
    }
}

async fn write(connection: &mut SqliteConnection, log: i64, batch: &Batch<'_>) -> Result<Committed, DbError> {
    let (expected, head) = (&batch.expected, &batch.head);
    let recorded_at = instant_text(head.recorded_at);
    let swap = sqlx::query(SWAP_HEAD)
        .bind(head.position)
        .bind(&head.hash[..])
        .bind(recorded_at.as_str())
        .bind(log)
        .bind(expected.epoch.hyphenated().to_string())
        .bind(expected.position)
        .bind(&expected.hash[..]);
    if swap.execute(&mut *connection).await?.rows_affected() == 0 {
        return Ok(Committed::Moved);
    }
    let assumed = streams(connection, log, batch.assumed.iter().map(|(stream, _)| *stream)).await?;
    let known = known(connection, log, batch, &assumed).await?;
    if !known.is_empty() {
        return Ok(Committed::Known(known));
    }
    // A stream that was assumed is known here alone.
    let assumed: HashMap<&str, Option<i64>> =
        assumed.iter().map(|(stream, state)| (stream.as_str(), state.first)).collect();
    let first = |stream: &str, first: Option<i64>| first.or_else(|| assumed.get(stream).copied().flatten());
    INSERT_EVENTS
        .run(connection, batch.events.iter().enumerate(), |arguments, (index, event)| {
            arguments.add(log)?;
            arguments.add(event.schema)?;
            arguments.add(expected.position + 1 + index as i64)?;
            arguments.add(first(event.stream, event.first))?;
            arguments.add(event.revision)?;
            arguments.add(recorded_at.as_str())?;
            arguments.add(event.id.hyphenated().to_string())?;
            arguments.add(&event.hash[..])?;
            arguments.add(event.kind)?;
            arguments.add((event.revision == 0).then_some(event.stream))?;
            arguments.add(event.meta)?;
            arguments.add(event.payload)
        })
        .await?;
    let streams = batch.new_streams.iter().chain(&batch.changed_streams).map(|(stream, state)| {
        let first = first(stream, state.first);
        serde_json::json!([stream, first, state.revision, state.truncated_before, i64::from(state.tombstoned)])
    });
    let streams = serde_json::Value::Array(streams.collect()).to_string();
    sqlx::query(PUT_STREAMS).bind(log).bind(streams).execute(&mut *connection).await?;
    INSERT_OPERATIONS
        .run(connection, batch.operations.iter(), |arguments, operation| {
            arguments.add(log)?;
            arguments.add(operation.first)?;
            arguments.add(operation.last)?;
            arguments.add(&operation.id[..])?;
            arguments.add(operation.fingerprint.as_ref().map(|bytes| &bytes[..]))
        })
        .await?;
    Ok(Committed::Yes)
}

/// What the batch hoped nobody knew.
async fn known(
    connection: &mut SqliteConnection,
    log: i64,
    batch: &Batch<'_>,
    assumed: &[(String, StreamState)],
) -> Result<Facts, DbError> {
    // They come in the order they were asked for.
    let wrong = assumed.iter().zip(&batch.assumed).filter(|((_, state), (_, revision))| !state.is_live(*revision));
    Ok(Facts {
        streams: wrong.map(|(stream, _)| stream.clone()).collect(),
        operations: operations(connection, log, batch.operations.iter().map(|operation| &operation.id)).await?,
        events: events_known(connection, log, batch.unknown_events.iter().copied()).await?,
    })
}

async fn operations(
    connection: &mut SqliteConnection,
    log: i64,
    asked: impl Iterator<Item = &Bytes32>,
) -> Result<Vec<OperationRow>, DbError> {
    let hex = asked.map(|id| {
        id.iter().fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
            text
        })
    });
    let rows = ask(connection, OPERATIONS, log, hex.map(serde_json::Value::from).collect()).await?;
    let read = |row: &SqliteRow| {
        let row = Row::Sqlite(row);
        let fingerprint = row.opt_bytes32(1)?;
        Ok(OperationRow { id: row.bytes32(0)?, fingerprint, first: row.int(2)?, last: row.int(3)? })
    };
    rows.iter().map(read).collect()
}

async fn events_known(
    connection: &mut SqliteConnection,
    log: i64,
    asked: impl Iterator<Item = (&str, Uuid)>,
) -> Result<Vec<EventRow>, DbError> {
    let pairs = asked.map(|(stream, id)| serde_json::json!([stream, id.hyphenated().to_string()]));
    let rows = ask(connection, EVENTS, log, pairs.collect()).await?;
    let read = |row: &SqliteRow| {
        let row = Row::Sqlite(row);
        Ok(EventRow { stream: row.text(0)?, id: row.uuid(1)?, revision: row.int(2)?, position: row.int(3)? })
    };
    rows.iter().map(read).collect()
}

async fn streams(
    connection: &mut SqliteConnection,
    log: i64,
    asked: impl Iterator<Item = &str>,
) -> Result<Vec<(String, StreamState)>, DbError> {
    let rows = ask(connection, STREAMS, log, asked.map(serde_json::Value::from).collect()).await?;
    let read = |row: &SqliteRow| {
        let row = Row::Sqlite(row);
        let state = match row.opt_int(1)? {
            Some(first) => StreamState {
                first: Some(first),
                revision: row.int(2)?,
                truncated_before: row.int(3)?,
                tombstoned: row.bool(4)?,
            },
            None => StreamState::ABSENT,
        };
        Ok((row.text(0)?, state))
    };
    rows.iter().map(read).collect()
}

async fn ask(
    connection: &mut SqliteConnection,
    sql: &'static str,
    log: i64,
    asked: Vec<serde_json::Value>,
) -> Result<Vec<SqliteRow>, DbError> {
    if asked.is_empty() {
        return Ok(vec![]);
    }
    Ok(sqlx::query(sql).bind(log).bind(serde_json::Value::Array(asked).to_string()).fetch_all(connection).await?)
}

struct Insert {
    into: &'static str,
    columns: usize,
}

impl Insert {
    async fn run<T>(
        &self,
        connection: &mut SqliteConnection,
        rows: impl ExactSizeIterator<Item = T>,
        bind: impl Fn(&mut SqliteArguments, T) -> Result<(), sqlx::error::BoxDynError>,
    ) -> Result<(), DbError> {
        let mut rows = rows;
        for together in SQLITE_ROWS {
            while rows.len() >= together {
                let mut arguments = SqliteArguments::default();
                for row in rows.by_ref().take(together) {
                    bind(&mut arguments, row).map_err(sqlx::Error::Encode)?;
                }
                sqlx::query_with(self.text(together), arguments).execute(&mut *connection).await?;
            }
        }
        Ok(())
    }

    fn text(&self, rows: usize) -> SqlStr {
        let mut sql = format!("insert into {} values ", self.into);
        for row in 0..rows {
            sql.push_str(if row == 0 { "(?" } else { ", (?" });
            sql.push_str(&", ?".repeat(self.columns - 1));
            sql.push(')');
        }
        AssertSqlSafe(sql).into_sql_str()
    }
}
