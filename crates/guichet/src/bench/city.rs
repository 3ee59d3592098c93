//! A city's file: imported with every read model current, its read models built again; and its requests lived again,
//! as often as a bench wants events that fold.

use std::{path::Path, sync::Arc, time::Instant};

use anyhow::{Context, ensure};
use application::{History, Lived};
use domain::{
    codec::{Event, Meta},
    number,
    rules::Rules,
};
use event_store::{Append, Expected, NewEvent, Write};
use projections::ReadModels;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    bench::{
        Plan, append, disk,
        report::{Figure, Goal},
        scratch::Scratch,
    },
    config::Settings,
    import::{self, Days, Mapping},
    wire::{self, Site},
};

pub(super) const MAPPING: &str = "mappings/boston.toml";
pub(super) const FILE: &str = "data/boston/requests_2011-07_to_10.csv.gz";
const CITY: &str = "boston";
/// Times that the file is in a log whose read models are built again.
const COPIES: usize = 4;
/// Requests in one append while a log is filled.
const FILL: usize = 64;

/// Events a second from the first row to the last row projected.
pub(super) async fn import(scratch: &Scratch, plan: Plan, settings: &Settings) -> anyhow::Result<Vec<Figure>> {
    let (mut seconds, mut per_second) = (Vec::new(), Vec::new());
    let mut disk = None;
    for _ in 0..plan.runs {
        let own = Scratch::new(&scratch.place).await?;
        let site = site(&own, settings).await?;
        let start = Instant::now();
        let events = bring(&site).await?;
        let took = start.elapsed().as_secs_f64();
        seconds.push(took);
        per_second.push(events as f64 / took);
        disk = Some(disk::figure("the import of Boston", &own.databases, models(&site).store()).await?);
        drop(site);
        own.remove().await?;
    }
    let rate = Figure::new("import of Boston, read models current", "events/s", &per_second);
    let whole = Figure::new("the same, from the first row to the last row projected", "s", &seconds);
    Ok([rate.goal(Goal::AtLeast(15_000.0)), whole].into_iter().chain(disk).collect())
}

/// Events a second while every read model is built again.
pub(super) async fn rebuild(scratch: &Scratch, plan: Plan, settings: &Settings) -> anyhow::Result<Vec<Figure>> {
    let site = site(scratch, settings).await?;
    let city = City::read(&site)?;
    let requests = city.histories.len() * COPIES;
    append::pour(models(&site).store(), appends(city.lived().take(requests))).await?;
    let head = models(&site).store().head().await?.position;
    let mut per_second = Vec::new();
    for _ in 0..plan.runs {
        let start = Instant::now();
        let report = projections::rebuild(models(&site), &[], &mut |_| ()).await.context("rebuild")?;
        ensure!(report.events == head, "the rebuild folded {} of {head} events", report.events);
        per_second.push(report.events as f64 / start.elapsed().as_secs_f64());
    }
    let name = format!("rebuild of every read model, Boston {COPIES} times, {head} events");
    let goal = Goal::AtLeast(scratch.pick(80_000.0, 60_000.0));
    Ok(vec![Figure::new(name, "events/s", &per_second).goal(goal)])
}

pub(super) async fn site(scratch: &Scratch, settings: &Settings) -> anyhow::Result<Site> {
    wire::site_on(scratch.databases.clone(), &settings.declarations, &scratch.master).await
}

/// Boston's.
pub(super) fn models(site: &Site) -> &ReadModels {
    &site.models[CITY]
}

/// Imports the file while the projections run; how many events it made.
async fn bring(site: &Site) -> anyhow::Result<u64> {
    let stop = CancellationToken::new();
    let workers = wire::work(std::iter::once(models(site)), &stop);
    let organisation = site.application.by_slug(CITY).context("Boston has a declaration")?;
    let mapping = Mapping::read(Path::new(MAPPING))?;
    let rejects = std::env::temp_dir().join(format!("guichet-bench-{}.rej", std::process::id()));
    let report = import::import(&organisation, mapping, Path::new(FILE), Days::default(), rejects).await?;
    ensure!(report.rejected == 0, "{} rows were rejected", report.rejected);
    wire::catch_up(models(site)).await?;
    stop.cancel();
    for worker in workers {
        worker.await.context("a worker stopped")?;
    }
    Ok(report.events)
}

/// The requests of Boston's file, told once and lived as often as wanted.
pub(super) struct City {
    histories: Vec<History>,
    rules: Arc<Rules>,
}

impl City {
    pub(super) fn read(site: &Site) -> anyhow::Result<Self> {
        let rules = site.application.by_slug(CITY).context("Boston has a declaration")?.rules();
        let mapping = Mapping::read(Path::new(MAPPING))?;
        let histories = import::histories(mapping, Path::new(FILE), &rules)?;
        Ok(Self { histories, rules })
    }

    /// Without end: the file again and again, each time as other requests.
    pub(super) fn lived(&self) -> impl Iterator<Item = anyhow::Result<Lived>> {
        (0_u32..).flat_map(move |copy| {
            self.histories.iter().map(move |history| {
                let again = History { row: format!("{}/{copy}", history.row), ..history.clone() };
                again.live(CITY, &self.rules, 0).context("live a row again")
            })
        })
    }

    /// Fills Boston's log until it holds at least `events`, as fast as it takes them; folds nothing.
    pub(super) async fn fill(&self, site: &Site, events: usize) -> anyhow::Result<()> {
        let mut missing = events as i64 - models(site).store().head().await?.position;
        let wanted = self.lived().take_while(|lived| {
            let wanted = missing > 0;
            missing -= lived.as_ref().map_or(0, |lived| lived.events.len() as i64 + 1);
            wanted
        });
        append::pour(models(site).store(), appends(wanted)).await
    }
}

/// The appends of an import, many requests in each.
fn appends(lived: impl Iterator<Item = anyhow::Result<Lived>>) -> impl Iterator<Item = anyhow::Result<Append>> {
    let mut lived = lived.peekable();
    std::iter::from_fn(move || {
        lived.peek()?;
        let together: anyhow::Result<Vec<Lived>> = lived.by_ref().take(FILL).collect();
        Some(together.map(|together| Append {
            writes: together.into_iter().flat_map(writes).collect(),
            checks: vec![],
            operation: None,
        }))
    })
}

/// The request's events, and its number's. A number may be taken, once in a million requests: nothing here minds.
fn writes(lived: Lived) -> [Write; 2] {
    let reserved = number::Event::Reserved { request: lived.request };
    let reserved = new_event(Uuid::new_v5(&lived.request.0, b"number"), &reserved.into());
    [
        Write { stream: lived.request.stream(), expected: Expected::NoStream, events: events(lived.events) },
        Write { stream: lived.number.stream(), expected: Expected::Any, events: vec![reserved] },
    ]
}

pub(super) fn events(lived: Vec<(Uuid, domain::request::Event)>) -> Vec<NewEvent> {
    lived.into_iter().map(|(id, event)| new_event(id, &event.into())).collect()
}

fn new_event(id: Uuid, event: &Event) -> NewEvent {
    NewEvent {
        id,
        kind: event.kind().to_owned(),
        schema: event.schema(),
        payload: event.payload().to_string().into_bytes(),
        meta: Meta { actor: "usr_bench".to_owned(), operation: None, causation: None }.to_bytes(),
    }
}
