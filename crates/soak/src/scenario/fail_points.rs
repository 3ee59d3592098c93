//! The process ends at a named point of its code, the k-th time that it comes by, for k = 1, 2, … until it never does.
//!
//! This enumerates what kills at random moments only sample: every side of every commit.

use std::time::Duration;

use anyhow::{Context, ensure};
use rand::{SeedableRng, rngs::StdRng};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::{client::Write, load, reader::Readers, server::Server, site::ORGANISATION, stage::Stage};

/// Passed while requests are served. On PostgreSQL a batch is one statement, whose inside is nobody's to end; there
/// enumeration is over at once where a point lies in between.
const SERVING: [&str; 9] = [
    "vault.after_keys",
    "append.before_commit",
    "append.before_insert",
    "append.in_batch",
    "append.after_insert",
    "append.after_commit",
    "projection.after_checkpoint",
    "projection.after_rows",
    "projection.after_commit",
];
/// Passed while read models are built again.
const REBUILDING: [&str; 4] =
    ["rebuild.after_rows", "rebuild.before_switch", "rebuild.in_switch", "rebuild.after_switch"];
/// Passed while a file is imported.
const IMPORTING: [&str; 3] = ["import.after_row", "append.before_commit", "append.after_commit"];

/// Writes of one life: some at once, so that batches of several form.
const WRITES: usize = 6;
/// The read models follow the last write within this, or the point is not on their way any more.
const FOLLOWED: Duration = Duration::from_mins(1);

/// What is imported, out of a file of the program's own.
const IMPORT: [&str; 7] = [
    "import",
    "--mapping",
    "mappings/montreal.toml",
    "data/montreal/rats_2016-2017.json.gz",
    "--from",
    "2016-01-01",
    "--until",
];
const UNTIL: &str = "2016-01-20";
const IMPORTED_BY: &str = "montreal";

/// What the process is at when it comes by.
#[derive(Debug, Clone, Copy)]
enum Life {
    Serving,
    Rebuilding,
    Importing,
}

pub(super) async fn play(stage: &mut Stage) -> anyhow::Result<u64> {
    ensure!(are_there(stage).await?, "the program has no fail points: build it with `--features failpoints`");
    let readers = Readers::start(stage, 1)?;
    let mut ends = until_clean(stage, Life::Serving, &SERVING).await?;
    stage.settle(None, readers).await?;
    ends += until_clean(stage, Life::Rebuilding, &REBUILDING).await?;
    ends += until_clean(stage, Life::Importing, &IMPORTING).await?;
    imported(stage).await?;
    Ok(ends)
}

/// Whether the program can be armed; one that cannot refuses to start.
async fn are_there(stage: &Stage) -> anyhow::Result<bool> {
    Ok(stage.site.armed(&["key", "list"], "nowhere:1").await?.success())
}

/// Lives with each point armed at k = 1, 2, … until a life passes it less often; how many lives ended there.
async fn until_clean(stage: &Stage, life: Life, points: &[&str]) -> anyhow::Result<u64> {
    let mut ends = 0;
    for point in points {
        for k in 1..=stage.count {
            let armed = format!("{point}:{k}");
            let ended = match life {
                Life::Serving => serving(stage, &armed, k).await?,
                Life::Rebuilding => rebuilding(stage, &armed).await?,
                Life::Importing => ends_of(stage, &import(), &armed).await?,
            };
            if !ended {
                break;
            }
            stage.fault("fail point", armed)?;
            ends += 1;
        }
    }
    Ok(ends)
}

async fn rebuilding(stage: &Stage, armed: &str) -> anyhow::Result<bool> {
    let ended = ends_of(stage, &["rebuild", "--organisation", ORGANISATION], armed).await?;
    stage.compare(None).await?;
    Ok(ended)
}

/// A server with an armed point, a few writes, then one without, on which they all become definite. Whether it ended.
async fn serving(stage: &Stage, armed: &str, k: u64) -> anyhow::Result<bool> {
    let mut server = Server::start(&stage.served(), armed, &["serve"], &[("GUICHET_FAIL_POINT", armed)]).await?;
    if !server.ready(stage.clock, &stage.ledger).await? {
        heal(stage, JoinSet::new()).await?;
        return Ok(true);
    }
    stage.up([server.url.as_str()]);
    let mut writes = JoinSet::new();
    for number in 0..WRITES {
        let client = stage.client(&format!("client-{number}"), false)?;
        let mut random = StdRng::seed_from_u64(stage.seed ^ seed_of(armed) ^ k ^ (number as u64) << 32);
        let write = if number % 2 == 0 { Write::open311(&mut random) } else { Write::native(&mut random) };
        let mut urls = stage.urls();
        writes.spawn(async move { load::settle(&client, &mut urls, &mut random, &write).await.map(drop) });
    }
    let died = tokio::select! {
        ended = server.end() => { ended?; true }
        died = followed(stage, &mut writes) => { died?; false }
    };
    stage.down();
    if died {
        heal(stage, writes).await?;
    } else {
        server.kill().await?;
    }
    Ok(died)
}

/// Every write is answered and every read model holds it.
async fn followed(stage: &Stage, writes: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    while let Some(write) = writes.join_next().await {
        write.context("a client stopped")??;
    }
    let head = stage.store.head().await?.position;
    ensure!(stage.models.wait_for(head, FOLLOWED).await?, "the read models do not reach position {head}");
    Ok(())
}

async fn heal(stage: &Stage, mut writes: JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    let server = stage.serve("healed", &[]).await?;
    stage.up([server.url.as_str()]);
    followed(stage, &mut writes).await?;
    stage.down();
    server.kill().await
}

/// Whether a command with an armed point ended there.
async fn ends_of(stage: &Stage, arguments: &[&str], armed: &str) -> anyhow::Result<bool> {
    let status = stage.site.armed(arguments, armed).await?;
    ensure!(status.code().is_none_or(|code| code == 0), "{arguments:?} ended with {status}");
    Ok(status.code().is_none())
}

fn import() -> Vec<&'static str> {
    IMPORT.into_iter().chain([UNTIL, "--json"]).collect()
}

/// A file that was imported in pieces, each ended at a point, is there once.
async fn imported(stage: &Stage) -> anyhow::Result<()> {
    stage.site.done(&import()).await?;
    let again: Value = serde_json::from_str(&stage.site.done(&import()).await?)?;
    ensure!(again["imported"] == 0, "after an import that ended well there was a row left: {again}");
    let log = checker::read_and_verify(&stage.site.database.parse()?, IMPORTED_BY).await?;
    ensure!(log.violations == 0, "the log does not verify: {:?}", log.findings);
    let requests = log.by_name.keys().filter(|name| name.starts_with("request-")).count();
    ensure!(again["already"] == requests, "{requests} requests were made of {again}");
    stage.site.done(&["check", "--organisation", IMPORTED_BY]).await.map(drop)
}

/// The same for the same point, whatever the platform.
fn seed_of(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
