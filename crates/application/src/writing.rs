//! A draft: events on their way to one append. Personal values are sealed in it, and nothing leaves it while one is not.

use domain::codec::{Event, Meta};
use event_store::{Append, Appended, Direction, Expected, Filter, From, NewEvent, Operation, Record, Write};
use serde_json::Value;
use uuid::Uuid;
use vault::SubjectKey;

use crate::{
    errors::{StorageError, WriteError},
    organisation::Organisation,
    sealing,
};

/// What one append will hold.
pub(crate) struct Draft {
    meta: Meta,
    writes: Vec<Stream>,
    checks: Vec<(String, Expected)>,
}

struct Stream {
    name: String,
    expected: Expected,
    events: Vec<Drafted>,
}

struct Drafted {
    id: Uuid,
    event: Event,
    payload: Value,
}

/// What an operation wrote: all that its answer may say.
pub(crate) struct Written {
    pub(crate) last: i64,
    /// It had been written before.
    pub(crate) replayed: bool,
    pub(crate) events: Vec<WrittenEvent>,
}

pub(crate) struct WrittenEvent {
    pub(crate) position: i64,
    pub(crate) stream: String,
    pub(crate) revision: i64,
    pub(crate) body: Event,
}

impl Written {
    /// The stream's last revision in this append.
    pub(crate) fn revision_of(&self, stream: &str) -> i64 {
        self.events.iter().filter(|event| event.stream == stream).map(|event| event.revision).max().unwrap_or_default()
    }
}

impl Draft {
    pub(crate) fn new(actor: &str, operation: Option<&Operation>) -> Self {
        let operation = operation.map(|operation| hex(&operation.id));
        Self {
            meta: Meta { actor: actor.to_owned(), operation, causation: None },
            writes: Vec::new(),
            checks: Vec::new(),
        }
    }

    /// Events of one stream; streams are written in the order they come.
    pub(crate) fn write(&mut self, stream: String, expected: Expected, events: Vec<(Uuid, Event)>) {
        let drafted = events.into_iter().map(|(id, event)| Drafted { id, payload: event.payload(), event });
        self.writes.push(Stream { name: stream, expected, events: drafted.collect() });
    }

    /// What a stream that is not written must be.
    pub(crate) fn check(&mut self, stream: String, expected: Expected) {
        self.checks.push((stream, expected));
    }

    /// Whether the events of a stream hold anything personal.
    pub(crate) fn holds_plain(&self, stream: &str) -> bool {
        let mut events = self.writes.iter().filter(|write| write.name == stream).flat_map(|write| &write.events);
        events.any(|event| sealing::holds_plain(&event.payload))
    }

    /// Seals what is personal in the events of a stream.
    pub(crate) fn seal(&mut self, stream: &str, key: &SubjectKey) {
        for write in self.writes.iter_mut().filter(|write| write.name == stream) {
            for event in &mut write.events {
                sealing::seal(&mut event.payload, key, stream, event.id);
            }
        }
    }

    fn append(&self, operation: Option<Operation>) -> Result<Append, sealing::Unsealed> {
        let meta = self.meta.to_bytes();
        let new_event = |Drafted { id, event, payload }: &Drafted| {
            let (kind, payload) = (event.kind().to_owned(), sealing::bytes(payload)?);
            Ok(NewEvent { id: *id, kind, schema: event.schema(), payload, meta: meta.clone() })
        };
        let write = |Stream { name, expected, events }: &Stream| {
            let events = events.iter().map(new_event).collect::<Result<_, _>>()?;
            Ok(Write { stream: name.clone(), expected: *expected, events })
        };
        let writes = self.writes.iter().map(write).collect::<Result<_, _>>()?;
        Ok(Append { writes, checks: self.checks.clone(), operation })
    }

    /// What was written, without reading it back.
    fn written(self, appended: &Appended) -> Written {
        let mut events = Vec::new();
        let mut positions = appended.first..;
        for Stream { name, events: drafted, .. } in self.writes {
            let last = appended.revisions.iter().find(|(stream, _)| *stream == name).map_or(0, |(_, last)| *last);
            let first = last + 1 - drafted.len() as i64;
            for ((revision, position), Drafted { event, .. }) in (first..).zip(&mut positions).zip(drafted) {
                events.push(WrittenEvent { position, stream: name.clone(), revision, body: event });
            }
        }
        Written { last: appended.last, replayed: false, events }
    }
}

impl Organisation {
    /// Each event with a new id.
    pub(crate) fn with_ids<E: Into<Event>>(&self, events: impl IntoIterator<Item = E>) -> Vec<(Uuid, Event)> {
        events.into_iter().map(|event| (self.0.ids.uuid(), event.into())).collect()
    }

    /// One append. It is durable when this returns, and a caller who goes away before that takes nothing back.
    pub(crate) async fn append(&self, draft: Draft, operation: Option<Operation>) -> Result<Written, WriteError> {
        let append = draft.append(operation).map_err(StorageError::new)?;
        let appended = self.0.store.append(append).await?;
        if appended.replayed {
            return Ok(self.written(appended.first, appended.last).await?);
        }
        Ok(draft.written(&appended))
    }

    /// What the operation wrote, if it was done before.
    pub(crate) async fn written_before(&self, operation: Option<&Operation>) -> Result<Option<Written>, WriteError> {
        let Some(operation) = operation else { return Ok(None) };
        let Some(stored) = self.0.store.operation(operation.id).await.map_err(StorageError::new)? else {
            return Ok(None);
        };
        match (operation.fingerprint, stored.fingerprint) {
            (Some(asked), Some(done)) if asked != done => Err(WriteError::OperationReused),
            _ => Ok(Some(self.written(stored.first, stored.last).await?)),
        }
    }

    async fn written(&self, first: i64, last: i64) -> Result<Written, StorageError> {
        let limit = usize::try_from(last - first + 1).unwrap_or_default();
        let read = self.0.store.read_log(From::At(first), Direction::Forward, limit, &Filter::all()).await;
        let events = read.map_err(StorageError::new)?.into_iter().map(decoded).collect::<Result<_, _>>()?;
        Ok(Written { last, replayed: true, events })
    }

    /// Every event of a stream, oldest first.
    pub(crate) async fn stream(&self, stream: &str) -> Result<Vec<WrittenEvent>, StorageError> {
        let records = self.0.store.read_stream(stream, From::Start, Direction::Forward, usize::MAX).await;
        records.map_err(StorageError::new)?.into_iter().map(decoded).collect()
    }
}

fn decoded(record: Record) -> Result<WrittenEvent, StorageError> {
    let Record { position, stream, revision, kind, schema, payload, .. } = record;
    let body = Event::decode(&kind, schema, &payload).map_err(StorageError::new)?;
    Ok(WrittenEvent { position, stream, revision, body })
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}"); // writing to a String cannot fail
        hex
    })
}
