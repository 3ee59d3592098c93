//! Admitting against a naive model: a list of events and nothing else.

use std::collections::BTreeMap;

use chrono::DateTime;
use db::append::{Committed, EventRow, Facts, HeadRow, OperationRow, StreamState, UnknownEvent, Wanted};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{Append, NewEvent};

/// A log as the database would hold it, with every answer recomputed from scratch.
#[derive(Clone, Debug)]
pub(crate) struct Simulated {
    pub(crate) head: HeadRow,
    /// Stream and id, by position from 1.
    pub(crate) events: Vec<(String, Uuid)>,
    pub(crate) hashes: Vec<Bytes32>,
    pub(crate) operations: Vec<OperationRow>,
    pub(crate) streams: BTreeMap<String, StreamState>,
}

impl Simulated {
    pub(crate) fn empty() -> Self {
        let head = HeadRow { epoch: Uuid::nil(), position: 0, hash: [0; 32], recorded_at: DateTime::<Utc>::UNIX_EPOCH };
        Self { head, events: vec![], hashes: vec![], operations: vec![], streams: BTreeMap::new() }
    }

    pub(crate) fn state(&self, stream: &str) -> StreamState {
        self.streams.get(stream).copied().unwrap_or(StreamState::ABSENT)
    }

    fn first(&self, stream: &str) -> Option<i64> {
        self.events.iter().position(|event| event.0 == stream).map(|index| index as i64 + 1)
    }

    fn find(&self, stream: &str, id: Uuid) -> Option<EventRow> {
        let of_stream = self.events.iter().enumerate().filter(|(_, event)| event.0 == stream);
        of_stream.enumerate().find(|(_, (_, event))| event.1 == id).map(|(revision, (index, _))| EventRow {
            stream: stream.to_owned(),
            id,
            revision: revision as i64,
            position: index as i64 + 1,
        })
    }

    pub(crate) fn facts(&self, wanted: &Wanted) -> Facts {
        Facts {
            streams: wanted.streams.iter().map(|stream| (stream.clone(), self.state(stream))).collect(),
            operations: self.operations.iter().filter(|done| wanted.operations.contains(&done.id)).copied().collect(),
            events: wanted.events.iter().filter_map(|(stream, id)| self.find(stream, *id)).collect(),
        }
    }

    pub(crate) fn commit(&mut self, batch: &Batch<'_>) -> Committed {
        if batch.expected != self.head {
            return Committed::Moved;
        }
        let mut known = self.facts(&Wanted {
            streams: vec![],
            operations: batch.operations.iter().map(|operation| operation.id).collect(),
            events: batch.unknown_events.iter().map(|event| (event.stream.to_owned(), event.id)).collect(),
        });
        let wrong = batch.assumed.iter().filter(|(stream, revision)| !self.state(stream).is_live(*revision));
        known.streams = wrong.map(|(stream, _)| ((*stream).to_owned(), self.state(stream))).collect();
        if !known.is_empty() {
            return Committed::Known(known);
        }
        for event in &batch.events {
            assert_eq!(self.find(event.stream, event.id), None, "an id is written twice");
            self.events.push((event.stream.to_owned(), event.id));
            self.hashes.push(event.hash);
            if event.first.is_none() {
                assert!(batch.assumed.iter().any(|(stream, _)| *stream == event.stream), "nobody looks its number up");
            }
            assert!(event.first.is_none_or(|first| Some(first) == self.first(event.stream)), "a number is wrong");
        }
        for (stream, state) in &batch.new_streams {
            assert!(self.streams.insert((*stream).to_owned(), *state).is_none(), "a new stream exists");
        }
        for (stream, state) in batch.continued_streams.iter().chain(&batch.hidden_streams) {
            let state = StreamState { first: state.first.or(self.first(stream)), ..*state };
            assert!(self.streams.insert((*stream).to_owned(), state).is_some(), "a stream that goes on is missing");
        }
        for (stream, state) in &self.streams {
            assert_eq!(state.first, self.first(stream), "the number of {stream} is wrong");
            let count = self.events.iter().filter(|event| event.0 == *stream).count() as i64;
            assert_eq!(state.revision, count - 1, "revisions of {stream} are not contiguous");
        }
        self.operations.extend(&batch.operations);
        self.head = batch.head;
        assert_eq!(self.head.position, self.events.len() as i64, "positions are not contiguous");
        Committed::Yes
    }
}

/// What the contract says of one append, decided by looking at everything.
fn naive(log: &Simulated, append: &Append) -> &'static str {
    if let Some(operation) = append.operation
        && let Some(done) = log.operations.iter().find(|done| done.id == operation.id)
    {
        let same =
            operation.fingerprint.is_none() || done.fingerprint.is_none() || operation.fingerprint == done.fingerprint;
        return if same { "replayed" } else { "reused" };
    }
    let found = |write: &Write| -> Vec<_> {
        write.events.iter().map(|event| log.find(&write.stream, event.id).map(|row| row.revision)).collect()
    };
    let replayed = |write: &Write| {
        let found = found(write);
        let start = found[0];
        start.is_some_and(|start| found.iter().zip(start..).all(|(revision, next)| *revision == Some(next)))
    };
    if append.writes.iter().all(replayed) {
        return "replayed";
    }
    if append.writes.iter().any(|write| found(write).iter().any(Option::is_some)) {
        return "conflict";
    }
    let written = append.writes.iter().map(|write| (&write.stream, write.expected));
    for (stream, expected) in written.chain(append.checks.iter().map(|(stream, expected)| (stream, *expected))) {
        let state = log.state(stream);
        let met = match expected {
            Expected::Any => true,
            Expected::NoStream => state.truncated_before > state.revision,
            Expected::Exists => state.truncated_before <= state.revision,
            Expected::Revision(revision) => state.revision == revision,
        };
        if state.tombstoned {
            return "deleted";
        }
        if !met {
            return "conflict";
        }
    }
    "written"
}

fn said(answer: &Result<Answer, AppendError>) -> &'static str {
    match answer {
        Ok(Answer::OperationDone { .. }) => "replayed",
        Ok(Answer::Appended(appended)) if appended.replayed => "replayed",
        Ok(Answer::Appended(_)) => "written",
        Err(AppendError::Conflict { .. }) => "conflict",
        Err(AppendError::Deleted { .. }) => "deleted",
        Err(AppendError::OperationReused) => "reused",
        Err(AppendError::Invalid(_)) => "invalid",
        Err(_) => "other",
    }
}

/// What the writer does, without a task: admit, look up, commit, until everyone has an answer.
fn settle(known: &mut Known, log: &mut Simulated, requests: &[Request]) -> Vec<&'static str> {
    let now = DateTime::from_timestamp_micros(1_700_000_000_000_000).expect("in range");
    for _ in 0..requests.len() + 5 {
        let admission = admit(known, requests, now);
        if !admission.wanting.is_empty() {
            let facts = log.facts(&admission.wanted);
            known.move_to(log.head);
            known.learn(facts);
            known.mark_examined(admission.wanting);
            continue;
        }
        let outcome = if admission.batch.events.is_empty() { Committed::Yes } else { log.commit(&admission.batch) };
        match outcome {
            Committed::Yes => {
                known.wrote(&admission.batch);
                known.forget_batch();
                return admission.answers.iter().map(said).collect();
            }
            Committed::Known(facts) => known.learn(facts),
            Committed::Moved => known.move_to(log.head),
        }
    }
    panic!("admitting does not come to an end");
}

fn expectation() -> impl Strategy<Value = Expected> {
    prop_oneof![
        Just(Expected::Any),
        Just(Expected::NoStream),
        Just(Expected::Exists),
        (0..4_i64).prop_map(Expected::Revision)
    ]
}

/// Few streams, few ids, few operations: everything meets everything.
fn append() -> impl Strategy<Value = Append> {
    let event = (0..6_u128, prop::bool::weighted(0.03)).prop_map(|(id, ends)| NewEvent {
        id: Uuid::from_u128(id),
        kind: if ends { system::TOMBSTONE } else { "thing.done" }.to_owned(),
        schema: 1,
        payload: vec![],
        meta: vec![],
    });
    let events = prop::collection::btree_map(0..8_u128, event, 1..3).prop_map(|events| {
        // Distinct ids within a write, as the door demands; a tombstone is written alone.
        let mut events: Vec<_> =
            events.into_iter().map(|(id, event)| NewEvent { id: Uuid::from_u128(id), ..event }).collect();
        if events.iter().any(|event| event.kind == system::TOMBSTONE) {
            events.truncate(1);
        }
        events
    });
    let stream = || (0..4_u8).prop_map(|n| format!("s-{n}"));
    let writes = prop::collection::btree_map(stream(), (expectation(), events), 1..3);
    let checks = prop::collection::btree_map(stream(), expectation(), 0..2);
    let operation = prop::option::weighted(0.3, (0..4_u8, prop::option::of(0..2_u8)));
    (writes, checks, operation).prop_map(|(writes, checks, operation)| Append {
        checks: checks.into_iter().filter(|(stream, _)| !writes.contains_key(stream)).collect(),
        writes: writes.into_iter().map(|(stream, (expected, events))| Write { stream, expected, events }).collect(),
        operation: operation
            .map(|(id, fingerprint)| Operation { id: [id; 32], fingerprint: fingerprint.map(|byte| [byte; 32]) }),
    })
}

proptest! {
    /// However requests fall into batches, and whichever of two writers takes them, each gets the answer it would have got
    /// alone, and both end with the same log.
    #[test]
    fn a_batch_decides_as_one_after_the_other(
        batches in prop::collection::vec((prop::bool::ANY, prop::collection::vec(append(), 1..6)), 1..12),
    ) {
        let (mut batched, mut alone) = (Simulated::empty(), Simulated::empty());
        let mut writers = [Known::at(batched.head), Known::at(batched.head)];
        for (writer, appends) in batches {
            let requests: Vec<_> = appends.iter().map(|append| Request::of_system(append.clone()).expect("well formed")).collect();
            let answers = settle(&mut writers[usize::from(writer)], &mut batched, &requests);
            for (request, answer) in requests.into_iter().zip(answers) {
                let wanted = naive(&alone, &request.append);
                prop_assert_eq!(answer, wanted, "{:?}", &request.append);
                let mut stranger = Known::at(HeadRow { hash: [9; 32], ..alone.head });
                stranger.move_to(alone.head);
                let operation = request.append.operation.filter(|_| wanted == "written");
                prop_assert_eq!(settle(&mut stranger, &mut alone, &[request]), [wanted]);
                let recorded = |operation: Operation| alone.operations.iter().any(|done| done.id == operation.id);
                prop_assert!(operation.is_none_or(recorded), "an operation is not recorded with its events");
            }
            prop_assert_eq!(&batched.events, &alone.events);
            prop_assert_eq!(&batched.streams, &alone.streams);
            prop_assert_eq!(&batched.operations, &alone.operations);
            prop_assert_eq!(&batched.hashes, &alone.hashes, "the chain depends on how requests fell into batches");
        }
    }
}

#[test]
fn a_stream_that_is_new_or_named_with_its_revision_needs_no_look_up() {
    let log = Simulated::empty();
    let known = Known::at(log.head);
    let event =
        |id| NewEvent { id: Uuid::from_u128(id), kind: "a.b".to_owned(), schema: 1, payload: vec![], meta: vec![] };
    let request = |stream: &str, expected| {
        let writes = vec![Write { stream: stream.to_owned(), expected, events: vec![event(1)] }];
        Request::new(Append { writes, checks: vec![], operation: None }).expect("well formed")
    };
    let requests = [request("a-1", Expected::NoStream), request("a-2", Expected::Revision(4))];
    let admission = admit(&known, &requests, DateTime::UNIX_EPOCH);
    assert!(admission.wanting.is_empty());
    assert_eq!(admission.batch.assumed, [("a-1", -1), ("a-2", 4)]);
    let unknown = UnknownEvent { stream: "a-2", first: None, id: Uuid::from_u128(1) };
    assert_eq!(admission.batch.unknown_events, [unknown]);

    let unread = [request("a-3", Expected::Any)];
    let admission = admit(&known, &unread, DateTime::UNIX_EPOCH);
    assert_eq!(admission.wanting, [0]);
    assert_eq!(admission.wanted.streams, ["a-3"]);
}

#[test]
fn a_full_stream_takes_no_more() {
    let mut known = Known::at(Simulated::empty().head);
    let almost_full = StreamState { first: Some(1), ..StreamState::live(LAST_REVISION - 1) };
    known.learn(Facts { streams: vec![("a-1".to_owned(), almost_full)], ..Facts::default() });
    known.mark_examined(vec![0, 1, 2]);
    let event =
        |id| NewEvent { id: Uuid::from_u128(id), kind: "a.b".to_owned(), schema: 1, payload: vec![], meta: vec![] };
    let requests = [1..3, 3..4, 4..5].map(|ids| {
        let writes =
            vec![Write { stream: "a-1".to_owned(), expected: Expected::Any, events: ids.map(event).collect() }];
        Request::new(Append { writes, checks: vec![], operation: None }).expect("well formed")
    });
    let admission = admit(&known, &requests, DateTime::UNIX_EPOCH);
    let answers: Vec<_> = admission.answers.iter().map(said).collect();
    assert_eq!(answers, ["invalid", "written", "invalid"]);
}

#[test]
fn the_clock_of_a_log_never_goes_back_and_keeps_whole_microseconds() {
    let at = |nanos| DateTime::from_timestamp(1_700_000_000, nanos).expect("in range");
    let log = Simulated::empty();
    let known = Known::at(HeadRow { recorded_at: at(5_000), ..log.head });
    assert_eq!(admit(&known, [], at(1_999)).batch.head.recorded_at, at(5_000));
    assert_eq!(admit(&known, [], at(9_999)).batch.head.recorded_at, at(9_000));
}
