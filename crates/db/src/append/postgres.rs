//! The append on PostgreSQL: one round trip per batch, through a connection of the writer's own.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{Connection, Row as _};

use super::{Batch, Bytes32, Committed, EventRow, Facts, HeadRow, OperationRow, StreamState, Wanted};
use crate::{DbError, Row};

const COMMIT: &str = include_str!("postgres.sql");
const LOAD: &str = include_str!("postgres_load.sql");
const HASH_AT: &str = "select hash from event where log = $1 and position = $2";

/// A peer that fell silent is given up after this; the writer then asks again on a new connection.
const SILENCE: Duration = Duration::from_secs(30);

pub(super) struct Own {
    options: PgConnectOptions,
    log: i64,
    connection: Option<PgConnection>,
}

impl Own {
    pub(super) fn new(options: PgConnectOptions, log: i64) -> Self {
        // Every look-up of the append is by key. A plan that was made while the tables were empty must not scan or sort them
        // when they are full, so only the plan by key is left to choose, once.
        let options = options.options([
            ("plan_cache_mode", "force_generic_plan"),
            ("enable_seqscan", "off"),
            ("enable_hashjoin", "off"),
            ("enable_mergejoin", "off"),
            ("enable_sort", "off"),
            ("enable_material", "off"),
            ("jit", "off"),
        ]);
        Self { options, log, connection: None }
    }

    pub(super) async fn commit(&mut self, batch: &Batch<'_>) -> Result<Committed, DbError> {
        let (expected, head) = (&batch.expected, &batch.head);
        let operations = &batch.operations;
        let events = &batch.events;
        let ids: Vec<&[u8]> = operations.iter().map(|operation| &operation.id[..]).collect();
        let fingerprints: Vec<Option<&[u8]>> =
            operations.iter().map(|operation| operation.fingerprint.as_ref().map(|bytes| &bytes[..])).collect();
        let query = sqlx::query(COMMIT)
            .bind(self.log)
            .bind(expected.epoch)
            .bind(expected.position)
            .bind(&expected.hash[..])
            .bind(head.position)
            .bind(&head.hash[..])
            .bind(head.recorded_at)
            .bind(ids)
            .bind(fingerprints)
            .bind(column(operations, |operation| operation.first))
            .bind(column(operations, |operation| operation.last))
            .bind(column(&batch.unknown_events, |event| event.0))
            .bind(column(&batch.unknown_events, |event| event.1))
            .bind(column(&batch.assumed, |stream| stream.0))
            .bind(column(&batch.assumed, |stream| stream.1))
            .bind(column(events, |event| event.first))
            .bind(column(events, |event| {
                let told = event.first.is_none() || event.revision == 0;
                told.then_some(event.stream)
            }))
            .bind(column(events, |event| event.revision))
            .bind(column(events, |event| event.id))
            .bind(column(events, |event| event.kind))
            .bind(column(events, |event| event.schema))
            .bind(column(events, |event| event.payload))
            .bind(column(events, |event| event.meta))
            .bind(events.iter().map(|event| &event.hash[..]).collect::<Vec<&[u8]>>())
            .bind(column(&batch.new_streams, |stream| stream.1.first));
        let query = [&batch.new_streams, &batch.changed_streams].into_iter().fold(query, |query, streams| {
            query
                .bind(column(streams, |stream| stream.0))
                .bind(column(streams, |stream| stream.1.revision))
                .bind(column(streams, |stream| stream.1.truncated_before))
                .bind(column(streams, |stream| stream.1.tombstoned))
        });
        let rows = self.fetch(query).await?;
        let mut facts = Facts::default();
        let mut committed = false;
        for row in &rows {
            committed |= read(row, &mut facts)?.is_some();
        }
        Ok(match committed {
            true => Committed::Yes,
            false if facts.is_empty() => Committed::Moved,
            false => Committed::Known(facts),
        })
    }

    pub(super) async fn load(&mut self, wanted: &Wanted) -> Result<(HeadRow, Facts), DbError> {
        let query = sqlx::query(LOAD)
            .bind(self.log)
            .bind(wanted.operations.iter().map(|id| &id[..]).collect::<Vec<&[u8]>>())
            .bind(column(&wanted.events, |event| event.0.as_str()))
            .bind(column(&wanted.events, |event| event.1))
            .bind(&wanted.streams[..]);
        let rows = self.fetch(query).await?;
        let (mut facts, mut head) = (Facts::default(), None);
        for row in &rows {
            if let Some(row) = read(row, &mut facts)? {
                let hash = row.bytes32(3)?;
                head = Some(HeadRow { epoch: row.uuid(2)?, position: row.int(5)?, hash, recorded_at: row.at(9)? });
            }
        }
        Ok((head.ok_or(DbError::NoRow)?, facts))
    }

    pub(super) async fn hash_at(&mut self, position: i64) -> Result<Option<Bytes32>, DbError> {
        let rows = self.fetch(sqlx::query(HASH_AT).bind(self.log).bind(position)).await?;
        rows.first().map(|row| Row::Postgres(row).bytes32(0)).transpose()
    }

    /// A connection that failed, or was left in the middle of an answer, is never used again.
    async fn fetch(
        &mut self,
        query: sqlx::query::Query<'_, sqlx::Postgres, sqlx::postgres::PgArguments>,
    ) -> Result<Vec<PgRow>, DbError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => PgConnection::connect_with(&self.options).await?,
        };
        let answer = tokio::time::timeout(SILENCE, query.fetch_all(&mut connection)).await;
        let rows = answer.map_err(|_| DbError::Silent)??;
        self.connection = Some(connection);
        Ok(rows)
    }
}

fn column<'r, T, C>(rows: &'r [T], cell: impl Fn(&'r T) -> C) -> Vec<C> {
    rows.iter().map(cell).collect()
}

/// Adds a found fact; a row that is none (the head, or the word that all was written) is handed back.
fn read<'r>(row: &'r PgRow, facts: &mut Facts) -> Result<Option<Row<'r>>, DbError> {
    let what: &str = row.try_get_unchecked(0)?;
    let row = Row::Postgres(row);
    match what {
        "operation" => facts.operations.push(OperationRow {
            id: row.bytes32(3)?,
            fingerprint: row.opt_bytes32(4)?,
            first: row.int(5)?,
            last: row.int(6)?,
        }),
        "event" => facts.events.push(EventRow {
            stream: row.text(1)?,
            id: row.uuid(2)?,
            revision: row.int(5)?,
            position: row.int(6)?,
        }),
        "stream" => facts.streams.push((
            row.text(1)?,
            StreamState {
                first: row.opt_int(7)?,
                revision: row.int(5)?,
                truncated_before: row.int(6)?,
                tombstoned: row.bool(8)?,
            },
        )),
        _ => return Ok(Some(row)),
    }
    Ok(None)
}
