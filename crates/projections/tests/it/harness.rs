//! A log and its read models in a throw-away database.

use std::time::Duration;

use db::Databases;
use domain::codec::{Event, Meta};
use event_store::{Append, Appended, EventStore, Expected, NewEvent, Write};
use projections::{CheckReport, ReadModels, Worker, check};
use tokio::{sync::oneshot, task::JoinHandle};
use uuid::Uuid;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn models(databases: &Databases) -> ReadModels {
    let entry = databases.create_log("quebec").await.unwrap();
    let store = EventStore::open(databases.log(&entry).await.unwrap(), &entry).await.unwrap();
    ReadModels::open(store, databases.read(&entry).await.unwrap()).await.unwrap()
}

pub(crate) fn new_event(ordinal: usize, event: &Event) -> NewEvent {
    NewEvent {
        id: Uuid::from_u128(ordinal as u128 + 1),
        kind: event.kind().to_owned(),
        schema: event.schema(),
        payload: serde_json::to_vec(&event.payload()).unwrap(),
        meta: Meta { actor: "usr_1".to_owned(), operation: None, causation: None }.to_bytes(),
    }
}

/// Appends the story in order, ids from `first` on. The writer takes appends in the order they are asked for.
pub(crate) async fn tell(models: &ReadModels, first: usize, story: &[(String, Event)]) -> i64 {
    let appends = story
        .iter()
        .enumerate()
        .map(|(place, (stream, event))| append(models, stream, new_event(first + place, event)));
    let appended = futures_util::future::join_all(appends).await;
    assert!(appended.windows(2).all(|pair| pair[0].last < pair[1].first), "the writer changed the order");
    appended.last().map_or(0, |last| last.last)
}

pub(crate) async fn append(models: &ReadModels, stream: &str, event: NewEvent) -> Appended {
    let write = Write { stream: stream.to_owned(), expected: Expected::Any, events: vec![event] };
    models.store().append(Append { writes: vec![write], checks: vec![], operation: None }).await.unwrap()
}

/// A worker that runs until it is told to end, or is dropped.
pub(crate) struct Running {
    end: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

pub(crate) fn work(models: &ReadModels) -> Running {
    let (end, ended) = oneshot::channel::<()>();
    let models = models.clone();
    let task = tokio::spawn(Worker::run(models, async move { drop(ended.await) }));
    Running { end: Some(end), task }
}

impl Running {
    pub(crate) async fn end(mut self) {
        drop(self.end.take());
        self.task.await.unwrap();
    }

    /// As a process that dies.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// Waits until every read model that has not stopped is at the head.
pub(crate) async fn caught_up(models: &ReadModels) {
    let head = models.store().head().await.unwrap().position;
    assert!(models.wait_for(head, PATIENCE).await.unwrap(), "the read models lag behind {head}");
}

/// The log folded without a database says the same.
pub(crate) async fn checked(models: &ReadModels) -> CheckReport {
    let report = check(models, &mut |_| {}).await.unwrap();
    assert!(report.agrees(), "{report:#?}");
    report
}

pub(crate) fn digests(report: &CheckReport) -> Vec<(&'static str, i64, String)> {
    let tables = report.models.iter().flat_map(|model| &model.tables);
    tables.map(|table| (table.table, table.rows, table.digest.clone())).collect()
}
