//! What the program holds in memory: idle, while it imports, for each live subscription.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    time::Duration,
};

use anyhow::Context;
use indicatif::ProgressBar;

use crate::{
    bench::{
        Plan, city,
        process::Process,
        ready,
        report::{Figure, Goal},
        scratch::Scratch,
    },
    config::Settings,
    import,
};

const SUBSCRIPTIONS: usize = 1_000;

pub(super) async fn measure(scratch: &Scratch, plan: Plan, settings: &Settings) -> anyhow::Result<Vec<Figure>> {
    let (mut idle, mut importing, mut subscribed) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..plan.runs {
        let own = Scratch::new(&scratch.place).await?;
        idle.push(serving(&own, settings, plan.time).await?);
        importing.push(import(&own, settings, plan.rows).await?);
        subscribed.push(subscriptions(&own, settings).await? / SUBSCRIPTIONS as f64);
        own.remove().await?;
    }
    Ok(vec![
        Figure::new("memory of an idle server", "MB", &idle).goal(Goal::AtMost(60.0)),
        Figure::new(format!("most memory while {} rows are imported", plan.rows), "MB", &importing)
            .goal(Goal::AtMost(250.0)),
        Figure::new(format!("memory of each of {SUBSCRIPTIONS} live subscriptions to a log"), "KB", &subscribed)
            .goal(Goal::AtMost(32.0)),
    ])
}

/// A server that nobody asks anything, after a while.
async fn serving(scratch: &Scratch, settings: &Settings, time: Duration) -> anyhow::Result<f64> {
    let (server, _) = ready::serve(scratch, settings).await?;
    tokio::time::sleep(time).await;
    let held = server.memory("VmRSS")?;
    server.end().await?;
    Ok(held)
}

/// Boston's rows under keys of their own, until there are enough.
async fn import(scratch: &Scratch, settings: &Settings, rows: usize) -> anyhow::Result<f64> {
    let file = import::open(Path::new(city::FILE), &ProgressBar::hidden())?;
    let lines: Vec<String> = BufReader::new(file).lines().collect::<Result<_, _>>().context("read Boston's file")?;
    let (header, lines) = lines.split_first().context("the file has a first line")?;
    // The first column is the key.
    let again = (0_usize..).flat_map(|copy| lines.iter().map(move |line| format!("{copy}-{line}\n"))).take(rows);
    let rejects = std::env::temp_dir().join(format!("guichet-bench-{}.rej", std::process::id()));
    let rejects = rejects.display().to_string();
    let arguments = ["import", "--mapping", city::MAPPING, "--rejects", &rejects, "-"];
    let process = Process::start(scratch, settings, &arguments)?;
    process.feed(std::iter::once(format!("{header}\n")).chain(again)).await
}

/// Kilobytes in all.
async fn subscriptions(scratch: &Scratch, settings: &Settings) -> anyhow::Result<f64> {
    scratch.databases.create_log("followed").await?;
    let number = SUBSCRIPTIONS.to_string();
    let mut process = Process::start(scratch, settings, &["bench-child", "followed", "subscribe", &number])?;
    let megabytes = process.line().await?.parse::<f64>().context("a process says what its subscriptions hold")?;
    process.end().await?;
    Ok(megabytes * 1_000.0)
}
