//! A stream of ten events read by sixteen readers, beside the same prepared `select` without us.

use anyhow::{Context, ensure};
use db::Db;
use event_store::{Direction, EventStore, From, measured};

use crate::bench::{
    Plan, append,
    load::{self, Client},
    pgbench,
    report::{Figure, Goal, Runs},
    scratch::{Passed, Scratch},
};

const READERS: usize = 16;
const EVENTS: usize = 10;
/// More than a stream holds.
const LIMIT: usize = 100;

pub(super) async fn measure(scratch: &Scratch, plan: Plan) -> anyhow::Result<Vec<Figure>> {
    let store = scratch.store("streams").await?;
    append::fill(&store, plan.events, name).await?;
    let streams = plan.events / EVENTS;
    let log = scratch.databases.create_log("streams").await?.id;
    let db = scratch.log("streams").await?;
    let pgbench = scratch.pgbench()?;
    let (mut ours, mut raw) = (Runs::default(), Runs::default());
    for _ in 0..plan.runs {
        raw.add(&match &pgbench {
            Some(pgbench) => pgbench.run("guichet", &script(log, streams), READERS, plan.time).await?,
            None => load::closed((0..READERS).map(|_| Select { db: db.clone(), log, streams }), plan.time).await?,
        });
        ours.add(&load::closed((0..READERS).map(|_| Reader { store: store.clone(), streams }), plan.time).await?);
    }
    Ok(vec![
        Figure::new("stream of 10 events, 16 readers", "/s", &ours.per_second)
            .beside(&raw.per_second)
            .latency(&ours.latency)
            .goal(Goal::RatioAtLeast(0.9)),
    ])
}

/// Numbered, so that a script can name any of them; as long as the name of a live stream.
fn name(number: usize) -> String {
    format!("bench-{number:036}")
}

/// The program's own statement, for any stream.
fn script(log: i32, streams: usize) -> String {
    let statement = measured::stream(log, "", LIMIT);
    let stream = "'bench-' || lpad(:number, 36, '0')";
    let select = pgbench::filled(statement.sql(db::Dialect::Postgres), &[&log.to_string(), stream, "0", "100"]);
    format!("\\set number random(0, {})\n{select}", streams - 1)
}

struct Reader {
    store: EventStore,
    streams: usize,
}

impl Client for Reader {
    async fn step(&mut self) -> anyhow::Result<()> {
        let stream = name(rand::random_range(0..self.streams));
        let read = self.store.read_stream(&stream, From::Start, Direction::Forward, LIMIT).await;
        let read = read.context("read a stream")?.len();
        ensure!(read == EVENTS, "the stream {stream} has {read} events");
        Ok(())
    }
}

/// The same statement through the same driver, its rows thrown away.
struct Select {
    db: Db,
    log: i32,
    streams: usize,
}

impl Client for Select {
    async fn step(&mut self) -> anyhow::Result<()> {
        let stream = name(rand::random_range(0..self.streams));
        let rows = self.db.fetch_all::<Passed>(measured::stream(self.log, &stream, LIMIT)).await;
        rows.context("read a stream").map(drop)
    }
}
