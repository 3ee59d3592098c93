//! Admitting a batch: a pure function of what is known of the log.
//!
//! Requests are taken in order of arrival; each sees what those before it will have written. One that conflicts is refused alone.
//! A stream that was not read may be *assumed* to be what a request expects of it: the commit verifies every assumption and
//! writes nothing when one is wrong. A refusal never rests on an assumption, nor on a repetition that was not looked for: such a
//! request is *looked up* first (`wanted`), and the batch is admitted again.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use db::append::{Batch, Bytes32, Facts, HeadRow, NewRow, OperationRow, StreamState, UnknownEvent, Wanted};
use uuid::Uuid;

use crate::hash::{Place, event_hash};
use crate::request::{Answer, LAST_REVISION, Request};
use crate::state::Streams;
use crate::{AppendError, Appended, Expected, Operation, Write, system};

/// More than the streams of any batch, so that what was just looked up is still here when the batch is admitted again.
const REMEMBERED_STREAMS: usize = 1 << 16;

/// Everything the writer knows at one head.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) head: HeadRow,
    pub(crate) streams: Streams,
    operations: HashMap<Bytes32, OperationRow>,
    /// stream → event id → (revision, position), for repetitions that were found.
    events: HashMap<String, HashMap<Uuid, (i64, i64)>>,
    /// Requests of the current batch, by index, of which everything was looked up.
    examined: HashSet<usize>,
}

impl Known {
    pub(crate) fn at(head: HeadRow) -> Self {
        Self {
            head,
            streams: Streams::new(REMEMBERED_STREAMS),
            operations: HashMap::new(),
            events: HashMap::new(),
            examined: HashSet::new(),
        }
    }

    /// Takes a fresh head. When it moved, nothing known before it holds.
    pub(crate) fn move_to(&mut self, head: HeadRow) {
        if head != self.head {
            self.head = head;
            self.streams.clear();
            self.forget_batch();
        }
    }

    pub(crate) fn learn(&mut self, facts: Facts) {
        for (stream, state) in facts.streams {
            self.streams.put(&stream, state);
        }
        self.operations.extend(facts.operations.into_iter().map(|operation| (operation.id, operation)));
        for event in facts.events {
            self.events.entry(event.stream).or_default().insert(event.id, (event.revision, event.position));
        }
    }

    /// A batch is on disk. Streams whose first position only the database knows are not remembered: a stream that is known
    /// here is known with its number.
    pub(crate) fn wrote(&mut self, batch: &Batch<'_>) {
        let streams = batch.new_streams.iter().chain(&batch.continued_streams).chain(&batch.hidden_streams);
        for (stream, state) in streams.filter(|(_, state)| state.first.is_some()) {
            self.streams.put(stream, *state);
        }
        self.head = batch.head;
    }

    pub(crate) fn mark_examined(&mut self, requests: impl IntoIterator<Item = usize>) {
        self.examined.extend(requests);
    }

    /// What was looked up for one batch is of no use to the next.
    pub(crate) fn forget_batch(&mut self) {
        self.operations.clear();
        self.events.clear();
        self.examined.clear();
    }
}

/// The outcome of admitting.
#[derive(Debug)]
pub(crate) struct Admission<'a> {
    pub(crate) batch: Batch<'a>,
    /// One for each request, to be answered once the batch is on disk; none while something is wanted.
    pub(crate) answers: Vec<Result<Answer, AppendError>>,
    /// Which requests write, by index.
    pub(crate) writing: Vec<usize>,
    /// What must be known before anything can be concluded, and of which requests it is everything.
    pub(crate) wanted: Wanted,
    pub(crate) wanting: Vec<usize>,
}

/// A stream as this batch has made it.
struct Touched {
    before: StreamState,
    assumed: bool,
    now: StreamState,
}

struct Admitting<'a, 'k> {
    known: &'k Known,
    recorded_at: DateTime<Utc>,
    events: Vec<NewRow<'a>>,
    operations: Vec<OperationRow>,
    /// In the order they were touched, so that the same batch is the same statement.
    touched: Vec<(&'a str, Touched)>,
    by_name: HashMap<&'a str, usize>,
    /// Ids written by this batch: stream and id → (revision, position).
    ids: HashMap<(usize, Uuid), (i64, i64)>,
    hash: Bytes32,
}

enum Judgement {
    Write,
    Answer(Result<Answer, AppendError>),
    /// Nothing can be said before everything about this request is looked up.
    LookUp,
}

/// Decides every request in turn against the log and against those before it.
pub(crate) fn admit<'a>(
    known: &Known,
    requests: impl IntoIterator<Item = &'a Request>,
    now: DateTime<Utc>,
) -> Admission<'a> {
    // Whole microseconds are what both databases keep, and what the hash covers.
    let now = DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(known.head.recorded_at);
    let mut admitting = Admitting {
        known,
        recorded_at: now.max(known.head.recorded_at),
        events: vec![],
        operations: vec![],
        touched: vec![],
        by_name: HashMap::new(),
        ids: HashMap::new(),
        hash: known.head.hash,
    };
    let (mut answers, mut writing) = (vec![], vec![]);
    let (mut wanted, mut wanting) = (Wanted::default(), vec![]);
    for (index, request) in requests.into_iter().enumerate() {
        match admitting.judge(request, known.examined.contains(&index)) {
            Judgement::Answer(answer) => answers.push(answer),
            Judgement::Write => {
                writing.push(index);
                answers.push(Ok(Answer::Appended(admitting.apply(request))));
            }
            Judgement::LookUp => {
                want(request, &mut wanted);
                wanting.push(index);
            }
        }
    }
    Admission { batch: admitting.into_batch(), answers, writing, wanted, wanting }
}

fn want(request: &Request, wanted: &mut Wanted) {
    let append = &request.append;
    wanted.operations.extend(append.operation.map(|operation| operation.id));
    wanted.streams.extend(append.checks.iter().map(|(stream, _)| stream.clone()));
    for write in &append.writes {
        wanted.streams.push(write.stream.clone());
        wanted.events.extend(write.events.iter().map(|event| (write.stream.clone(), event.id)));
    }
}

impl<'a> Admitting<'a, '_> {
    fn judge(&self, request: &Request, examined: bool) -> Judgement {
        let append = &request.append;
        if let Some(answer) = append.operation.and_then(|operation| self.repeated_operation(operation)) {
            return Judgement::Answer(answer);
        }
        let refuse = |error| if examined { Judgement::Answer(Err(error)) } else { Judgement::LookUp };
        match self.repeated_events(&append.writes) {
            Ok(None) => {}
            // Found because a neighbour asked for the same events: its own operation may yet say something else.
            Ok(Some(_)) if append.operation.is_some() && !examined => return Judgement::LookUp,
            Ok(Some(appended)) => return Judgement::Answer(Ok(Answer::Appended(appended))),
            Err(error) => return refuse(error),
        }
        let written = append.writes.iter().map(|write| (&write.stream, write.expected, write.events.len()));
        let checked = append.checks.iter().map(|(stream, expected)| (stream, *expected, 0));
        for (stream, expected, more) in written.chain(checked) {
            let Some((state, _)) = self.state(stream, expected) else { return Judgement::LookUp };
            if let Err(error) = meets(stream, state, expected) {
                return refuse(error);
            }
            if state.revision.saturating_add(more as i64) > LAST_REVISION {
                return refuse(AppendError::Invalid("no stream goes beyond revision 2147483646"));
            }
        }
        Judgement::Write
    }

    fn repeated_operation(&self, operation: Operation) -> Option<Result<Answer, AppendError>> {
        let in_batch = self.operations.iter().find(|done| done.id == operation.id);
        let done = in_batch.or_else(|| self.known.operations.get(&operation.id))?;
        let same = match (operation.fingerprint, done.fingerprint) {
            (Some(asked), Some(stored)) => asked == stored,
            _ => true,
        };
        let answer = Answer::OperationDone { first: done.first, last: done.last };
        Some(if same { Ok(answer) } else { Err(AppendError::OperationReused) })
    }

    /// All ids known, in each stream at consecutive revisions: the first answer again. Some known: a conflict.
    fn repeated_events(&self, writes: &[Write]) -> Result<Option<Appended>, AppendError> {
        let mut known = Vec::new();
        let mut unknown = false;
        let mut revisions = Vec::new();
        let mut conflict = None;
        for write in writes {
            let found: Vec<_> = write.events.iter().filter_map(|event| self.find(&write.stream, event.id)).collect();
            let consecutive = found.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0);
            let whole = consecutive && found.len() == write.events.len();
            if !whole && !found.is_empty() {
                conflict = Some(write);
            }
            unknown |= found.is_empty();
            revisions.extend(found.last().map(|(revision, _)| (write.stream.clone(), *revision)));
            known.extend(found.into_iter().map(|(_, position)| position));
        }
        let (Some(first), Some(last)) = (known.iter().min(), known.iter().max()) else { return Ok(None) };
        match conflict.or(writes.first().filter(|_| unknown)) {
            Some(write) => {
                let actual = self.state(&write.stream, Expected::Any).map(|(state, _)| state.revision);
                Err(conflicting(&write.stream, write.expected, actual.unwrap_or(-1)))
            }
            None => Ok(Some(Appended { first: *first, last: *last, replayed: true, revisions })),
        }
    }

    fn find(&self, stream: &str, id: Uuid) -> Option<(i64, i64)> {
        let in_batch = self.by_name.get(stream).and_then(|index| self.ids.get(&(*index, id)));
        in_batch.or_else(|| self.known.events.get(stream)?.get(&id)).copied()
    }

    /// The stream as this batch has it, as the log has it, or as the request takes it to be.
    fn state(&self, stream: &str, expected: Expected) -> Option<(StreamState, bool)> {
        if let Some(index) = self.by_name.get(stream) {
            return Some((self.touched[*index].1.now, false));
        }
        match (self.known.streams.get(stream), expected) {
            (Some(state), _) => Some((state, false)),
            (None, Expected::NoStream) => Some((StreamState::ABSENT, true)),
            (None, Expected::Revision(revision)) => Some((StreamState::live(revision), true)),
            (None, Expected::Any | Expected::Exists) => None,
        }
    }

    fn touch(&mut self, stream: &'a str, expected: Expected) -> usize {
        if let Some(index) = self.by_name.get(stream) {
            return *index;
        }
        let (before, assumed) = self.state(stream, expected).unwrap_or((StreamState::ABSENT, true));
        self.touched.push((stream, Touched { before, assumed, now: before }));
        self.by_name.insert(stream, self.touched.len() - 1);
        self.touched.len() - 1
    }

    fn apply(&mut self, request: &'a Request) -> Appended {
        let append = &request.append;
        let first = self.position() + 1;
        let mut digests = request.digests.iter();
        let mut revisions = Vec::with_capacity(append.writes.len());
        for (stream, expected) in &append.checks {
            self.touch(stream, *expected);
        }
        for write in &append.writes {
            let index = self.touch(&write.stream, write.expected);
            for (event, digests) in write.events.iter().zip(digests.by_ref()) {
                let position = self.position() + 1;
                let now = &mut self.touched[index].1.now;
                now.revision += 1;
                if now.revision == 0 {
                    now.first = Some(position);
                }
                now.tombstoned = event.kind == system::TOMBSTONE;
                let (first, revision) = (now.first, now.revision);
                let place = Place { position, stream: &write.stream, revision, recorded_at: self.recorded_at };
                self.hash = event_hash(&self.hash, place, event, digests);
                self.ids.insert((index, event.id), (revision, position));
                self.events.push(NewRow {
                    stream: &write.stream,
                    first,
                    revision,
                    id: event.id,
                    kind: &event.kind,
                    schema: event.schema,
                    payload: &event.payload,
                    meta: &event.meta,
                    hash: self.hash,
                });
                if event.kind == system::METADATA {
                    self.truncate(&write.stream, &event.payload);
                }
            }
            revisions.push((write.stream.clone(), self.touched[index].1.now.revision));
        }
        let last = self.position();
        self.operations.extend(append.operation.map(|Operation { id, fingerprint }| OperationRow {
            id,
            fingerprint,
            first,
            last,
        }));
        Appended { first, last, replayed: false, revisions }
    }

    /// The append that truncates also checks the stream it speaks of, so that one is touched already.
    fn truncate(&mut self, metastream: &str, payload: &[u8]) {
        let index = system::subject(metastream).and_then(|stream| self.by_name.get(stream));
        if let (Some(index), Some(before)) = (index, system::truncation(payload)) {
            self.touched[*index].1.now.truncated_before = before;
        }
    }

    fn position(&self) -> i64 {
        self.known.head.position + self.events.len() as i64
    }

    fn into_batch(self) -> Batch<'a> {
        let position = self.position();
        let existed = |stream: &str| self.touched[self.by_name[stream]].1.before.revision >= 0;
        let unknown_events = self
            .events
            .iter()
            .filter(|event| existed(event.stream))
            .map(|&NewRow { stream, first, id, .. }| UnknownEvent { stream, first, id })
            .collect();
        let (mut new_streams, mut continued_streams, mut hidden_streams) = (vec![], vec![], vec![]);
        let mut assumed = vec![];
        for (stream, touched) in &self.touched {
            if touched.assumed {
                assumed.push((*stream, touched.before.revision));
            }
            let Touched { before, now, .. } = touched;
            if now == before {
                continue;
            }
            let hidden = |state: &StreamState| (state.truncated_before, state.tombstoned);
            let streams = match before.revision {
                ..0 => &mut new_streams,
                _ if hidden(now) == hidden(before) => &mut continued_streams,
                _ => &mut hidden_streams,
            };
            streams.push((*stream, *now));
        }
        Batch {
            expected: self.known.head,
            head: HeadRow { position, hash: self.hash, recorded_at: self.recorded_at, ..self.known.head },
            events: self.events,
            new_streams,
            continued_streams,
            hidden_streams,
            operations: self.operations,
            unknown_events,
            assumed,
        }
    }
}

fn meets(stream: &str, state: StreamState, expected: Expected) -> Result<(), AppendError> {
    if state.tombstoned {
        return Err(AppendError::Deleted { stream: stream.to_owned() });
    }
    let visible = state.revision >= state.truncated_before;
    let met = match expected {
        Expected::NoStream => !visible,
        Expected::Exists => visible,
        Expected::Any => true,
        Expected::Revision(revision) => state.revision == revision,
    };
    if met { Ok(()) } else { Err(conflicting(stream, expected, state.revision)) }
}

fn conflicting(stream: &str, expected: Expected, revision: i64) -> AppendError {
    AppendError::Conflict { stream: stream.to_owned(), expected, actual: (revision >= 0).then_some(revision) }
}

#[cfg(test)]
#[path = "admit_tests.rs"]
pub(crate) mod tests;
