//! The doors under load: 64 connections, the generator on the same cores, projections live.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use anyhow::{Context, ensure};
use domain::ids::RequestId;
use http_body_util::Full;
use hyper::{Request, body::Bytes};
use projections::{Page, ReadModels, deadline_queue, public_requests};
use tokio_util::sync::CancellationToken;
use vault::ApiKeys;

use crate::{
    bench::{
        Plan, city,
        load::{self, Make},
        report::{Figure, Histogram},
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
    let (mut posts, mut inserts) = (Vec::new(), Vec::new());
    let mut histogram = Histogram::new();
    for _ in 0..plan.runs {
        inserts.push(raw.insert(CONNECTIONS, plan.time).await?.per_second);
        let seen = load::run(address, CONNECTIONS, plan.time, post(agent)).await?;
        posts.push(seen.per_second);
        histogram.add(&seen.histogram);
    }
    let models = &site.models[CITY];
    wire::catch_up(models).await?;
    let mut figures = vec![
        Figure::new("Open311 POST with contact details, 64 connections, beside raw inserts", "/s", &posts)
            .beside(&inserts)
            .latency(&histogram),
    ];

    let queue = deadline_queue::list(models, &deadline_queue::Filter::default(), &Page::first(PAGE)).await?;
    ensure!(queue.len() == PAGE as usize, "the queue holds {} promises", queue.len());
    let one = Door::One(queue[0].request, first_number(address, agent).await?);
    for door in [one, Door::Queue] {
        let (mut ours, mut reads) = (Vec::new(), Vec::new());
        let mut histogram = Histogram::new();
        for _ in 0..plan.runs {
            reads.push(door.alone(plan, models).await?);
            let seen = load::run(address, CONNECTIONS, plan.time, get(agent, &door.path())).await?;
            ours.push(seen.per_second);
            histogram.add(&seen.histogram);
        }
        let name = format!("{}, 64 connections, beside the read without HTTP", door.name());
        figures.push(Figure::new(name, "/s", &ours).beside(&reads).latency(&histogram));
    }
    Ok(figures)
}

/// What is read.
#[derive(Clone)]
enum Door {
    /// Its public number, which the path names.
    One(RequestId, String),
    Queue,
}

impl Door {
    fn name(&self) -> &'static str {
        match self {
            Self::One(..) => "GET of one request",
            Self::Queue => "page of 50 of the queue",
        }
    }

    fn path(&self) -> String {
        match self {
            Self::One(_, number) => format!("/open311/v2/requests/{number}.json?jurisdiction_id={JURISDICTION}"),
            Self::Queue => format!("/api/v1/queue?limit={PAGE}"),
        }
    }

    async fn read(&self, models: &ReadModels) -> anyhow::Result<()> {
        match self {
            Self::One(request, _) => public_requests::one(models, *request).await.map(drop)?,
            Self::Queue => {
                deadline_queue::list(models, &deadline_queue::Filter::default(), &Page::first(PAGE)).await.map(drop)?;
            }
        }
        Ok(())
    }

    /// How many reads a second without HTTP, by as many tasks as there are connections.
    async fn alone(&self, plan: Plan, models: &ReadModels) -> anyhow::Result<f64> {
        let start = Instant::now();
        let tasks: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                let (door, models) = (self.clone(), models.clone());
                tokio::spawn(async move {
                    let mut count = 0_usize;
                    while start.elapsed() < plan.time {
                        door.read(&models).await?;
                        count += 1;
                    }
                    anyhow::Ok(count)
                })
            })
            .collect();
        let mut count = 0;
        for task in tasks {
            count += task.await.context("a reader stopped")??;
        }
        Ok(count as f64 / start.elapsed().as_secs_f64())
    }
}

fn post(key: &str) -> Make {
    let authorization = format!("Bearer {key}");
    Arc::new(move |connection, count| {
        let body = format!(
            "jurisdiction_id={JURISDICTION}&service_code={SERVICE}&{ANSWERS}&lat=46.8139&long=-71.2080&first_name=Ana&last_name=Roy\
             &email=ana{connection}.{count}@example.org&phone=418555{count:04}&description=Trou+profond+devant+le+{count}"
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

async fn first_number(address: SocketAddr, key: &str) -> anyhow::Result<String> {
    let url = format!("http://{address}/open311/v2/requests.json?jurisdiction_id={JURISDICTION}&page_size=1&page=1");
    let client = reqwest::Client::new();
    let answer = client.get(url).bearer_auth(key).send().await?.json::<serde_json::Value>().await?;
    answer[0]["service_request_id"].as_str().map(str::to_owned).context("the list shows a request")
}
