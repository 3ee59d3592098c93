//! What a log ten times longer costs: the same per append and per page.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use event_store::{Direction, EventStore, Filter, From};

use crate::bench::{
    Plan, append,
    replay::fill,
    report::{Figure, Goal, Histogram},
    scratch::Scratch,
};

/// Reads of each kind.
const READS: usize = 2_000;
const PAGE: usize = 100;

/// Medians, in milliseconds, at one length of the log.
struct Costs {
    append: f64,
    stream: f64,
    page: f64,
}

pub(super) async fn measure(scratch: &Scratch, plan: Plan) -> anyhow::Result<Vec<Figure>> {
    let store = scratch.store("growth").await?;
    let (short, long) = (plan.events, plan.events * 10);
    let small = costs(&store, plan, short).await?;
    let large = costs(&store, plan, long).await?;
    let figure = |what: &str, large: f64, small: f64| {
        Figure::new(format!("{what}: {long} events beside {short}"), "ms", &[large])
            .beside(&[small])
            .goal(Goal::RatioAtMost(1.2))
    };
    Ok(vec![
        figure("append, 1 appender, p50", large.append, small.append),
        figure("read of a stream of 10, p50", large.stream, small.stream),
        figure("page of 100 of the log, p50", large.page, small.page),
    ])
}

async fn costs(store: &EventStore, plan: Plan, events: usize) -> anyhow::Result<Costs> {
    fill(store, events).await?;
    let mut all = Histogram::new();
    for _ in 0..plan.runs {
        let (_, seen) = append::appends(store, 1, plan.time.min(Duration::from_secs(3))).await?;
        all.add(&seen);
    }
    let head = store.head().await?.position;
    let (mut streams, mut pages) = (Histogram::new(), Histogram::new());
    for _ in 0..READS {
        let at = 1 + i64::from(rand::random::<u32>()) % head;
        let from = From::At(at);
        let start = Instant::now();
        let page = store.read_log(from, Direction::Forward, PAGE, &Filter::all()).await.context("read a page")?;
        pages.record(start.elapsed());
        let stream = &page.first().context("the page is empty")?.stream;
        let start = Instant::now();
        let read = store.read_stream(stream, From::Start, Direction::Forward, PAGE).await.context("read a stream")?;
        streams.record(start.elapsed());
        ensure!(!read.is_empty(), "the stream {stream} is empty");
    }
    Ok(Costs { append: all.latency().p50_ms, stream: streams.latency().p50_ms, page: pages.latency().p50_ms })
}
