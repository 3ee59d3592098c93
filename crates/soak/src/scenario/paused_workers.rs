//! Two to eight workers on the same read models. One sleeps longer than any time-out, wakes, and believes that nothing
//! happened; now and then one is killed and another joins.

use std::time::Duration;

use anyhow::Context;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::sync::watch;

use crate::{load::Load, reader::Readers, server::Server, stage::Stage};

const CLIENTS: usize = 8;
const WORKERS: std::ops::RangeInclusive<usize> = 2..=8;
/// Most sleeps are short; one in ten outlasts every time-out of the program and of its database sessions.
const NAP: std::ops::Range<u64> = 100..1_500;
const SLEEP: std::ops::Range<u64> = 11_000..13_000;
const LONG: u64 = 10;
const SAMPLED: Duration = Duration::from_millis(50);

pub(super) async fn play(stage: &mut Stage) -> anyhow::Result<u64> {
    let mut random = StdRng::seed_from_u64(stage.seed);
    let server = stage.serve("server", &["--no-work"]).await?;
    let mut workers = Vec::new();
    for _ in 0..random.random_range(WORKERS) {
        workers.push(work(stage).await?);
    }
    stage.up([server.url.as_str()]);
    let load = Load::start(stage, CLIENTS)?;
    let readers = Readers::start(stage, 1)?;
    let (stop, stopped) = watch::channel(false);
    let (sampled, paused) = tokio::join!(sample(stage, stopped), async {
        let paused = pause(stage, &mut random, &mut workers).await;
        let _ = stop.send_replace(true);
        paused
    });
    sampled?;
    let paused = paused?;
    stage.settle_with(server, workers, Some(load), readers).await?;
    Ok(paused)
}

async fn pause(stage: &Stage, random: &mut StdRng, workers: &mut Vec<Server>) -> anyhow::Result<u64> {
    let mut paused = 0;
    while paused < stage.count && stage.goes_on() {
        let which = random.random_range(0..workers.len());
        let millis = random.random_range(if paused % LONG == LONG - 1 { SLEEP } else { NAP });
        stage.fault("pause", format!("worker {which} for {millis} ms"))?;
        workers[which].pause()?;
        tokio::time::sleep(Duration::from_millis(millis)).await;
        workers[which].resume()?;
        paused += 1;
        if random.random_bool(0.1) {
            stage.fault("kill", format!("worker {which}"))?;
            workers.swap_remove(which).kill().await?;
            workers.push(work(stage).await?);
        }
    }
    Ok(paused)
}

async fn work(stage: &Stage) -> anyhow::Result<Server> {
    let mut worker = Server::start(&stage.served(), "worker", &["work"], &[]).await?;
    worker.ready(stage.clock, &stage.ledger).await?;
    Ok(worker)
}

async fn sample(stage: &Stage, mut stopped: watch::Receiver<bool>) -> anyhow::Result<()> {
    while !*stopped.borrow_and_update() {
        stage.sample_checkpoints().await?;
        if let Ok(changed) = tokio::time::timeout(SAMPLED, stopped.changed()).await {
            changed.context("the soak is gone")?;
        }
    }
    Ok(())
}
