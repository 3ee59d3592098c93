//! Appends of one 400-byte event to a stream of its own, with an expected revision, by 1, 16 and 64 appenders.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use event_store::{Append, EventStore, Expected, NewEvent, Write};
use uuid::Uuid;

use crate::bench::{
    Plan,
    report::{Figure, Goal, Histogram},
    scratch::{Raw, Scratch},
};

/// Payload and meta of one event, together 400 bytes.
const PAYLOAD: usize = 300;
const META: usize = 100;

pub(super) async fn measure(scratch: &Scratch, plan: Plan) -> anyhow::Result<Vec<Figure>> {
    let store = scratch.store("append").await?;
    let raw = scratch.raw().await?;
    let mut figures = Vec::new();
    for (appenders, goal) in [(1, None), (16, None), (64, Some(Goal::RatioAtLeast(1.5)))] {
        let (mut ours, mut theirs, mut raw_latency) = (Vec::new(), Vec::new(), Vec::new());
        let mut histogram = Histogram::new();
        for _ in 0..plan.runs {
            let said = raw.insert(appenders, plan.time).await?;
            theirs.push(said.per_second);
            raw_latency.push(said.latency_ms);
            let (per_second, seen) = appends(&store, appenders, plan.time).await?;
            ours.push(per_second);
            histogram.add(&seen);
        }
        let name = format!("append, {appenders} appenders");
        let mut figure = Figure::new(name, "events/s", &ours).beside(&theirs).latency(&histogram);
        if let (Some(goal), Raw::Postgres(_)) = (goal, &raw) {
            figure = figure.goal(goal);
        }
        if appenders == 1 {
            let p50 = histogram.latency().p50_ms;
            let latency = Figure::new("append, 1 appender: p50 beside raw mean", "ms", &[p50]).beside(&raw_latency);
            figures.push(figure);
            figures.push(if matches!(raw, Raw::Postgres(_)) { latency.goal(Goal::RatioAtMost(1.34)) } else { latency });
        } else {
            figures.push(figure);
        }
    }
    Ok(figures)
}

/// Appends for `time`; how many a second, and how long each took.
pub(super) async fn appends(store: &EventStore, appenders: usize, time: Duration) -> anyhow::Result<(f64, Histogram)> {
    let payload: Arc<[u8]> = vec![b'x'; PAYLOAD].into();
    let start = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..appenders {
        tasks.push(tokio::spawn(one(store.clone(), payload.clone(), start + time)));
    }
    let (mut count, mut histogram) = (0_usize, Histogram::new());
    for task in tasks {
        let (own, seen) = task.await.context("an appender stopped")??;
        count += own;
        histogram.add(&seen);
    }
    Ok((count as f64 / start.elapsed().as_secs_f64(), histogram))
}

/// One appender: a stream of ten events, then the next stream.
async fn one(store: EventStore, payload: Arc<[u8]>, until: Instant) -> anyhow::Result<(usize, Histogram)> {
    let mut histogram = Histogram::new();
    let mut count = 0;
    let mut stream = String::new();
    while Instant::now() < until {
        let revision = (count % 10) as i64;
        if revision == 0 {
            stream = format!("bench-{}", random_id());
        }
        let expected = if revision == 0 { Expected::NoStream } else { Expected::Revision(revision - 1) };
        let write = Write { stream: stream.clone(), expected, events: vec![event(&payload)] };
        let append = Append { writes: vec![write], checks: vec![], operation: None };
        let sent = Instant::now();
        store.append(append).await.context("append")?;
        histogram.record(sent.elapsed());
        count += 1;
    }
    Ok((count, histogram))
}

pub(super) fn event(payload: &[u8]) -> NewEvent {
    NewEvent {
        id: random_id(),
        kind: "bench.happened".into(),
        schema: 1,
        payload: payload.to_vec(),
        meta: vec![b'm'; META],
    }
}

pub(super) fn random_id() -> Uuid {
    Uuid::from_bytes(rand::random())
}
