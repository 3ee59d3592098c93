//! Replay of the whole log in order, beside the same ordered `select` through the same driver, its rows thrown away.

use std::time::Instant;

use anyhow::ensure;
use db::Statement;
use event_store::Filter;
use futures_util::TryStreamExt;

use crate::bench::{
    Plan, append,
    report::{Figure, Goal},
    scratch::{Passed, Scratch},
};

pub(super) async fn measure(scratch: &Scratch, plan: Plan) -> anyhow::Result<Vec<Figure>> {
    let store = scratch.store("replay").await?;
    append::fill(&store, plan.events, |_| append::random_stream()).await?;
    let log = scratch.log("replay").await?;
    let entry = scratch.databases.create_log("replay").await?;
    let head = store.head().await?.position;
    let (mut ours, mut raw) = (Vec::new(), Vec::new());
    for _ in 0..plan.runs {
        let start = Instant::now();
        let rows = log.stream::<Passed>(every_column(entry.id));
        let rows = rows.try_fold(0, |count, _| async move { Ok(count + 1) }).await?;
        raw.push(f64::from(rows) / start.elapsed().as_secs_f64());

        let start = Instant::now();
        let records = store.scan(0, Filter::all());
        let last = records.try_fold(0_i64, |_, record| async move { Ok(record.position) }).await?;
        ensure!(last == head, "the replay ended at {last}, the log at {head}");
        ours.push(last as f64 / start.elapsed().as_secs_f64());
    }
    Ok(vec![
        Figure::new(format!("replay of {head} events"), "events/s", &ours)
            .beside(&raw)
            .goal(Goal::RatioAtLeast(0.9))
            .goal(Goal::AtLeast(scratch.pick(300_000.0, 200_000.0))),
    ])
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
