//! A city's file: imported with every read model current, and its read models built again.

use std::{path::Path, time::Instant};

use anyhow::{Context, ensure};
use db::Location;
use tokio_util::sync::CancellationToken;
use vault::MasterKey;

use crate::{
    bench::{
        Plan,
        report::{Figure, Goal},
        scratch::Scratch,
    },
    config::Settings,
    import::{self, Days, Mapping},
    wire::{self, Site},
};

const MAPPING: &str = "mappings/boston.toml";
const FILE: &str = "data/boston/requests_2011-07_to_10.csv.gz";
const CITY: &str = "boston";

/// Seconds from the first row to the last row projected.
pub(super) async fn import(scratch: &Scratch, plan: Plan, settings: &Settings) -> anyhow::Result<Vec<Figure>> {
    let (mut seconds, mut per_second) = (Vec::new(), Vec::new());
    for _ in 0..plan.runs {
        let own = Scratch::new(&scratch.place).await?;
        let site = site(&own, settings).await?;
        let start = Instant::now();
        let events = bring(&site).await?;
        let took = start.elapsed().as_secs_f64();
        seconds.push(took);
        per_second.push(events as f64 / took);
        own.remove().await?;
    }
    let goal = match scratch.location {
        Location::Sqlite(_) => 30.0,
        Location::Postgres(_) => 40.0,
    };
    Ok(vec![
        Figure::new("import of Boston, read models current", "s", &seconds).goal(Goal::AtMost(goal)),
        Figure::new("the same", "events/s", &per_second),
    ])
}

/// Events a second while every read model is built again.
pub(super) async fn rebuild(scratch: &Scratch, plan: Plan, settings: &Settings) -> anyhow::Result<Vec<Figure>> {
    let site = site(scratch, settings).await?;
    let events = bring(&site).await?;
    let models = &site.models[CITY];
    let mut per_second = Vec::new();
    for _ in 0..plan.runs {
        let start = Instant::now();
        let report = projections::rebuild(models, &[], &mut |_| ()).await.context("rebuild")?;
        ensure!(report.events >= events as i64, "the rebuild folded {} of {events} events", report.events);
        per_second.push(report.events as f64 / start.elapsed().as_secs_f64());
    }
    let name = format!("rebuild of every read model, {events} events");
    Ok(vec![Figure::new(name, "events/s", &per_second).goal(Goal::AtLeast(40_000.0))])
}

pub(super) async fn site(scratch: &Scratch, settings: &Settings) -> anyhow::Result<Site> {
    wire::site_on(scratch.databases.clone(), &settings.declarations, &MasterKey::generate()).await
}

/// Imports the file while the projections run; how many events it made.
async fn bring(site: &Site) -> anyhow::Result<u64> {
    let stop = CancellationToken::new();
    let workers = wire::work(std::iter::once(&site.models[CITY]), &stop);
    let organisation = site.application.by_slug(CITY).context("Boston has a declaration")?;
    let mapping = Mapping::read(Path::new(MAPPING))?;
    let rejects = std::env::temp_dir().join(format!("guichet-bench-{}.rej", std::process::id()));
    let report = import::import(&organisation, mapping, Path::new(FILE), Days::default(), rejects).await?;
    ensure!(report.rejected == 0, "{} rows were rejected", report.rejected);
    wire::catch_up(&site.models[CITY]).await?;
    stop.cancel();
    for worker in workers {
        worker.await.context("a worker stopped")?;
    }
    Ok(report.events)
}
