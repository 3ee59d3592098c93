//! Disks that are full, and disks that fail: the n-th flush, the n-th write.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::power;
use crate::{
    load::Load,
    reader::Readers,
    server::Server,
    stage::Stage,
    strace::{Failure, Injection},
};

const CLIENTS: usize = 8;
const READERS: usize = 1;
/// Room that is left on a full disk, in KiB: now and then it lasts for some writes more.
const LEFT: std::ops::Range<u64> = 0..256;
const FULL: std::ops::Range<u64> = 300..3_000;
/// From room on the disk to the first append that is on it, without anybody's help.
const HEALS: Duration = Duration::from_secs(10);
/// With a call that fails a server may refuse, hang in repetitions, or end.
const STARTS: Duration = Duration::from_secs(10);
const BROKEN: Duration = Duration::from_millis(700);
/// In each thread the first, the second, … call fails, up to this one; then from the start again.
const CALLS: u32 = 200;

pub(super) async fn full(stage: &mut Stage) -> anyhow::Result<u64> {
    let mut random = StdRng::seed_from_u64(stage.seed);
    let (server, load, readers) = stage.under_load(CLIENTS, READERS).await?;
    stage.grows(1).await?;
    let mut trials = 0;
    while trials < stage.count && stage.goes_on() {
        let (left, lasts) = (random.random_range(LEFT), random.random_range(FULL));
        stage.fault("disk-full", format!("{left} KiB left, for {lasts} ms"))?;
        let ballast = stage.machine()?.disk()?.fill(left)?;
        tokio::time::sleep(Duration::from_millis(lasts)).await;
        // What can be read needs no room, but PostgreSQL ends where it cannot write ahead, and its operator starts it again.
        if stage.machine()?.cluster.is_none() {
            stage.reads(&server.url).await.context("read while the disk is full")?;
        }
        drop(ballast);
        if let Some(cluster) = &mut stage.machine()?.cluster {
            tokio::task::block_in_place(|| cluster.revive()).context("start PostgreSQL again")?;
        }
        stage.recovers("first append after the disk had room again", Instant::now(), HEALS).await?;
        trials += 1;
    }
    stage.settle_on(server, Some(load), readers).await?;
    Ok(trials)
}

/// Each server, or the PostgreSQL beneath it, lives with one failing call and ends in a power cut: whatever was acknowledged on the
/// word of a flush that never happened is then missing.
pub(super) async fn broken(stage: &mut Stage) -> anyhow::Result<u64> {
    let load = Load::start(stage, CLIENTS)?;
    let (mut trials, mut served) = (0, 0);
    while trials < stage.count && stage.goes_on() {
        let injection = injection(stage.seed.wrapping_add(trials));
        stage.fault("broken-disk", format!("{injection:?}"))?;
        let readers = Readers::start(stage, READERS)?;
        // What cannot even start, or hangs in repetitions, acknowledges nothing.
        let broken = tokio::time::timeout(STARTS, serve_on_broken_disk(stage, injection)).await;
        if let Ok(Ok(server)) = broken {
            stage.up([server.url.as_str()]);
            tokio::time::sleep(BROKEN).await;
            power::cut(stage, server, readers).await?;
            served += 1;
        } else {
            readers.abandon().await;
            if let Some(cluster) = &mut stage.machine()?.cluster {
                // Its operator could not count on it to end by itself.
                tokio::task::block_in_place(|| cluster.vanish().and_then(|()| cluster.start()))?;
            }
        }
        trials += 1;
    }
    ensure!(served > 0, "no server lived long enough to be asked anything");
    let readers = Readers::start(stage, READERS)?;
    stage.settle(Some(load), readers).await?;
    Ok(trials)
}

/// The disk breaks beneath a server that starts, or beneath a PostgreSQL that runs already: it flushes while it starts, and would not.
async fn serve_on_broken_disk(stage: &mut Stage, injection: Injection) -> anyhow::Result<Server> {
    let site = match &mut stage.machine()?.cluster {
        Some(cluster) => {
            tokio::task::block_in_place(|| cluster.injure(injection))?;
            stage.site.clone()
        }
        None => stage.site.behind(injection.prefix()),
    };
    Server::start(&site, "broken", &["serve"], &[]).await
}

/// All of them in turn: every call, both errors, once and for ever, n = 1, 2, 3 …
fn injection(number: u64) -> Injection {
    let calls = if number.is_multiple_of(2) { "fdatasync,fsync" } else { "pwrite64" };
    let failure = if (number / 2).is_multiple_of(2) { Failure::Io } else { Failure::NoRoom };
    Injection { calls, failure, onwards: number / 4 % 2 == 1, at: 1 + (number / 8 % u64::from(CALLS)) as u32 }
}
