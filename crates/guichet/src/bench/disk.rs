//! What an event costs on disk beyond its payload and meta, all indexes of the log's tables included.

use std::time::Duration;

use db::{Databases, Dialects, Statement};
use event_store::{EventStore, Filter};
use futures_util::TryStreamExt;

use crate::bench::{
    Plan, append,
    report::{Figure, Goal},
    scratch::Scratch,
};

/// A SQLite file holds the tables of one log and little else.
const SIZE: Dialects = Dialects {
    sqlite: "select page_count * page_size from pragma_page_count, pragma_page_size",
    postgres: "select sum(pg_total_relation_size(name::regclass))::bigint
               from unnest(array['log_head', 'stream', 'event', 'operation']) as name",
};

pub(super) async fn measure(scratch: &Scratch, plan: Plan) -> anyhow::Result<Vec<Figure>> {
    let store = scratch.store("disk").await?;
    // One event an append, as they come: what their updates leave behind counts too.
    while store.head().await?.position < plan.events as i64 {
        append::appends(&store, 64, Duration::from_secs(1)).await?;
    }
    Ok(vec![figure("streams of 10 events of 400 bytes", &scratch.databases, &store).await?])
}

/// Of the only log that has events.
pub(super) async fn figure(what: &str, databases: &Databases, store: &EventStore) -> anyhow::Result<Figure> {
    let records = store.scan(0, Filter::all());
    let (events, own) = records
        .try_fold((0_u64, 0), |(events, own), record| async move {
            Ok((events + 1, own + record.payload.len() + record.meta.len()))
        })
        .await?;
    let log = databases.log(&databases.create_log(store.slug()).await?).await?;
    let (size,): (i64,) = log.fetch_one(Statement::per_dialect(SIZE, vec![])).await?;
    let each = |bytes: f64| bytes / events as f64;
    let beyond = each(size as f64 - own as f64);
    Ok(Figure::new(format!("disk beyond payload and meta, {what}"), "bytes/event", &[beyond])
        .goal(Goal::AtMost(320.0))
        .note(format!("{events} events of {:.0} bytes", each(own as f64))))
}
