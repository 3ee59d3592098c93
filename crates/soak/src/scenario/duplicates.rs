//! One operation fifty times at once, on two servers, one of which may die meanwhile.

use anyhow::Context;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::task::JoinSet;

use crate::{
    client::{Done, Outcome, Write},
    load,
    reader::Readers,
    stage::Stage,
};

const AT_ONCE: usize = 50;
/// A server is killed in the middle of every so-many-th round.
const KILLED: u64 = 5;

pub(super) async fn play(stage: &mut Stage) -> anyhow::Result<u64> {
    let mut random = StdRng::seed_from_u64(stage.seed);
    let readers = Readers::start(stage, 2)?;
    let clients = (0..AT_ONCE).map(|number| stage.client(&format!("client-{number}"), number % 2 == 0));
    let clients = clients.collect::<anyhow::Result<Vec<_>>>()?;
    let stays = stage.serve("stays", &[]).await?;
    let mut other = stage.serve("other", &[]).await?;
    let mut matter: Option<Done> = None;
    let mut rounds = 0;
    while rounds < stage.count && stage.goes_on() {
        let write = match (rounds % 3, matter.take()) {
            (2, Some(Done { id, etag, .. })) => Write::assignment(&mut random, &id, etag),
            (1, _) => Write::open311(&mut random),
            _ => Write::native(&mut random),
        };
        stage.fault("duplicates", write.op.clone())?;
        let mut attempts = JoinSet::new();
        for (number, client) in clients.iter().enumerate() {
            let (client, write) = (client.clone(), write.clone());
            let url = if number % 2 == 0 { stays.url.clone() } else { other.url.clone() };
            attempts.spawn(async move { client.attempt(&url, &write).await });
        }
        if rounds % KILLED == KILLED - 1 {
            // Somewhere between none of the fifty and all of them.
            for _ in 0..random.random_range(0..AT_ONCE) {
                attempts.join_next().await.context("there are attempts left")???;
            }
            other.kill().await?;
            other = stage.serve("other", &[]).await?;
        }
        while let Some(attempt) = attempts.join_next().await {
            if let Outcome::Done(done) = attempt.context("a client stopped")?? {
                matter = Some(done).filter(|done| done.etag.is_some());
            }
        }
        // Once more, when all is quiet: what none of the fifty may have learned.
        stage.up([stays.url.as_str(), other.url.as_str()]);
        load::settle(&clients[0], &mut stage.urls(), &mut random, &write).await?;
        rounds += 1;
    }
    other.kill().await?;
    stage.settle_on(stays, None, readers).await?;
    Ok(rounds)
}
