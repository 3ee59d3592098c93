//! How far the read models are behind the log while it takes events at a steady pace.
//!
//! An open model: each append has its instant, whatever became of those before it, and its lag counts from that instant.
//! A log that falls behind its schedule shows in the figure instead of hiding behind fewer questions.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use event_store::{Append, EventStore, Expected, Write};
use futures_util::{StreamExt, TryStreamExt, stream};
use projections::ReadModels;
use tokio_util::sync::CancellationToken;

use crate::{
    bench::{
        Plan,
        city::{self, City},
        report::{Figure, Goal, Runs, Seen},
        scratch::Scratch,
    },
    config::Settings,
    wire,
};

/// Appends a second, of one event each.
const PACE: u32 = 5_000;
/// Appends that wait for the log at once; fewer than its queue takes.
const FLIGHT: usize = 2_048;
/// How often the checkpoints are looked at.
const LOOK: Duration = Duration::from_millis(5);

pub(super) async fn measure(scratch: &Scratch, plan: Plan, settings: &Settings) -> anyhow::Result<Vec<Figure>> {
    let site = city::site(scratch, settings).await?;
    let models = city::models(&site);
    let city = City::read(&site)?;
    let stop = CancellationToken::new();
    let workers = wire::work(std::iter::once(models), &stop);
    let mut runs = Runs::default();
    let mut lived = city.lived();
    for _ in 0..plan.runs {
        let mut appends = Vec::new();
        while appends.len() < plan.time.as_secs() as usize * PACE as usize {
            appends.extend(singly(lived.next().context("the file is not empty")??));
        }
        wire::catch_up(models).await?;
        runs.add(&run(models, appends).await?);
    }
    stop.cancel();
    for worker in workers {
        worker.await.context("a worker stopped")?;
    }
    let took = Figure::new("appends taken at that pace", "/s", &runs.per_second);
    Ok(vec![
        Figure::new(format!("lag of the read models at {PACE} appends/s, p99"), "ms", &runs.p99_ms)
            .latency(&runs.latency)
            .goal(Goal::AtMost(250.0)),
        took,
    ])
}

/// Each event of a request in an append of its own.
fn singly(lived: application::Lived) -> impl Iterator<Item = Append> {
    let stream = lived.request.stream();
    city::events(lived.events).into_iter().enumerate().map(move |(revision, event)| {
        let expected = if revision == 0 { Expected::NoStream } else { Expected::Revision(revision as i64 - 1) };
        let write = Write { stream: stream.clone(), expected, events: vec![event] };
        Append { writes: vec![write], checks: vec![], operation: None }
    })
}

async fn run(models: &ReadModels, appends: Vec<Append>) -> anyhow::Result<Seen> {
    let count = appends.len();
    let stop = CancellationToken::new();
    let looks = tokio::spawn(look(models.clone(), stop.clone()));
    let start = Instant::now();
    let taken = pace(models.store(), appends, start).await?;
    let per_second = count as f64 / start.elapsed().as_secs_f64();
    wire::catch_up(models).await?;
    stop.cancel();
    let looks = looks.await.context("the look-out stopped")??;

    let mut seen = Seen { per_second, ..Seen::default() };
    for (position, due) in taken {
        // Checkpoints only move forward, so the looks are sorted by both.
        let first = looks.partition_point(|(_, reached)| *reached < position);
        let (at, _) = looks.get(first).context("the read models have caught up")?;
        seen.latency.record(at.saturating_duration_since(due));
    }
    Ok(seen)
}

/// The position that each append got, and when it was due.
async fn pace(store: &EventStore, appends: Vec<Append>, start: Instant) -> anyhow::Result<Vec<(i64, Instant)>> {
    let due = (0..).map(|number| start + Duration::from_secs(1) * number / PACE);
    let sent = stream::iter(due.zip(appends)).then(async |(due, append)| {
        tokio::time::sleep_until(due.into()).await;
        (due, append)
    });
    // `buffered` begins appends in their order, so the events of a request stand in theirs.
    sent.map(async |(due, append)| anyhow::Ok((store.append(append).await.context("append")?.last, due)))
        .buffered(FLIGHT)
        .try_collect()
        .await
}

/// When the slowest read model was seen at which position, until `stop` and once more.
async fn look(models: ReadModels, stop: CancellationToken) -> anyhow::Result<Vec<(Instant, i64)>> {
    let mut tick = tokio::time::interval(LOOK);
    let mut looks: Vec<(Instant, i64)> = Vec::new();
    loop {
        tick.tick().await;
        let last = stop.is_cancelled();
        let reached = models.position().await.context("ask where the read models stand")?;
        ensure!(looks.last().is_none_or(|(_, before)| *before <= reached), "a read model went back");
        looks.push((Instant::now(), reached));
        if last {
            return Ok(looks);
        }
    }
}
