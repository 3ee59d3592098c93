//! The append on PostgreSQL: one round trip per batch, through a connection of the writer's own.

use std::sync::LazyLock;
use std::time::Duration;

use tokio_postgres::types::{ToSql, Type};

use super::{Batch, Bytes32, Committed, EventRow, Facts, HeadRow, OperationRow, StreamState, Wanted};
use crate::postgres::{BY_KEY, Options, Session};
use crate::{DbError, Row};

/// What a batch may do without: the name of those lines of the text, and whether the batch has any of it.
type Part = (&'static str, fn(&Batch<'_>) -> bool);
const PARTS: [Part; 5] = [
    ("operations", |batch| !batch.operations.is_empty()),
    ("events", |batch| !batch.unknown_events.is_empty()),
    ("assumed", |batch| !batch.assumed.is_empty()),
    ("new", |batch| !batch.new_streams.is_empty()),
    ("hidden", |batch| !batch.hidden_streams.is_empty()),
];

/// One text for each set of [`PARTS`], the first of them the lowest bit: the server pays for each node of a plan, whether it has
/// anything to do or not.
static COMMIT: LazyLock<Vec<String>> = LazyLock::new(|| {
    let whole = include_str!("postgres.sql").replace("@stream", STREAM);
    (0..1 << PARTS.len()).map(|set| with_parts(&whole, set)).collect()
});

fn with_parts(whole: &str, set: usize) -> String {
    let mut left_out = false;
    let lines = whole.lines().filter(|line| {
        let mark = line.strip_prefix("-- ");
        if let Some(part) = PARTS.iter().position(|(name, _)| mark == Some(name)) {
            left_out = set & 1 << part == 0;
        } else if mark == Some("end") {
            left_out = false;
        }
        !left_out
    });
    lines.fold(String::new(), |text, line| text + line + "\n")
}

static LOAD: LazyLock<String> = LazyLock::new(|| include_str!("postgres_load.sql").replace("@stream", STREAM));
/// What both know as `@stream`.
const STREAM: &str = "
    select
        first_position,
        (select revision from event where log = $1 and stream = first_position order by revision desc limit 1) as revision,
        truncated_before,
        tombstoned
    from stream
    where log = $1 and name = asked.stream
    limit 1";
/// Of the parameters of each [`COMMIT`], as wide as they are in the program: one that a text leaves out has no other way to be known.
const TYPES: [Type; 32] = [
    Type::INT8,
    Type::UUID,
    Type::INT8,
    Type::BYTEA,
    Type::INT8,
    Type::BYTEA,
    Type::TIMESTAMPTZ,
    Type::BYTEA_ARRAY,
    Type::BYTEA_ARRAY,
    Type::INT8_ARRAY,
    Type::INT8_ARRAY,
    Type::TEXT_ARRAY,
    Type::INT8_ARRAY,
    Type::UUID_ARRAY,
    Type::TEXT_ARRAY,
    Type::INT8_ARRAY,
    Type::INT8_ARRAY,
    Type::TEXT_ARRAY,
    Type::INT8_ARRAY,
    Type::UUID_ARRAY,
    Type::TEXT_ARRAY,
    Type::INT4_ARRAY,
    Type::BYTEA_ARRAY,
    Type::BYTEA_ARRAY,
    Type::BYTEA_ARRAY,
    Type::INT8_ARRAY,
    Type::TEXT_ARRAY,
    Type::INT8_ARRAY,
    Type::BOOL_ARRAY,
    Type::TEXT_ARRAY,
    Type::INT8_ARRAY,
    Type::BOOL_ARRAY,
];
/// The log's number is wider in the program than in its column; all else is cast, or as wide.
const LOG: [Type; 1] = [Type::INT8];
const HASH_AT: &str = "select hash from event where log = $1 and position = $2";

/// A peer that fell silent is given up after this; the writer then asks again on a new connection.
const SILENCE: Duration = Duration::from_secs(30);

pub(super) struct Own {
    options: Options,
    log: i64,
    session: Option<Session>,
}

impl Own {
    pub(super) fn new(options: Options, log: i64) -> Self {
        // Every look-up of the append is by key.
        Self { options: options.with(BY_KEY), log, session: None }
    }

    pub(super) async fn commit(&mut self, batch: &Batch<'_>) -> Result<Committed, DbError> {
        let (expected, head) = (&batch.expected, &batch.head);
        let operations = &batch.operations;
        let events = &batch.events;
        let ids: Vec<&[u8]> = operations.iter().map(|operation| &operation.id[..]).collect();
        let fingerprints: Vec<Option<&[u8]>> =
            operations.iter().map(|operation| operation.fingerprint.as_ref().map(|bytes| &bytes[..])).collect();
        let streams = [&batch.new_streams, &batch.hidden_streams].map(|streams| {
            (
                column(streams, |stream| stream.0),
                column(streams, |stream| stream.1.truncated_before),
                column(streams, |stream| stream.1.tombstoned),
            )
        });
        let [new, hidden] = &streams;
        let log = self.log;
        let set = PARTS.iter().rev().fold(0, |set, (_, has)| set << 1 | usize::from(has(batch)));
        let rows = self
            .fetch(
                &COMMIT[set],
                &TYPES,
                &[
                    &log,
                    &expected.epoch,
                    &expected.position,
                    &&expected.hash[..],
                    &head.position,
                    &&head.hash[..],
                    &head.recorded_at,
                    &ids,
                    &fingerprints,
                    &column(operations, |operation| operation.first),
                    &column(operations, |operation| operation.last),
                    &column(&batch.unknown_events, |event| event.stream),
                    &column(&batch.unknown_events, |event| event.first),
                    &column(&batch.unknown_events, |event| event.id),
                    &column(&batch.assumed, |stream| stream.0),
                    &column(&batch.assumed, |stream| stream.1),
                    &column(events, |event| event.first),
                    &column(events, |event| {
                        let told = event.first.is_none() || event.revision == 0;
                        told.then_some(event.stream)
                    }),
                    &column(events, |event| event.revision),
                    &column(events, |event| event.id),
                    &column(events, |event| event.kind),
                    &column(events, |event| event.schema),
                    &column(events, |event| event.payload),
                    &column(events, |event| event.meta),
                    &column(events, |event| &event.hash[..]),
                    &column(&batch.new_streams, |stream| stream.1.first),
                    &new.0,
                    &new.1,
                    &new.2,
                    &hidden.0,
                    &hidden.1,
                    &hidden.2,
                ],
            )
            .await?;
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
        let log = self.log;
        let rows = self
            .fetch(
                &LOAD,
                &LOG,
                &[
                    &log,
                    &column(&wanted.operations, |id| &id[..]),
                    &column(&wanted.events, |event| event.0.as_str()),
                    &column(&wanted.events, |event| event.1),
                    &wanted.streams,
                ],
            )
            .await?;
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
        let log = self.log;
        let rows = self.fetch(HASH_AT, &LOG, &[&log, &position]).await?;
        rows.first().map(|row| Row::Postgres(row).bytes32(0)).transpose()
    }

    /// A connection that failed, or was left in the middle of an answer, is never used again.
    async fn fetch(
        &mut self,
        text: &str,
        types: &[Type],
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<tokio_postgres::Row>, DbError> {
        let asked = async {
            let mut session = match self.session.take() {
                Some(session) => session,
                None => Session::connect(&self.options).await?,
            };
            let rows = session.rows(text, types, parameters).await?;
            Ok::<_, DbError>((rows, session))
        };
        let (rows, session) = tokio::time::timeout(SILENCE, asked).await.map_err(|_| DbError::Silent)??;
        self.session = Some(session);
        Ok(rows)
    }
}

fn column<'r, T, C>(rows: &'r [T], cell: impl Fn(&'r T) -> C) -> Vec<C> {
    rows.iter().map(cell).collect()
}

/// Adds a found fact; a row that is none (the head, or the word that all was written) is handed back.
fn read<'r>(row: &'r tokio_postgres::Row, facts: &mut Facts) -> Result<Option<Row<'r>>, DbError> {
    let row = Row::Postgres(row);
    match row.str(0)? {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_the_parts_of_its_set_and_no_other() {
        let names = ["known_operation", "known_event", "wrong_stream", "new_stream", "hidden_stream"];
        for (set, text) in COMMIT.iter().enumerate() {
            for (part, name) in names.into_iter().enumerate() {
                let (has, wanted) = (text.contains(name), set & 1 << part != 0);
                assert_eq!(has, wanted, "{name} in the text of set {set:05b}:\n{text}");
            }
        }
    }
}
