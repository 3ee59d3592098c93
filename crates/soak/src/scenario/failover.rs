//! A standby takes over: one that has everything, and one that has not.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    load::Load,
    postgres::{self, Cluster},
    proxy::Proxy,
    reader::Readers,
    stage::Stage,
};

const CLIENTS: usize = 12;
const READERS: usize = 1;
const LIVES: std::ops::Range<u64> = 300..1_500;
/// From a primary that is dead to the first append on the promoted standby.
const RECOVERY: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_mins(1);
const ASKED_AGAIN: Duration = Duration::from_millis(20);
/// What a standby that was cut off misses, at least, in events.
const MISSED: i64 = 50;

/// kill -9 of the primary, promotion of the standby that every commit waited for, a new standby behind it.
pub(super) async fn synchronous(stage: &mut Stage) -> anyhow::Result<u64> {
    let mut random = StdRng::seed_from_u64(stage.seed);
    let (server, load, readers) = stage.under_load(CLIENTS, READERS).await?;
    let mut trials = 0;
    while trials < stage.count && stage.goes_on() {
        let machine = stage.machine()?;
        let (place, log) = (machine.folder().join(format!("standby-{trials}")), machine.log());
        let primary = machine.cluster()?;
        let mut standby =
            tokio::task::block_in_place(|| Cluster::standby_of(primary.address(), &place, &log, "standby"))?;
        tokio::task::block_in_place(|| standby.start())?;
        primary.set("synchronous_standby_names = 'standby'")?;
        wait_for_standby(&primary.url("postgres")).await?;
        let lives = random.random_range(LIVES);
        tokio::time::sleep(Duration::from_millis(lives)).await;
        stage.fault("failover", format!("after {lives} ms"))?;
        let died = Instant::now();
        take_over(stage, standby)?;
        stage.recovers("first append on the promoted standby", died, RECOVERY).await?;
        trials += 1;
    }
    stage.settle_on(server, Some(load), readers).await?;
    Ok(trials)
}

/// The control: a standby that nobody waited for was cut off before its promotion. What was acknowledged meanwhile is lost,
/// the checker has to say so, and a server that knows it has to refuse.
pub(super) async fn asynchronous(stage: &mut Stage) -> anyhow::Result<u64> {
    let server = stage.serve("server", &[]).await?;
    stage.up([server.url.as_str()]);
    let machine = stage.machine()?;
    let (place, log) = (machine.folder().join("standby"), machine.log());
    let primary = machine.cluster()?;
    let replication = Proxy::start(primary.address(), 0).await?;
    let mut standby =
        tokio::task::block_in_place(|| Cluster::standby_of(replication.address(), &place, &log, "standby"))?;
    tokio::task::block_in_place(|| standby.start())?;
    wait_for_standby(&primary.url("postgres")).await?;
    let load = Load::start(stage, CLIENTS)?;
    stage.grows(MISSED).await?;
    // Nobody listens there: from now on the standby gets nothing, however often it connects.
    replication.redirect(nowhere().await?);
    stage.grows(MISSED).await?;
    stage.fault("failover-asynchronous", "to a standby that misses the newest events")?;
    take_over(stage, standby)?;
    stage.told("server.log_diverged").await.context("a server that knows better refuses to write")?;
    // A process that starts now knows only what it finds.
    server.kill().await?;
    stage.down();
    let readers = Readers::start(stage, READERS)?;
    stage.settle(Some(load), readers).await?;
    Ok(1)
}

fn take_over(stage: &mut Stage, mut standby: Cluster) -> anyhow::Result<()> {
    let machine = stage.machine()?;
    tokio::task::block_in_place(|| {
        machine.cluster()?.kill()?;
        standby.promote()?;
        // Until it has a standby of its own nobody is waited for.
        standby.set("synchronous_standby_names = ''")
    })?;
    machine.proxy()?.redirect(standby.address());
    machine.cluster = Some(standby);
    Ok(())
}

/// Until the standby has all that the primary had when this was called.
async fn wait_for_standby(primary: &str) -> anyhow::Result<()> {
    let head = postgres::ask(primary, "select pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::int8").await?;
    let started = Instant::now();
    let behind = format!(
        "select count(*) from pg_stat_replication
         where state = 'streaming' and pg_wal_lsn_diff(flush_lsn, '0/0')::int8 >= {head}
         and (sync_state = 'sync' or current_setting('synchronous_standby_names') = '')"
    );
    while postgres::ask(primary, &behind).await? == 0 {
        ensure!(started.elapsed() < PATIENCE, "the standby does not follow");
        tokio::time::sleep(ASKED_AGAIN).await;
    }
    Ok(())
}

async fn nowhere() -> anyhow::Result<SocketAddr> {
    Ok(tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?.local_addr()?)
}
