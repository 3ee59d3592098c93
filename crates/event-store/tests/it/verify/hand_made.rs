//! A log made by hand from `docs/log-format.md`, without the store: what both verifiers are tried against, and the third
//! program that computes the page's hash.

use std::collections::HashMap;

use db::{Db, DbError, Dialects, LogEntry, Statement, Value};
use event_store::verify::Report;
use event_store::verify::rows::{EventRow, HeadRow, OperationRow, StreamRow};
use event_store::verify::rules::Verification;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Everything a log is, as stored; tests damage it here, then look at it in memory or write it to a database.
#[derive(Clone)]
pub(crate) struct HandMade {
    pub(crate) log: LogEntry,
    pub(crate) heads: Vec<HeadRow>,
    pub(crate) events: Vec<EventRow>,
    pub(crate) streams: Vec<StreamRow>,
    pub(crate) operations: Vec<OperationRow>,
}

impl HandMade {
    /// A head row alone.
    pub(crate) fn empty(log: LogEntry) -> Self {
        let head = HeadRow { epoch: log.epoch.to_string().into(), position: 0, hash: vec![], recorded_at: vec![] };
        let mut made = Self { log, heads: vec![head], events: vec![], streams: vec![], operations: vec![] };
        made.chain();
        made
    }

    /// Every kind of stream there is: plain, truncated twice, deleted and continued, ended.
    pub(crate) fn new(log: LogEntry) -> Self {
        let mut made = Self::empty(log);
        made.add("request-1", "request.submitted", r#"{"précision":"goût"}"#);
        made.add("request-2", "request.submitted", "");
        made.add("request-1", "request.assigned", "\u{0}\u{1}");
        made.add("$$request-1", "$metadata", r#"{"$tb":1}"#);
        made.add("$$request-1", "$metadata", r#"{"why":"deleted","$tb":2}"#);
        made.add("request-1", "request.reopened", "{}");
        made.add("declaration-été", "declaration.published", "{}");
        made.add("request-2", "$tombstone", "{}");
        made.streams = [("$$request-1", 0, 0), ("declaration-été", 0, 0), ("request-1", 2, 0), ("request-2", 0, 1)]
            .map(|(name, truncated_before, tombstoned)| StreamRow {
                name: name.into(),
                first_position: made.first_position(name),
                truncated_before,
                tombstoned,
            })
            .into();
        made.operations = [(1, 2, None), (3, 3, Some(vec![9; 32]))]
            .map(|(first_position, last_position, fingerprint)| OperationRow {
                id: vec![first_position as u8; 32],
                fingerprint,
                first_position,
                last_position,
            })
            .into();
        made.chain();
        made
    }

    /// Of the stream's first event; 0 where it has none.
    fn first_position(&self, name: &str) -> i64 {
        let named = self.events.iter().find(|event| event.stream_name == name.as_bytes());
        named.map_or(0, |event| event.position)
    }

    fn add(&mut self, name: &str, kind: &str, payload: &str) {
        let position = self.events.len() as i64 + 1;
        let first = self.first_position(name);
        self.events.push(EventRow {
            position,
            stream: if first == 0 { position } else { first },
            revision: self.events.iter().filter(|event| event.stream == first).count() as i64,
            stream_name: if first == 0 { name.into() } else { vec![] },
            id: Uuid::from_u128(0xa1b2_c3d4_e5f6 << 64 | position as u128).to_string().into(),
            kind: kind.into(),
            schema: position % 3,
            payload: payload.into(),
            meta: br#"{"actor":"key_1"}"#.into(),
            // Two events share an instant.
            recorded_at: format!("2024-02-29T12:00:00.{:06}Z", position / 2).into(),
            hash: vec![],
        });
    }

    /// Makes the chain and the head say what the events say, however wrong these are.
    pub(crate) fn chain(&mut self) {
        let mut hash = sha256(&[b"guichet-log-1\0", self.log.slug.as_bytes()]);
        let mut names = HashMap::new();
        for event in &mut self.events {
            let begins = !event.stream_name.is_empty();
            if begins {
                names.insert(event.position, event.stream_name.clone());
            }
            let number = if begins { event.position } else { event.stream };
            hash = event_hash(&hash, event, names.get(&number).map_or(b"", Vec::as_slice));
            event.hash.clone_from(&hash);
        }
        let last = self.events.last();
        for head in &mut self.heads {
            head.position = last.map_or(0, |event| event.position);
            head.hash.clone_from(&hash);
            head.recorded_at = last.map_or(b"1970-01-01T00:00:00.000000Z".to_vec(), |event| event.recorded_at.clone());
        }
    }

    /// The pure rules, without a database.
    pub(crate) fn verify(&self) -> Report {
        let mut verification = Verification::new(&self.log.slug, self.log.epoch);
        for row in &self.heads {
            verification.head(row.clone());
        }
        let mut events: Vec<&EventRow> = self.events.iter().collect();
        events.sort_by_key(|event| event.position);
        for row in events {
            verification.event(row);
        }
        for row in &self.streams {
            verification.stream(row);
        }
        for row in &self.operations {
            verification.operation(row);
        }
        verification.finish()
    }

    /// Replaces what the database holds. It may refuse what its types cannot hold.
    pub(crate) async fn write(&self, db: &Db) -> Result<(), DbError> {
        let made = self.clone();
        db.write(|tx| {
            Box::pin(async move {
                for statement in made.statements() {
                    tx.execute(statement).await?;
                }
                Ok(())
            })
        })
        .await
    }

    fn statements(&self) -> Vec<Statement> {
        let log = || Value::from(self.log.id);
        let clear = ["log_head", "event", "stream", "operation"]
            .map(|table| Statement::new("delete from @table where log = $1", vec![log()]).table(table));
        let heads = self.heads.iter().cloned().map(|row| {
            insert(
                "insert into log_head (log, epoch, position, hash, recorded_at) values ($1, uuid($2), $3, $4, instant($5))",
                vec![log(), row.epoch.into(), row.position.into(), row.hash.into(), row.recorded_at.into()],
            )
        });
        let events = self.events.iter().cloned().map(|row| {
            insert(
                "insert into event (log, position, stream, revision, stream_name, id, kind, schema, payload, meta, recorded_at, hash)
                 values ($1, $2, $3, $4, text($5), uuid($6), text($7), $8, $9, $10, instant($11), $12)",
                vec![
                    log(),
                    row.position.into(),
                    row.stream.into(),
                    row.revision.into(),
                    row.stream_name.into(),
                    row.id.into(),
                    row.kind.into(),
                    row.schema.into(),
                    row.payload.into(),
                    row.meta.into(),
                    row.recorded_at.into(),
                    row.hash.into(),
                ],
            )
        });
        let streams = self.streams.iter().cloned().map(|row| {
            insert(
                "insert into stream (log, name, first_position, truncated_before, tombstoned)
                 values ($1, text($2), $3, $4, flag($5))",
                vec![
                    log(),
                    row.name.into(),
                    row.first_position.into(),
                    row.truncated_before.into(),
                    row.tombstoned.into(),
                ],
            )
        });
        let operations = self.operations.iter().cloned().map(|row| {
            insert(
                "insert into operation (log, id, fingerprint, first_position, last_position) values ($1, $2, $3, $4, $5)",
                vec![
                    log(),
                    row.id.into(),
                    Value::Bytes(row.fingerprint),
                    row.first_position.into(),
                    row.last_position.into(),
                ],
            )
        });
        clear.into_iter().chain(heads).chain(events).chain(streams).chain(operations).collect()
    }
}

/// Text travels as bytes, so that SQLite also takes what is no UTF-8.
fn insert(sql: &'static str, values: Vec<Value>) -> Statement {
    let mut statement = Statement::per_dialect(Dialects { sqlite: sql, postgres: sql }, values);
    for n in 1..=12 {
        let text = format!("convert_from(${n}, 'UTF8')");
        for (word, postgres) in [
            ("text", text.clone()),
            ("uuid", format!("cast({text} as uuid)")),
            ("instant", format!("cast({text} as timestamptz)")),
        ] {
            statement = statement.fill_per_dialect(&format!("{word}(${n})"), &format!("cast(${n} as text)"), &postgres);
        }
        let flag = format!("${n} = 1");
        statement = statement.fill_per_dialect(&format!("flag(${n})"), &format!("${n}"), &flag);
    }
    statement
}

fn sha256(parts: &[&[u8]]) -> Vec<u8> {
    Sha256::digest(parts.concat()).to_vec()
}

fn event_hash(previous: &[u8], event: &EventRow, stream: &[u8]) -> Vec<u8> {
    let id = Uuid::parse_str(std::str::from_utf8(&event.id).expect("an ASCII id")).expect("an id");
    let at = std::str::from_utf8(&event.recorded_at).expect("an ASCII instant");
    let at = chrono::DateTime::parse_from_rfc3339(at).expect("an instant").timestamp_micros();
    let length = |bytes: &[u8]| (bytes.len() as u32).to_be_bytes();
    let header = [
        event.position.to_be_bytes().as_slice(),
        &event.revision.to_be_bytes(),
        id.as_bytes(),
        &(event.schema as u32).to_be_bytes(),
        &at.to_be_bytes(),
        &length(stream),
        stream,
        &length(&event.kind),
        &event.kind,
    ]
    .concat();
    let (payload, meta) = (sha256(&[&event.payload]), sha256(&[&event.meta]));
    sha256(&[b"guichet-event-1\0", previous, &length(&header), &header, &payload, &meta])
}
