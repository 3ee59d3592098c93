//! Appends of one 400-byte event to a stream of its own, with an expected revision.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use event_store::{Append, EventStore, Expected, NewEvent, Write};
use futures_util::{TryFutureExt, TryStreamExt, stream};
use uuid::Uuid;

use crate::bench::{
    Plan,
    load::{self, Client},
    report::{Figure, Goal, Runs, Seen},
    scratch::Scratch,
};

/// Payload and meta of one event, together 400 bytes.
const PAYLOAD: usize = 300;
const META: usize = 100;
/// Events in a stream.
const STREAM: usize = 10;
/// Streams in one append while a log is filled, and such appends in flight: together less than a batch may hold.
const FILL: usize = 50;
const FLIGHT: usize = 8;

pub(super) async fn measure(scratch: &Scratch, plan: Plan) -> anyhow::Result<Vec<Figure>> {
    let store = scratch.store("append").await?;
    let raw = scratch.raw().await?;
    let mut figures = Vec::new();
    for appenders in [1, 16, 64, 256] {
        let (mut ours, mut theirs) = (Runs::default(), Runs::default());
        for _ in 0..plan.runs {
            // More clients than 64 only slow the database down by itself.
            theirs.add(&raw.insert(appenders.min(64), plan.time).await?);
            ours.add(&appends(&store, appenders, plan.time).await?);
        }
        let name = if appenders == 1 { "append, 1 appender".into() } else { format!("append, {appenders} appenders") };
        let figure = Figure::new(name, "events/s", &ours.per_second).beside(&theirs.per_second).latency(&ours.latency);
        figures.push(match appenders {
            64 => figure
                .goal(scratch.pick(Goal::AtLeast(40_000.0), Goal::RatioAtLeast(2.5)))
                .goal(scratch.pick(None, Some(Goal::P99AtMost(8.0)))),
            256 => figure.goal(scratch.pick(None, Some(Goal::RatioAtLeast(3.0)))),
            _ => figure,
        });
        if appenders == 1 {
            let p50 = Figure::new("append, 1 appender, p50", "ms", &ours.p50_ms).beside(&theirs.p50_ms);
            figures.push(p50.goal(scratch.pick(None, Some(Goal::RatioAtMost(1.2)))));
        }
    }
    Ok(figures)
}

/// Appends for `time`.
pub(super) async fn appends(store: &EventStore, appenders: usize, time: Duration) -> anyhow::Result<Seen> {
    load::closed((0..appenders).map(|_| Appender::new(store)), time).await
}

/// Fills a stream of ten, then the next.
struct Appender {
    store: EventStore,
    payload: Arc<[u8]>,
    stream: String,
    count: usize,
}

impl Appender {
    fn new(store: &EventStore) -> Self {
        Self { store: store.clone(), payload: payload().into(), stream: String::new(), count: 0 }
    }
}

impl Client for Appender {
    async fn step(&mut self) -> anyhow::Result<()> {
        let revision = (self.count % STREAM) as i64;
        if revision == 0 {
            self.stream = random_stream();
        }
        let expected = if revision == 0 { Expected::NoStream } else { Expected::Revision(revision - 1) };
        let write = Write { stream: self.stream.clone(), expected, events: vec![event(&self.payload)] };
        self.count += 1;
        let append = Append { writes: vec![write], checks: vec![], operation: None };
        self.store.append(append).await.context("append").map(drop)
    }
}

/// Appends streams of ten until the log holds at least `events`; `name` gives the n-th of this call its name.
pub(super) async fn fill(store: &EventStore, events: usize, name: impl Fn(usize) -> String) -> anyhow::Result<()> {
    let missing = events.saturating_sub(usize::try_from(store.head().await?.position)?);
    let payload = payload();
    let write = |number| Write {
        stream: name(number),
        expected: Expected::NoStream,
        events: (0..STREAM).map(|_| event(&payload)).collect(),
    };
    let appends = (0..missing.div_ceil(STREAM * FILL)).map(|append| {
        let writes = (append * FILL..(append + 1) * FILL).map(write).collect();
        Ok(Append { writes, checks: vec![], operation: None })
    });
    pour(store, appends).await
}

/// Appends as fast as the log takes large appends, in their order.
pub(super) async fn pour(
    store: &EventStore,
    appends: impl Iterator<Item = anyhow::Result<Append>>,
) -> anyhow::Result<()> {
    let appended = stream::iter(appends).map_ok(|append| store.append(append).map_err(anyhow::Error::from));
    appended.try_buffered(FLIGHT).try_for_each(async |_| Ok(())).await.context("fill the log")
}

fn event(payload: &[u8]) -> NewEvent {
    NewEvent {
        id: Uuid::from_bytes(rand::random()),
        kind: "bench.happened".into(),
        schema: 1,
        payload: payload.to_vec(),
        meta: vec![b'm'; META],
    }
}

fn payload() -> Vec<u8> {
    vec![b'x'; PAYLOAD]
}

/// Random, as the names of live streams are: they touch an index everywhere.
pub(super) fn random_stream() -> String {
    format!("bench-{}", Uuid::from_bytes(rand::random()))
}
