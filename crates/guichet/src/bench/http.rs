//! The doors under load: 64 connections, the generator on the same cores, projections live.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, ensure};
use db::Dialect;
use domain::number::Number;
use http_body_util::Full;
use hyper::{Request, body::Bytes};
use projections::{Page, ReadModels, deadline_queue, public_requests};
use tokio_util::sync::CancellationToken;
use vault::ApiKeys;

use crate::{
    bench::{
        Plan, city,
        load::{self, Client, Make},
        pgbench,
        report::{Figure, Goal, Runs, Seen},
        scratch::Scratch,
    },
    cli::RoleName,
    config::Settings,
    key, listen, observe, serve,
    wire::{self, Site},
};

const CONNECTIONS: usize = 64;
const CITY: &str = "ville_quebec";
const JURISDICTION: &str = "ville.quebec.qc.ca";
/// Promised within 20 business days, so that the queue has something to show.
const SERVICE: &str = "abattage_arbre";
const ANSWERS: &str = "attribute[danger]=non&attribute[etat]=mort&attribute[terrain]=rue";
const PAGE: i64 = 50;

pub(super) async fn measure(scratch: &Scratch, plan: Plan, settings: &Settings) -> anyhow::Result<Vec<Figure>> {
    let site = Arc::new(city::site(scratch, settings).await?);
    let stop = CancellationToken::new();
    let workers = site.work(&stop);
    let keys = ApiKeys::new(scratch.databases.server().clone());
    let agent = key::create(&scratch.databases, &keys, CITY, RoleName::Agent, "bench").await?;
    let listener = listen::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let address = listener.local_addr().context("ask where the bench listens")?;
    let server = {
        let (site, metrics, stop) = (site.clone(), observe::metrics()?, stop.clone());
        tokio::spawn(async move { serve::serve(&site, listener, metrics, None, stop).await })
    };
    let figures = doors(scratch, plan, &site, address, &agent).await;
    stop.cancel();
    server.await.context("the server stopped")?;
    for worker in workers {
        worker.await.context("a worker stopped")?;
    }
    figures
}

async fn doors(
    scratch: &Scratch,
    plan: Plan,
    site: &Site,
    address: SocketAddr,
    agent: &str,
) -> anyhow::Result<Vec<Figure>> {
    let raw = scratch.raw().await?;
    let (mut posts, mut inserts) = (Runs::default(), Runs::default());
    for _ in 0..plan.runs {
        inserts.add(&raw.insert(CONNECTIONS, plan.time).await?);
        posts.add(&load::closed(load::connect(address, CONNECTIONS, &post(agent)).await?, plan.time).await?);
    }
    let models = &site.models[CITY];
    wire::catch_up(models).await?;
    let mut figures = vec![
        Figure::new("Open311 POST with contact details, 64 connections, beside raw inserts", "/s", &posts.per_second)
            .beside(&inserts.per_second)
            .latency(&posts.latency)
            .goal(Goal::AtLeast(scratch.pick(4_000.0, 2_500.0)))
            .goal(Goal::P99AtMost(50.0)),
    ];

    let queue = deadline_queue::list(models, &deadline_queue::Filter::default(), &Page::first(PAGE)).await?;
    ensure!(queue.len() == PAGE as usize, "the queue holds {} promises", queue.len());
    let one = Door::One(first_number(address, agent).await?);
    for door in [one, Door::Queue] {
        let (mut ours, mut reads) = (Runs::default(), Runs::default());
        for _ in 0..plan.runs {
            reads.add(&door.alone(scratch, plan, models).await?);
            let connections = load::connect(address, CONNECTIONS, &get(agent, &door.path())).await?;
            ours.add(&load::closed(connections, plan.time).await?);
        }
        figures.push(
            Figure::new(format!("{}, 64 connections, {}", door.name(), door.beside(scratch)), "/s", &ours.per_second)
                .beside(&reads.per_second)
                .latency(&ours.latency)
                .goal(door.goal(scratch)),
        );
    }
    Ok(figures)
}

/// What is read.
#[derive(Clone)]
enum Door {
    One(Number),
    Queue,
}

impl Door {
    fn name(&self) -> &'static str {
        match self {
            Self::One(_) => "GET of one request",
            Self::Queue => "page of 50 of the queue",
        }
    }

    fn path(&self) -> String {
        match self {
            Self::One(number) => format!("/open311/v2/requests/{number}.json?jurisdiction_id={JURISDICTION}"),
            Self::Queue => format!("/api/v1/queue?limit={PAGE}"),
        }
    }

    fn goal(&self, scratch: &Scratch) -> Goal {
        match self {
            Self::One(_) => scratch.pick(Goal::AtLeast(12_000.0), Goal::RatioAtLeast(0.6)),
            Self::Queue => Goal::AtLeast(4_000.0),
        }
    }

    /// What stands beside it.
    fn beside(&self, scratch: &Scratch) -> &'static str {
        match self {
            Self::One(_) => scratch.pick("beside the read without HTTP", "beside its first select by pgbench"),
            Self::Queue => "beside the read without HTTP",
        }
    }

    async fn alone(&self, scratch: &Scratch, plan: Plan, models: &ReadModels) -> anyhow::Result<Seen> {
        if let (Self::One(number), Some(pgbench)) = (self, scratch.pgbench()?) {
            let (statement, parameters) = models.measured_one(number).await?;
            let parameters: Vec<&str> = parameters.iter().map(String::as_str).collect();
            let script = pgbench::filled(statement.sql(Dialect::Postgres), &parameters);
            return pgbench.run(&format!("read_{CITY}"), &script, CONNECTIONS, plan.time).await;
        }
        let readers = (0..CONNECTIONS).map(|_| Reader { door: self.clone(), models: models.clone() });
        load::closed(readers, plan.time).await
    }
}

/// Asks the read models without HTTP.
struct Reader {
    door: Door,
    models: ReadModels,
}

impl Client for Reader {
    async fn step(&mut self) -> anyhow::Result<()> {
        match &self.door {
            Door::One(number) => {
                public_requests::by_number(&self.models, number, &mut self.models.now()).await?;
            }
            Door::Queue => {
                deadline_queue::list(&self.models, &deadline_queue::Filter::default(), &Page::first(PAGE))
                    .await
                    .map(drop)?;
            }
        }
        Ok(())
    }
}

fn post(key: &str) -> Make {
    let authorization = format!("Bearer {key}");
    Arc::new(move |connection, count| {
        let body = format!(
            "jurisdiction_id={JURISDICTION}&service_code={SERVICE}&{ANSWERS}&lat=46.8139&long=-71.2080&first_name=Ana&last_name=Roy\
             &email=ana{connection}.{count}@example.org&phone=418{connection:03}{count:04}&description=Trou+profond+devant+le+{count}"
        );
        Request::post("/open311/v2/requests.json")
            .header("host", "127.0.0.1")
            .header("authorization", &authorization)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(body)))
            .expect("its parts are well formed")
    })
}

fn get(key: &str, path: &str) -> Make {
    let (authorization, path) = (format!("Bearer {key}"), path.to_owned());
    Arc::new(move |_, _| {
        Request::get(&path)
            .header("host", "127.0.0.1")
            .header("authorization", &authorization)
            .body(Full::default())
            .expect("its parts are well formed")
    })
}

async fn first_number(address: SocketAddr, key: &str) -> anyhow::Result<Number> {
    let url = format!("http://{address}/open311/v2/requests.json?jurisdiction_id={JURISDICTION}&page_size=1&page=1");
    let client = reqwest::Client::new();
    let answer = client.get(url).bearer_auth(key).send().await?.json::<serde_json::Value>().await?;
    let number = answer[0]["service_request_id"].as_str().context("the list shows a request")?;
    Ok(number.parse()?)
}
