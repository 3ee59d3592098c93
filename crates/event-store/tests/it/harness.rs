//! Words for the contract: a log, an event, an append.

use std::sync::atomic::{AtomicU64, Ordering};

use db::Databases;
use event_store::{
    Append, AppendError, Appended, Direction, EventStore, Expected, Filter, From, NewEvent, Operation, Record, Write,
};
use uuid::Uuid;

/// A log of the given databases, through a writer of its own.
pub(crate) async fn open(databases: &Databases) -> EventStore {
    let entry = databases.create_log("quebec").await.expect("create the log");
    let log = databases.log(&entry).await.expect("open the log's database");
    EventStore::open(log, &entry).await.expect("open the log")
}

/// An id that no other test of this process used.
pub(crate) fn id() -> Uuid {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Uuid::from_u64_pair(u64::from(std::process::id()), NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn event(kind: &str) -> NewEvent {
    NewEvent { id: id(), kind: kind.to_owned(), schema: 1, payload: b"{\"n\":1}".to_vec(), meta: b"{}".to_vec() }
}

pub(crate) fn write(stream: &str, expected: Expected, events: Vec<NewEvent>) -> Write {
    Write { stream: stream.to_owned(), expected, events }
}

pub(crate) fn all_of(writes: Vec<Write>) -> Append {
    Append { writes, checks: vec![], operation: None }
}

/// One event for one stream.
pub(crate) fn one(stream: &str, expected: Expected) -> Append {
    all_of(vec![write(stream, expected, vec![event("thing.done")])])
}

pub(crate) fn under(operation: [u8; 32], fingerprint: Option<[u8; 32]>, append: Append) -> Append {
    Append { operation: Some(Operation { id: operation, fingerprint }), ..append }
}

pub(crate) async fn put(store: &EventStore, stream: &str, count: usize) -> Appended {
    let events = (0..count).map(|_| event("thing.done")).collect();
    store.append(all_of(vec![write(stream, Expected::Any, events)])).await.expect("append")
}

pub(crate) async fn whole_log(store: &EventStore) -> Vec<Record> {
    store.read_log(From::Start, Direction::Forward, usize::MAX, &Filter::all()).await.expect("read the log")
}

pub(crate) async fn whole_stream(store: &EventStore, stream: &str) -> Vec<Record> {
    store.read_stream(stream, From::Start, Direction::Forward, usize::MAX).await.expect("read the stream")
}

/// What kind of answer it was, for tables.
pub(crate) fn outcome(answer: &Result<Appended, AppendError>) -> &'static str {
    match answer {
        Ok(appended) if appended.replayed => "replayed",
        Ok(_) => "written",
        Err(AppendError::Conflict { .. }) => "conflict",
        Err(AppendError::Deleted { .. }) => "deleted",
        Err(AppendError::OperationReused) => "reused",
        Err(AppendError::Overloaded) => "overloaded",
        Err(AppendError::Unknown) => "unknown",
        Err(AppendError::Diverged) => "diverged",
        Err(AppendError::TooLarge { .. }) => "too large",
        Err(AppendError::Invalid(_)) => "invalid",
        Err(AppendError::Storage(_)) => "storage",
    }
}

/// Positions 1, 2, 3 …, revisions 0, 1, 2 … in each stream, instants that never go back, and the chain's last hash at the head.
pub(crate) async fn assert_whole(store: &EventStore) -> Vec<Record> {
    let records = whole_log(store).await;
    let mut revisions = std::collections::HashMap::new();
    let mut clock = chrono::DateTime::UNIX_EPOCH;
    for (index, record) in records.iter().enumerate() {
        assert_eq!(record.position, index as i64 + 1, "a gap in the log");
        let next = revisions.entry(record.stream.clone()).or_insert(0_i64);
        assert_eq!(record.revision, *next, "a gap in {}", record.stream);
        *next += 1;
        assert!(record.recorded_at >= clock);
        clock = record.recorded_at;
    }
    let head = store.head().await.expect("read the head");
    assert_eq!(head.position, records.len() as i64);
    assert_eq!(head.hash, records.last().map_or(event_store::genesis(store.slug()), |last| last.hash));
    for (stream, next) in revisions {
        let status = store.stream(&stream).await.expect("read").expect("a stream with events has a row");
        assert_eq!(status.revision, next - 1);
    }
    records
}
