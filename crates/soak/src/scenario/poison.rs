//! Events that no projection can fold, planted past every door: those who read their category stop there and say so, the others
//! go on, none skips one, and the doors answer all the same.

use anyhow::{Context, ensure};
use checker::ledger::{Line, Planted};
use event_store::{Append, Expected, NewEvent, Write};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::time::{Duration, Instant};
use uuid::Uuid;

use crate::{
    server::Server,
    site::ORGANISATION,
    stage::{Stage, within},
};

const CLIENTS: usize = 6;
/// A projection stops at once; what takes longer did not stop.
const STOPS: Duration = Duration::from_secs(30);
const ASKED_AGAIN: Duration = Duration::from_millis(20);

/// The one read model that reads persons too; all of them read requests.
const OF_PERSONS: &str = "person_history";

/// What nobody can fold: a kind that never was, a shape of the future, bytes that are no event.
const POISONS: [(&str, i32, &[u8]); 4] =
    [("exploded", 1, b"{}"), ("submitted", 99, b"{}"), ("submitted", 1, b"{\"at\":"), ("registered", 1, b"\xff\xfe")];

pub(super) async fn play(stage: &mut Stage) -> anyhow::Result<u64> {
    let mut random = StdRng::seed_from_u64(stage.seed);
    let (server, load, readers) = stage.under_load(CLIENTS, 1).await?;

    let persons = plant(stage, "person", &mut random).await?;
    until_stopped(stage, |model| (model == OF_PERSONS).then_some(persons)).await?;
    told(&server, 1).await?;
    let requests = plant(stage, "request", &mut random).await?;
    let stops = move |model: &str| Some(if model == OF_PERSONS { persons } else { requests });
    until_stopped(stage, stops).await?;
    // More of the same, behind the first: nobody gets that far.
    let mut planted = 2;
    while planted < stage.count {
        plant(stage, ["person", "request"][random.random_range(0..2)], &mut random).await?;
        planted += 1;
    }

    load.finish().await?;
    let status = told(&server, 6).await;
    stage.down();
    ensure!(server.stop().await?.success(), "the server did not stop well");
    status?;
    readers.finish(stage.store.head().await?.position).await?;
    // A new process stops where the old one did, and so does a rebuild.
    let again = stage.serve("again", &[]).await?;
    until_stopped(stage, stops).await?;
    again.kill().await?;
    stage.compare(Some(&stops)).await?;
    Ok(planted)
}

/// Appends an event that cannot be folded; its position.
async fn plant(stage: &Stage, category: &str, random: &mut StdRng) -> anyhow::Result<i64> {
    let (what, schema, payload) = POISONS[random.random_range(0..POISONS.len())];
    let id = Uuid::from_u128(random.random());
    stage.ledger.write(&Line::Planted(Planted { id }))?;
    let kind = format!("{category}.{what}");
    stage.fault("poison", format!("{kind} {schema}"))?;
    let event = NewEvent { id, kind, schema, payload: payload.to_vec(), meta: b"{\"actor\":\"usr_soak\"}".to_vec() };
    let stream = format!("{category}-{}", Uuid::from_u128(random.random()));
    let write = Write { stream, expected: Expected::NoStream, events: vec![event] };
    let append = Append { writes: vec![write], checks: vec![], operation: None };
    Ok(stage.store.append(append).await.context("plant an event")?.last)
}

/// Those that have to stop have stopped there, and the others have passed the event.
async fn until_stopped(stage: &Stage, stops: impl Fn(&str) -> Option<i64>) -> anyhow::Result<()> {
    let head = stage.store.head().await?.position;
    let deadline = Instant::now() + STOPS;
    loop {
        let status = stage.models.status().await?;
        let good = status.iter().all(|model| match (&model.stopped, stops(model.name)) {
            (Some((at, _)), Some(expected)) => *at == expected && model.position == expected - 1,
            (None, None) => model.position >= head,
            _ => false,
        });
        if good {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "the read models stand wrong: {status:?}");
        tokio::time::sleep(ASKED_AGAIN).await;
    }
}

/// The server still says that it can serve, and names so many that have stopped.
async fn told(server: &Server, stopped: usize) -> anyhow::Result<()> {
    let deadline = Instant::now() + STOPS;
    loop {
        let answer = within(STOPS, "/readyz", reqwest::get(format!("{}/readyz", server.url))).await??;
        let (status, text) = (answer.status(), answer.text().await?);
        let lines = text.lines().filter(|line| line.starts_with(ORGANISATION) && line.contains("has stopped"));
        if status.is_success() && lines.count() == stopped {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "/readyz says {status}: {text}");
        tokio::time::sleep(ASKED_AGAIN).await;
    }
}
