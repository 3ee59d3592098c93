//! What `bench` has other processes do: it talks to them by lines.

use std::{process::ExitCode, time::Duration};

use anyhow::Context;
use clap::{Args, Subcommand};
use event_store::{Delivery, EventStore, Filter};
use tokio::task::JoinSet;

use crate::{
    bench::{append, process},
    config::Settings,
    wire,
};

#[derive(Debug, Args)]
pub(crate) struct ChildArgs {
    /// The log's slug.
    log: String,

    #[command(subcommand)]
    work: Work,
}

#[derive(Debug, Subcommand)]
enum Work {
    /// Says `ready`, waits for a line, appends, says how many events a second; until the lines end.
    Append { appenders: usize, seconds: u64 },
    /// Says how many megabytes so many live subscriptions hold.
    Subscribe { subscriptions: usize },
}

pub(crate) async fn run(args: ChildArgs, settings: &Settings) -> anyhow::Result<ExitCode> {
    let databases = wire::existing(settings).await?;
    let entry = databases.create_log(&args.log).await?;
    let store = EventStore::open(databases.log(&entry).await?, &entry).await?;
    match args.work {
        Work::Append { appenders, seconds } => append(&store, appenders, Duration::from_secs(seconds)).await?,
        Work::Subscribe { subscriptions } => subscribe(&store, subscriptions).await?,
    }
    databases.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn append(store: &EventStore, appenders: usize, time: Duration) -> anyhow::Result<()> {
    println!("ready");
    // The main thread may wait: the log's tasks run on others.
    for line in std::io::stdin().lines() {
        line.context("wait for the bench")?;
        println!("{}", append::appends(store, appenders, time).await?.per_second);
    }
    Ok(())
}

/// Each has caught up and been handed everything that was appended since.
async fn subscribe(store: &EventStore, subscriptions: usize) -> anyhow::Result<()> {
    // What one costs the first time, statements and buffers, is not theirs.
    append::fill(store, store.head().await?.position as usize + 1_000, |_| append::random_stream()).await?;
    follow(store, 1).await?;
    let before = process::memory("self", "VmRSS")?;
    let held = follow(store, subscriptions).await?;
    println!("{}", process::memory("self", "VmRSS")? - before);
    drop(held);
    Ok(())
}

/// Subscriptions that are live at a head that moved after they were.
async fn follow(store: &EventStore, subscriptions: usize) -> anyhow::Result<Vec<event_store::Subscription>> {
    let start = store.head().await?.position;
    let mut live = Vec::with_capacity(subscriptions);
    for _ in 0..subscriptions {
        let mut subscription = store.subscribe(start, Filter::all());
        while !matches!(subscription.next().await?, Delivery::CaughtUp { .. }) {}
        live.push(subscription);
    }
    append::fill(store, start as usize + 100, |_| append::random_stream()).await?;
    let head = store.head().await?.position;
    let mut following = JoinSet::new();
    for mut subscription in live {
        following.spawn(async move {
            while subscription.position() < head {
                subscription.next().await?;
            }
            anyhow::Ok(subscription)
        });
    }
    let mut held = Vec::with_capacity(subscriptions);
    while let Some(subscription) = following.join_next().await {
        held.push(subscription.context("a subscription stopped")??);
    }
    Ok(held)
}
