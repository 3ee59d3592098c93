//! The simulated database: the tables of one log and of one read model, and what each statement does to them.
//!
//! A statement happens at one instant, wholly or not at all, and keeps the keys and unique constraints that the migrations
//! declare. [`Flaw`] takes one guard out: the checks have to notice, or they are blind.

use std::collections::BTreeMap;

use chrono::DateTime;
use db::DbError;
use db::append::{Batch, Bytes32, Committed, EventRow, Facts, HeadRow, OperationRow, StreamState, Wanted};
use event_store::Record;
use projections::seam::Folded;
use projections::{Generation, State};
use uuid::Uuid;

use crate::ground::{Entry, NAME, VERSION, key_of, measure_of};

pub(crate) const SLUG: &str = "simulated";
/// The kind of event that the database refuses for ever.
pub(crate) const POISON: &str = "poison.refused";

/// A guard taken out of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// The head row is moved without being compared.
    HeadNotCompared,
    /// A batch without its operations.
    OperationsNotStored,
    /// Event ids are not looked up.
    IdsNotFound,
    /// Streams that a batch assumes are not verified.
    AssumptionsNotVerified,
    /// A commit is acknowledged before it is durable, and some are not.
    AcknowledgedTooEarly,
    /// A batch whose answer is lost may be written in part.
    CommitsTorn,
    /// The checkpoint is moved without being compared.
    CheckpointNotFenced,
    /// The rows in one transaction, the checkpoint in another that may fail.
    CheckpointApart,
}

/// A batch on its way, outliving whoever sent it.
pub(crate) struct Sent {
    pub(crate) expected: HeadRow,
    pub(crate) head: HeadRow,
    events: Vec<Record>,
    /// For each event the number of its stream, where the writer knows it.
    numbers: Vec<Option<i64>>,
    new_streams: Vec<(String, StreamState)>,
    continued_streams: Vec<(String, StreamState)>,
    hidden_streams: Vec<(String, StreamState)>,
    operations: Vec<OperationRow>,
    unknown_events: Vec<(String, Uuid)>,
    assumed: Vec<(String, i64)>,
}

impl Sent {
    pub(crate) fn of(batch: &Batch<'_>) -> Self {
        let streams =
            |states: &[(&str, StreamState)]| states.iter().map(|(s, state)| ((*s).to_owned(), *state)).collect();
        let events = batch.events.iter().zip(batch.expected.position + 1..).map(|(event, position)| Record {
            position,
            stream: event.stream.to_owned(),
            revision: event.revision,
            id: event.id,
            kind: event.kind.to_owned(),
            schema: event.schema,
            payload: event.payload.to_vec(),
            meta: event.meta.to_vec(),
            recorded_at: batch.head.recorded_at,
            hash: event.hash,
        });
        Self {
            expected: batch.expected,
            head: batch.head,
            events: events.collect(),
            numbers: batch.events.iter().map(|event| event.first).collect(),
            new_streams: streams(&batch.new_streams),
            continued_streams: streams(&batch.continued_streams),
            hidden_streams: streams(&batch.hidden_streams),
            operations: batch.operations.clone(),
            unknown_events: batch.unknown_events.iter().map(|event| (event.stream.to_owned(), event.id)).collect(),
            assumed: batch.assumed.iter().map(|(stream, revision)| ((*stream).to_owned(), *revision)).collect(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }
}

pub(crate) struct Database {
    pub(crate) head: HeadRow,
    /// By position, from 1.
    pub(crate) events: Vec<Record>,
    pub(crate) streams: BTreeMap<String, StreamState>,
    pub(crate) operations: BTreeMap<Bytes32, OperationRow>,
    /// Stream and id → revision and position.
    ids: BTreeMap<(String, Uuid), (i64, i64)>,
    /// The registry: one read model, one generation, in service.
    pub(crate) checkpoint: Generation,
    /// Its rows: how often the event at a stream's revision was folded in.
    pub(crate) entries: BTreeMap<(String, i64), i64>,
    /// Its cells: events by stream.
    pub(crate) cells: BTreeMap<String, i64>,
    pub(crate) flaw: Option<Flaw>,
}

impl Database {
    pub(crate) fn new(flaw: Option<Flaw>) -> Self {
        let epoch = Uuid::from_u128(0xe90c);
        Self {
            head: HeadRow { epoch, position: 0, hash: event_store::genesis(SLUG), recorded_at: DateTime::UNIX_EPOCH },
            events: vec![],
            streams: BTreeMap::new(),
            operations: BTreeMap::new(),
            ids: BTreeMap::new(),
            checkpoint: Generation {
                name: NAME.to_owned(),
                version: VERSION,
                generation: 1,
                state: State::Serving,
                epoch,
                position: 0,
                hash: None,
                failure: None,
                failed_at: None,
                tables: String::new(),
            },
            entries: BTreeMap::new(),
            cells: BTreeMap::new(),
            flaw,
        }
    }

    pub(crate) fn hash_at(&self, position: i64) -> Option<Bytes32> {
        Some(self.events.get(usize::try_from(position).ok()?.checked_sub(1)?)?.hash)
    }

    pub(crate) fn revision(&self, stream: &str) -> Option<i64> {
        self.streams.get(stream).map(|state| state.revision)
    }

    pub(crate) fn load(&self, wanted: &Wanted) -> (HeadRow, Facts) {
        let state = |stream: &String| self.streams.get(stream).copied().unwrap_or(StreamState::ABSENT);
        let streams = wanted.streams.iter().map(|stream| (stream.clone(), state(stream))).collect();
        let events = wanted.events.iter().filter_map(|(stream, id)| self.find(stream, *id)).collect();
        let operations = wanted.operations.iter().filter_map(|id| self.operations.get(id).copied()).collect();
        (self.head, Facts { streams, operations, events })
    }

    fn find(&self, stream: &str, id: Uuid) -> Option<EventRow> {
        if self.flaw == Some(Flaw::IdsNotFound) {
            return None;
        }
        let (revision, position) = *self.ids.get(&(stream.to_owned(), id))?;
        Some(EventRow { stream: stream.to_owned(), id, revision, position })
    }

    /// The append's one transaction. `torn`: the server dies in the middle, which only a flawed one shows.
    pub(crate) fn commit(&mut self, batch: &Sent, torn: bool) -> Result<Committed, DbError> {
        if batch.expected != self.head && self.flaw != Some(Flaw::HeadNotCompared) {
            return Ok(Committed::Moved);
        }
        let (_, mut known) = self.load(&Wanted {
            streams: vec![],
            operations: batch.operations.iter().map(|operation| operation.id).collect(),
            events: batch.unknown_events.clone(),
        });
        if self.flaw != Some(Flaw::AssumptionsNotVerified) {
            let assumed = batch.assumed.iter().map(|(stream, revision)| {
                (stream, *revision, self.streams.get(stream).copied().unwrap_or(StreamState::ABSENT))
            });
            let wrong = assumed.filter(|(_, revision, state)| !state.is_live(*revision));
            known.streams = wrong.map(|(stream, _, state)| (stream.clone(), state)).collect();
        }
        if !known.is_empty() {
            return Ok(Committed::Known(known));
        }
        self.keep_constraints(batch)?;
        if self.flaw == Some(Flaw::AcknowledgedTooEarly) && torn {
            return Ok(Committed::Yes);
        }
        let written = if self.flaw == Some(Flaw::CommitsTorn) && torn { batch.len().div_ceil(2) } else { batch.len() };
        for (event, number) in batch.events.iter().zip(&batch.numbers).take(written) {
            self.ids.insert((event.stream.clone(), event.id), (event.revision, event.position));
            let stream = self.name_of(event, *number);
            self.events.truncate(event.position as usize - 1);
            self.events.push(Record { stream, ..event.clone() });
        }
        self.streams.extend(batch.new_streams.iter().cloned());
        for (stream, state) in batch.continued_streams.iter().chain(&batch.hidden_streams) {
            let first = state.first.or_else(|| self.streams.get(stream)?.first);
            self.streams.insert(stream.clone(), StreamState { first, ..*state });
        }
        if self.flaw != Some(Flaw::OperationsNotStored) {
            self.operations.extend(batch.operations.iter().map(|operation| (operation.id, *operation)));
        }
        self.head = batch.head;
        Ok(Committed::Yes)
    }

    /// Events hold their stream's number alone, and the name stands in the first: a wrong number is another stream.
    fn name_of(&self, event: &Record, number: Option<i64>) -> String {
        let number = number.or_else(|| self.streams.get(&event.stream)?.first);
        let first = number
            .filter(|number| *number != event.position)
            .and_then(|number| self.events.get(usize::try_from(number).ok()?.checked_sub(1)?));
        first.map_or_else(|| event.stream.clone(), |first| first.stream.clone())
    }

    /// What the tables' keys refuse whatever the statement thinks, and the poison that no retry makes good.
    fn keep_constraints(&self, batch: &Sent) -> Result<(), DbError> {
        let refused = |what: &str| Err(DbError::Refused(what.to_owned()));
        if batch.events.iter().any(|event| event.kind == POISON) {
            return refused("a value out of range");
        }
        let next = self.events.len() as i64 + 1;
        if batch.events.first().is_some_and(|event| event.position != next) && self.flaw != Some(Flaw::HeadNotCompared)
        {
            return refused("event_pkey");
        }
        if batch.operations.iter().any(|operation| self.operations.contains_key(&operation.id)) {
            return refused("operation_pkey");
        }
        if batch.new_streams.iter().any(|(stream, _)| self.streams.contains_key(stream)) {
            return refused("stream_pkey");
        }
        Ok(())
    }

    /// The checkpoint's compare-and-swap and the rows, in one transaction. False when it did not stand at `from`.
    pub(crate) fn advance(&mut self, from: &Generation, to: &Generation, folded: &Folded, torn: bool) -> bool {
        let key = |generation: &Generation| (generation.generation, generation.epoch, generation.position);
        if key(&self.checkpoint) != key(from) && self.flaw != Some(Flaw::CheckpointNotFenced) {
            return false;
        }
        for row in folded.tables.iter().flat_map(|table| &table.written) {
            self.entries.insert(key_of(row), measure_of(row));
        }
        for cell in &folded.cells {
            *self.cells.entry(key_of(cell).0).or_default() += measure_of(cell);
        }
        if self.flaw == Some(Flaw::CheckpointApart) && torn {
            return true;
        }
        let Generation { position, hash, .. } = to.clone();
        self.checkpoint = Generation { position, hash, failure: None, failed_at: None, ..self.checkpoint.clone() };
        true
    }

    pub(crate) fn stop(&mut self, at: &Generation, why: &str, failed_at: i64) {
        if self.checkpoint.position == at.position {
            self.checkpoint.failure = Some(why.to_owned());
            self.checkpoint.failed_at = Some(failed_at);
        }
    }

    pub(crate) fn entries_of(&self, stream: &str) -> Vec<Entry> {
        let of_stream = self.entries.range((stream.to_owned(), 0)..=(stream.to_owned(), i64::MAX));
        of_stream
            .map(|((stream, revision), applications)| Entry {
                stream: stream.clone(),
                revision: *revision,
                applications: *applications,
            })
            .collect()
    }
}
