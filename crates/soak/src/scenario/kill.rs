//! kill -9 of the server at random moments, under load.

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{load::Load, reader::Readers, stage::Stage};

const CLIENTS: usize = 12;
const READERS: usize = 2;
/// Between a server that is ready and its death.
const LIVES: std::ops::Range<u64> = 50..1_500;

pub(super) async fn play(stage: &mut Stage) -> anyhow::Result<u64> {
    let mut random = StdRng::seed_from_u64(stage.seed);
    let load = Load::start(stage, CLIENTS)?;
    let readers = Readers::start(stage, READERS)?;
    let mut killed = 0;
    while killed < stage.count && stage.goes_on() {
        let server = stage.serve("server", &[]).await?;
        stage.up([server.url.as_str()]);
        let lives = random.random_range(LIVES);
        tokio::time::sleep(Duration::from_millis(lives)).await;
        stage.fault("kill", format!("after {lives} ms"))?;
        server.kill().await?;
        stage.down();
        stage.sample_checkpoints().await?;
        killed += 1;
    }
    stage.settle(Some(load), readers).await?;
    Ok(killed)
}
