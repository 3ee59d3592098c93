//! From the start of a server to its first `/readyz` that says yes, on a log that is long already.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::{
    bench::{
        Plan,
        city::{self, City},
        process::Process,
        report::{Figure, Goal},
        scratch::Scratch,
    },
    config::Settings,
};

const LOOK: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_mins(1);

pub(super) async fn measure(scratch: &Scratch, plan: Plan, settings: &Settings) -> anyhow::Result<Vec<Figure>> {
    let site = city::site(scratch, settings).await?;
    City::read(&site)?.fill(&site, plan.events).await?;
    let events = city::models(&site).store().head().await?.position;
    projections::rebuild(city::models(&site), &[], &mut |_| ()).await.context("fill the read models")?;
    drop(site);
    let mut seconds = Vec::new();
    for _ in 0..plan.runs {
        let (server, took) = serve(scratch, settings).await?;
        seconds.push(took.as_secs_f64());
        server.end().await?;
    }
    let name = format!("start of a server to ready, {events} events");
    Ok(vec![Figure::new(name, "s", &seconds).goal(Goal::AtMost(1.0))])
}

/// A server of its own that is ready, and how long that took.
pub(super) async fn serve(scratch: &Scratch, settings: &Settings) -> anyhow::Result<(Process, Duration)> {
    let start = Instant::now();
    let mut server = Process::start(scratch, settings, &["serve", "--listen", "127.0.0.1:0"])?;
    let line = server.line().await?;
    let url = line.split_whitespace().find(|word| word.starts_with("http://"));
    let readyz = format!("{}/readyz", url.context("a server says where it listens")?);
    let client = reqwest::Client::new();
    let mut tick = tokio::time::interval(LOOK);
    loop {
        tick.tick().await;
        if client.get(&readyz).send().await.context("ask whether the server is ready")?.status().is_success() {
            return Ok((server, start.elapsed()));
        }
        ensure!(start.elapsed() < PATIENCE, "the server does not become ready");
    }
}
