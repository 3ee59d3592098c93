//! Replay of the whole log in order, beside the same ordered `select` through the same driver, its rows thrown away.

use std::time::Instant;

use anyhow::{Context, ensure};
use db::{DbError, ReadRow, Row, Statement};
use event_store::{Append, EventStore, Expected, Filter, Write};
use futures_util::TryStreamExt;

use crate::bench::{
    Plan,
    append::{event, random_id},
    report::{Figure, Goal},
    scratch::Scratch,
};

/// Events in one append while the log is filled.
const FILL: usize = 10;
/// Appends in flight while the log is filled.
const FLIGHT: usize = 64;

pub(super) async fn measure(scratch: &Scratch, plan: Plan) -> anyhow::Result<Vec<Figure>> {
    let store = scratch.store("replay").await?;
    fill(&store, plan.events).await?;
    let log = scratch.log("replay").await?;
    let entry = scratch.databases.create_log("replay").await?;
    let head = store.head().await?.position;
    let (mut ours, mut raw) = (Vec::new(), Vec::new());
    for _ in 0..plan.runs {
        let start = Instant::now();
        let rows =
            log.stream::<Passed>(every_column(entry.id)).try_fold(0, |count, _| async move { Ok(count + 1) }).await?;
        raw.push(f64::from(rows) / start.elapsed().as_secs_f64());

        let start = Instant::now();
        let events =
            store.scan(0, Filter::all()).try_fold(0_i64, |_, record| async move { Ok(record.position) }).await?;
        ensure!(events == head, "the replay ended at {events}, the log at {head}");
        ours.push(events as f64 / start.elapsed().as_secs_f64());
    }
    Ok(vec![
        Figure::new(format!("replay of {head} events"), "events/s", &ours).beside(&raw).goal(Goal::RatioAtLeast(0.7)),
    ])
}

/// Appends until the log holds at least `events`.
pub(super) async fn fill(store: &EventStore, events: usize) -> anyhow::Result<()> {
    let payload = vec![b'x'; 300];
    let missing = events.saturating_sub(usize::try_from(store.head().await?.position)?);
    let mut flight = tokio::task::JoinSet::new();
    for _ in 0..missing.div_ceil(FILL) {
        if flight.len() >= FLIGHT {
            flight.join_next().await.context("an append is in flight")???;
        }
        let events = (0..FILL).map(|_| event(&payload)).collect();
        let write = Write { stream: format!("bench-{}", random_id()), expected: Expected::NoStream, events };
        let store = store.clone();
        flight.spawn(async move {
            let append = Append { writes: vec![write], checks: vec![], operation: None };
            store.append(append).await.map(drop).context("fill the log")
        });
    }
    while let Some(done) = flight.join_next().await {
        done??;
    }
    Ok(())
}

/// The same columns as a record's, and nothing made of them.
fn every_column(log: i32) -> Statement {
    Statement::new(
        "select position, stream, stream_name, revision, id, kind, schema, payload, meta, recorded_at, hash
         from event
         where log = $1
         order by position",
        vec![log.into()],
    )
}

/// A row that was received and not read.
struct Passed;

impl ReadRow for Passed {
    fn read(_: &Row<'_>) -> Result<Self, DbError> {
        Ok(Self)
    }
}
