//! PostgreSQL dies beneath a server that stays: killed, restarted, its sessions ended one after the other.

use std::time::{Duration, Instant};

use anyhow::Context;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    postgres::{self, Stop},
    stage::Stage,
};

const CLIENTS: usize = 12;
const READERS: usize = 2;
/// Between PostgreSQL that answers again and its next end.
const LIVES: std::ops::Range<u64> = 50..700;
const BETWEEN_TERMINATIONS: std::ops::Range<u64> = 10..150;
/// From a PostgreSQL that is ready to the first append that is on disk.
const RECOVERY: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outage {
    /// kill -9 of the postmaster.
    Crash,
    /// `fast` and `immediate` in turn.
    Restart,
    /// `pg_terminate_backend` of every session.
    Terminate,
}

pub(super) async fn play(stage: &mut Stage, outage: Outage) -> anyhow::Result<u64> {
    let mut random = StdRng::seed_from_u64(stage.seed);
    let (server, load, readers) = stage.under_load(CLIENTS, READERS).await?;
    let mut trials = 0;
    while trials < stage.count && stage.goes_on() {
        let lives = random.random_range(if outage == Outage::Terminate { BETWEEN_TERMINATIONS } else { LIVES });
        tokio::time::sleep(Duration::from_millis(lives)).await;
        stage.fault(&format!("{outage:?}"), format!("after {lives} ms"))?;
        let cluster = stage.machine()?.cluster()?;
        match outage {
            Outage::Crash => tokio::task::block_in_place(|| cluster.kill().and_then(|()| cluster.start()))?,
            Outage::Restart => {
                let how = if trials % 2 == 0 { Stop::Fast } else { Stop::Immediate };
                tokio::task::block_in_place(|| cluster.stop(how).and_then(|()| cluster.start()))?;
            }
            Outage::Terminate => drop(postgres::terminate_backends(&cluster.url("postgres")).await?),
        }
        stage.recovers("first append after PostgreSQL came back", Instant::now(), RECOVERY).await.context("recover")?;
        trials += 1;
    }
    stage.settle_on(server, Some(load), readers).await?;
    Ok(trials)
}
