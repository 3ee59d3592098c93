//! Power cuts: server, and PostgreSQL where it is used, stand still, their disk is copied as it is, they never run again, and
//! what the disk held is mounted in its place.

use std::time::Duration;

use anyhow::Context;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rustix::process::Signal;

use crate::{load::Load, postgres::Cluster, process, reader::Readers, server::Server, stage::Stage};

const CLIENTS: usize = 12;
const READERS: usize = 1;
/// Between a server that is ready and the end of the power.
const LIVES: std::ops::Range<u64> = 100..1_200;

pub(super) async fn play(stage: &mut Stage) -> anyhow::Result<u64> {
    let mut random = StdRng::seed_from_u64(stage.seed);
    let load = Load::start(stage, CLIENTS)?;
    let mut cuts = 0;
    while cuts < stage.count && stage.goes_on() {
        let server = stage.serve("server", &[]).await?;
        stage.up([server.url.as_str()]);
        let readers = Readers::start(stage, READERS)?;
        let lives = random.random_range(LIVES);
        tokio::time::sleep(Duration::from_millis(lives)).await;
        stage.fault("power-cut", format!("after {lives} ms"))?;
        // What a reader saw is as much a promise as what a client was told.
        cut(stage, server, readers).await.context("cut the power")?;
        cuts += 1;
    }
    let readers = Readers::start(stage, READERS)?;
    stage.settle(Some(load), readers).await?;
    Ok(cuts)
}

pub(super) async fn cut(stage: &mut Stage, server: Server, readers: Readers) -> anyhow::Result<()> {
    let machine = stage.machine()?;
    let frozen = server.process()?;
    let (disk, cluster) = (machine.disk.as_mut().context("the machine has a disk")?, &mut machine.cluster);
    tokio::task::block_in_place(|| {
        // The server first: nobody is told anything from then on.
        process::freeze(&[frozen])?;
        if let Some(cluster) = cluster.as_ref() {
            cluster.freeze()?;
        }
        disk.cut_power(|| {
            process::signal(frozen, Signal::KILL)?;
            cluster.as_mut().map_or(Ok(()), Cluster::vanish)
        })
    })?;
    server.kill().await?;
    readers.abandon().await;
    stage.down();
    let machine = stage.machine()?;
    tokio::task::block_in_place(|| machine.restart())?;
    stage.reopen().await
}
