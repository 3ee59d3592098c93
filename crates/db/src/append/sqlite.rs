//! The append on SQLite: prepared statements, row by row, in one `begin immediate`, through the writer's own connection.
//!
//! Every one of them is a call on the thread that polls it; [`super::drive`] gives the writer a thread that may wait for the disk.

use std::collections::HashMap;
use std::thread::{Builder, JoinHandle};

use rusqlite::{Params, Row as SqliteRow, params};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{Batch, Bytes32, Committed, EventRow, Facts, HeadRow, OperationRow, StreamState, UnknownEvent, Wanted};
use crate::sqlite::{Connection, Options};
use crate::value::instant_text;
use crate::{DbError, Row};

const HEAD: &str = "select epoch, position, hash, recorded_at from log_head where log = ?1";
const SWAP_HEAD: &str = "update log_head
set position = ?1, hash = ?2, recorded_at = ?3
where log = ?4 and epoch = ?5 and position = ?6 and hash = ?7";
const HASH_AT: &str = "select hash from event where log = ?1 and position = ?2";
const OPERATION: &str = "select fingerprint, first_position, last_position from operation where log = ?1 and id = ?2";
const EVENT: &str = "select revision, position
from event
where log = ?1 and stream = coalesce(?2, (select first_position from stream where log = ?1 and name = ?3)) and id = ?4";
const STREAM: &str = "select
    first_position,
    (select revision from event where log = ?1 and stream = first_position order by revision desc limit 1),
    truncated_before,
    tombstoned
from stream
where log = ?1 and name = ?2";
const INSERT_EVENT: &str = "insert into event
(log, schema, position, stream, revision, recorded_at, id, hash, kind, stream_name, meta, payload)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
const INSERT_STREAM: &str = "insert into stream (log, name, first_position, truncated_before, tombstoned)
values (?1, ?2, ?3, ?4, ?5)";
const UPDATE_STREAM: &str = "update stream set truncated_before = ?3, tombstoned = ?4 where log = ?1 and name = ?2";
const INSERT_OPERATION: &str = "insert into operation (log, first_position, last_position, id, fingerprint)
values (?1, ?2, ?3, ?4, ?5)";

pub(super) struct Own {
    options: Options,
    log: i64,
    connection: Option<Connection>,
}

impl Own {
    pub(super) fn new(options: Options, log: i64) -> Self {
        Self { options, log, connection: None }
    }

    /// A connection that failed may be in a transaction: it is closed, which rolls back, and never used again.
    fn take(&mut self) -> Result<Connection, DbError> {
        self.connection.take().map_or_else(|| Connection::appender(&self.options), Ok)
    }

    pub(super) fn commit(&mut self, batch: &Batch<'_>) -> Result<Committed, DbError> {
        let connection = self.take()?;
        connection.command("begin immediate")?;
        let committed = write(&connection, self.log, batch)?;
        connection.command(if committed == Committed::Yes { "commit" } else { "rollback" })?;
        self.connection = Some(connection);
        Ok(committed)
    }

    pub(super) fn load(&mut self, wanted: &Wanted) -> Result<(HeadRow, Facts), DbError> {
        let connection = self.take()?;
        connection.command("begin")?;
        let head = one(&connection, HEAD, [self.log], |row| {
            Ok(HeadRow { epoch: row.uuid(0)?, position: row.int(1)?, hash: row.bytes32(2)?, recorded_at: row.at(3)? })
        })?;
        let head = head.ok_or(DbError::NoRow)?;
        let events = wanted.events.iter().map(|(stream, id)| UnknownEvent { stream, first: None, id: *id });
        let streams = wanted.streams.iter().map(|name| Ok((name.clone(), stream(&connection, self.log, name)?)));
        let facts = Facts {
            operations: operations(&connection, self.log, wanted.operations.iter())?,
            events: events_known(&connection, self.log, events)?,
            streams: streams.collect::<Result<_, DbError>>()?,
        };
        connection.command("commit")?;
        self.connection = Some(connection);
        Ok((head, facts))
    }

    pub(super) fn hash_at(&mut self, position: i64) -> Result<Option<Bytes32>, DbError> {
        let connection = self.take()?;
        let hash = one(&connection, HASH_AT, [self.log, position], |row| row.bytes32(0))?;
        self.connection = Some(connection);
        Ok(hash)
    }
}

/// The thread of a writer. Whoever drops this waits until the thread has ended, so that no commit outlives its runtime.
pub(super) struct Thread {
    ends: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Thread {
    pub(super) fn spawn(writer: impl Future<Output = ()> + Send + 'static) -> Result<(), DbError> {
        let runtime = Handle::current();
        let (ends, mut ending) = oneshot::channel();
        let work = move || {
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    _ = &mut ending => {}
                    () = writer => {}
                }
            });
        };
        let thread = Builder::new().name("log writer".to_owned()).spawn(work).map_err(DbError::Thread)?;
        let mut kept = Self { ends: Some(ends), thread: Some(thread) };
        // The runtime drops this task when it ends, and with it the thread.
        tokio::spawn(async move {
            if let Some(ends) = &mut kept.ends {
                ends.closed().await;
            }
        });
        Ok(())
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        drop(self.ends.take());
        // A panic was told by its hook, and shows to whoever appends.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn write(connection: &Connection, log: i64, batch: &Batch<'_>) -> Result<Committed, DbError> {
    let (expected, head) = (&batch.expected, &batch.head);
    let recorded_at = instant_text(head.recorded_at);
    let mut buffer = Uuid::encode_buffer();
    let epoch = &*expected.epoch.hyphenated().encode_lower(&mut buffer);
    let swapped = connection.prepared(SWAP_HEAD)?.execute(params![
        head.position,
        head.hash,
        recorded_at,
        log,
        epoch,
        expected.position,
        expected.hash
    ])?;
    if swapped == 0 {
        return Ok(Committed::Moved);
    }
    let assumed = batch.assumed.iter().map(|(name, _)| Ok((*name, stream(connection, log, name)?)));
    let assumed: HashMap<&str, StreamState> = assumed.collect::<Result<_, DbError>>()?;
    let known = known(connection, log, batch, &assumed)?;
    if !known.is_empty() {
        return Ok(Committed::Known(known));
    }
    // A stream that was assumed is known here alone.
    let first = |stream: &str, first: Option<i64>| first.or_else(|| assumed.get(stream)?.first);
    fail::fail_point!("append.before_insert");
    let mut insert = connection.prepared(INSERT_EVENT)?;
    for (event, position) in batch.events.iter().zip(expected.position + 1..) {
        insert.execute(params![
            log,
            event.schema,
            position,
            first(event.stream, event.first),
            event.revision,
            recorded_at,
            &*event.id.hyphenated().encode_lower(&mut buffer),
            event.hash,
            event.kind,
            if event.revision == 0 { event.stream } else { "" },
            event.meta,
            event.payload
        ])?;
        fail::fail_point!("append.in_batch");
    }
    let mut insert = connection.prepared(INSERT_STREAM)?;
    for (name, state) in &batch.new_streams {
        insert.execute(params![log, name, state.first, state.truncated_before, state.tombstoned])?;
    }
    let mut update = connection.prepared(UPDATE_STREAM)?;
    for (name, state) in &batch.hidden_streams {
        update.execute(params![log, name, state.truncated_before, state.tombstoned])?;
    }
    let mut insert = connection.prepared(INSERT_OPERATION)?;
    for operation in &batch.operations {
        insert.execute(params![log, operation.first, operation.last, operation.id, operation.fingerprint])?;
    }
    fail::fail_point!("append.after_insert");
    Ok(Committed::Yes)
}

/// What the batch hoped nobody knew.
fn known(
    connection: &Connection,
    log: i64,
    batch: &Batch<'_>,
    assumed: &HashMap<&str, StreamState>,
) -> Result<Facts, DbError> {
    let streams = batch.assumed.iter().map(|(name, revision)| (*name, *revision, assumed[name]));
    let wrong = streams.filter(|(_, revision, state)| !state.is_live(*revision));
    Ok(Facts {
        streams: wrong.map(|(name, _, state)| (name.to_owned(), state)).collect(),
        operations: operations(connection, log, batch.operations.iter().map(|operation| &operation.id))?,
        events: events_known(connection, log, batch.unknown_events.iter().copied())?,
    })
}

fn operations<'a>(
    connection: &Connection,
    log: i64,
    asked: impl Iterator<Item = &'a Bytes32>,
) -> Result<Vec<OperationRow>, DbError> {
    let found = asked.filter_map(|id| {
        let operation = one(connection, OPERATION, params![log, id], |row| {
            Ok(OperationRow { id: *id, fingerprint: row.opt_bytes32(0)?, first: row.int(1)?, last: row.int(2)? })
        });
        operation.transpose()
    });
    found.collect()
}

fn events_known<'a>(
    connection: &Connection,
    log: i64,
    asked: impl Iterator<Item = UnknownEvent<'a>>,
) -> Result<Vec<EventRow>, DbError> {
    let found = asked.filter_map(|UnknownEvent { stream, first, id }| {
        let mut buffer = Uuid::encode_buffer();
        let text = &*id.hyphenated().encode_lower(&mut buffer);
        let event = one(connection, EVENT, params![log, first, stream, text], |row| {
            Ok(EventRow { stream: stream.to_owned(), id, revision: row.int(0)?, position: row.int(1)? })
        });
        event.transpose()
    });
    found.collect()
}

fn stream(connection: &Connection, log: i64, name: &str) -> Result<StreamState, DbError> {
    let state = one(connection, STREAM, params![log, name], |row| {
        Ok(StreamState {
            first: Some(row.int(0)?),
            revision: row.int(1)?,
            truncated_before: row.int(2)?,
            tombstoned: row.bool(3)?,
        })
    });
    Ok(state?.unwrap_or(StreamState::ABSENT))
}

/// The one row there can be, where there is one.
fn one<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T, DbError>,
) -> Result<Option<T>, DbError> {
    let mut prepared = connection.prepared(sql)?;
    let mut rows = prepared.query(params)?;
    let row: Option<&SqliteRow<'_>> = rows.next()?;
    row.map(|row| read(&Row::Sqlite(row))).transpose()
}
