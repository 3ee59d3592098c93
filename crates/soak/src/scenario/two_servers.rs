//! Two servers on one database, each of which dies now and then while the other goes on.

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{load::Load, reader::Readers, stage::Stage};

const CLIENTS: usize = 16;
const LIVES: std::ops::Range<u64> = 200..2_000;

pub(super) async fn play(stage: &mut Stage) -> anyhow::Result<u64> {
    let mut random = StdRng::seed_from_u64(stage.seed);
    let load = Load::start(stage, CLIENTS)?;
    let readers = Readers::start(stage, 2)?;
    let mut servers = [stage.serve("left", &[]).await?, stage.serve("right", &[]).await?];
    let mut killed = 0;
    while killed < stage.count && stage.goes_on() {
        stage.up(servers.iter().map(|server| server.url.as_str()));
        let lives = random.random_range(LIVES);
        tokio::time::sleep(Duration::from_millis(lives)).await;
        let which = random.random_range(0..2_usize);
        let name = ["left", "right"][which];
        stage.fault("kill", format!("{name} after {lives} ms"))?;
        stage.up([servers[1 - which].url.as_str()]);
        // Its successor starts while it still runs, as in a rolling upgrade.
        let successor = stage.serve(name, &[]).await?;
        std::mem::replace(&mut servers[which], successor).kill().await?;
        stage.sample_checkpoints().await?;
        killed += 1;
    }
    let [left, right] = servers;
    right.kill().await?;
    stage.settle_on(left, Some(load), readers).await?;
    Ok(killed)
}
