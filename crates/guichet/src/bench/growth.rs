//! What a log many times longer costs: the same for an append, a page of a stream, a page of the queue.

use std::time::Duration;

use anyhow::{Context, ensure};
use db::Statement;
use event_store::{Direction, EventStore, Filter, From};
use projections::{Page, ReadModels, deadline_queue};

use crate::{
    bench::{
        Plan, append,
        city::{self, City},
        load::{self, Client},
        report::{Figure, Goal},
        scratch::Scratch,
    },
    config::Settings,
    wire::Site,
};

/// The shorter log, unless the longer one is not even ten times longer.
const SHORT: usize = 100_000;
const PAGE: usize = 50;
/// Streams that are read, each somewhere else in the log.
const STREAMS: usize = 1_000;
const AT_MOST: Duration = Duration::from_secs(3);
/// What PostgreSQL would otherwise do by itself beside the first runs, for many rows that came at once.
const SETTLE: [&str; 2] = ["vacuum analyze", "checkpoint"];

pub(super) async fn measure(scratch: &Scratch, plan: Plan, settings: &Settings) -> anyhow::Result<Vec<Figure>> {
    let other = Scratch::new(&scratch.place).await?;
    let short = SHORT.min(plan.events / 10);
    let figures = compare(scratch, &other, short, plan, settings).await;
    other.remove().await?;
    figures
}

async fn compare(
    long: &Scratch,
    short: &Scratch,
    events: usize,
    plan: Plan,
    settings: &Settings,
) -> anyhow::Result<Vec<Figure>> {
    let mut long = Length::fill(long, plan.events, settings).await?;
    let mut short = Length::fill(short, events, settings).await?;
    for _ in 0..plan.runs {
        for length in [&mut short, &mut long] {
            length.run(plan.time.min(AT_MOST)).await?;
        }
    }
    let figure = |what: &str, long: &[f64], short: &[f64]| {
        Figure::new(format!("{what}, p50: {} events beside {events}", plan.events), "ms", long)
            .beside(short)
            .goal(Goal::RatioAtMost(1.2))
    };
    Ok(vec![
        figure("append, 1 appender", &long.append, &short.append),
        figure("page of a stream", &long.stream, &short.stream),
        figure("page of 50 of the queue", &long.queue, &short.queue),
    ])
}

/// A log of one length, with its read models.
struct Length {
    site: Site,
    streams: Vec<String>,
    /// The median of each run, in milliseconds.
    append: Vec<f64>,
    stream: Vec<f64>,
    queue: Vec<f64>,
}

impl Length {
    async fn fill(scratch: &Scratch, events: usize, settings: &Settings) -> anyhow::Result<Self> {
        let site = city::site(scratch, settings).await?;
        City::read(&site)?.fill(&site, events).await?;
        let models = city::models(&site);
        projections::rebuild(models, &[], &mut |_| ()).await.context("fill the read models")?;
        for command in scratch.pick(&[][..], &SETTLE) {
            let command = Statement::new(command, vec![]);
            scratch.databases.server().execute(command).await.context("let the database settle")?;
        }
        let streams = streams(models.store()).await?;
        Ok(Self { site, streams, append: Vec::new(), stream: Vec::new(), queue: Vec::new() })
    }

    async fn run(&mut self, time: Duration) -> anyhow::Result<()> {
        let models = city::models(&self.site);
        let store = models.store();
        self.append.push(append::appends(store, 1, time).await?.latency.latency().p50_ms);
        let pages = StreamPages { store: store.clone(), streams: self.streams.clone(), next: 0 };
        self.stream.push(load::closed([pages], time).await?.latency.latency().p50_ms);
        self.queue.push(load::closed([QueuePages(models.clone())], time).await?.latency.latency().p50_ms);
        Ok(())
    }
}

async fn streams(store: &EventStore) -> anyhow::Result<Vec<String>> {
    let head = store.head().await?.position;
    let mut streams = Vec::with_capacity(STREAMS);
    for _ in 0..STREAMS {
        let from = From::At(rand::random_range(1..=head));
        let found = store.read_log(from, Direction::Forward, 1, &Filter::all()).await.context("find a stream")?;
        streams.push(found.into_iter().next().context("the log has no gap")?.stream);
    }
    Ok(streams)
}

struct StreamPages {
    store: EventStore,
    streams: Vec<String>,
    next: usize,
}

impl Client for StreamPages {
    async fn step(&mut self) -> anyhow::Result<()> {
        let stream = &self.streams[self.next % self.streams.len()];
        self.next += 1;
        let page = self.store.read_stream(stream, From::Start, Direction::Forward, PAGE).await;
        ensure!(!page.context("read a stream")?.is_empty(), "the stream {stream} is empty");
        Ok(())
    }
}

struct QueuePages(ReadModels);

impl Client for QueuePages {
    async fn step(&mut self) -> anyhow::Result<()> {
        let page = deadline_queue::list(&self.0, &deadline_queue::Filter::default(), &Page::first(PAGE as i64)).await?;
        ensure!(page.len() == PAGE, "the queue holds {} promises: the log is too short", page.len());
        Ok(())
    }
}
