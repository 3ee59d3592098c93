//! The load: clients that write, repeat and read until they are stopped, and go on with what is unknown until it is definite.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{sync::watch, task::JoinSet};

use crate::{
    client::{Client, Done, Outcome, Write},
    stage::Stage,
};

/// An operation that is still unknown after this, with servers up, is left so, and the checker says it.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);
const BEFORE_ASKING_AGAIN: Duration = Duration::from_millis(20);
/// Requests that several clients work on at once.
const SHARED: usize = 16;

pub(crate) struct Load {
    stop: watch::Sender<bool>,
    clients: JoinSet<anyhow::Result<()>>,
}

/// Where the servers are now; empty while there is none.
pub(crate) type Urls = watch::Receiver<Vec<String>>;

struct Worker {
    client: Client,
    urls: Urls,
    stop: watch::Receiver<bool>,
    random: StdRng,
    shared: Arc<Mutex<Vec<Done>>>,
}

impl Load {
    /// Clients with odd numbers use a new connection for each request.
    pub(crate) fn start(stage: &Stage, clients: usize) -> anyhow::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let shared = Arc::<Mutex<Vec<Done>>>::default();
        let mut tasks = JoinSet::new();
        for number in 0..clients {
            let worker = Worker {
                client: stage.client(&format!("client-{number}"), number % 2 == 0)?,
                urls: stage.urls(),
                stop: stopped.clone(),
                random: StdRng::seed_from_u64(stage.seed ^ (number as u64) << 32),
                shared: Arc::clone(&shared),
            };
            tasks.spawn(worker.run());
        }
        Ok(Self { stop, clients: tasks })
    }

    /// Lets every client finish what it is at.
    pub(crate) async fn finish(mut self) -> anyhow::Result<()> {
        let _ = self.stop.send_replace(true);
        while let Some(ended) = self.clients.join_next().await {
            ended.context("a client stopped")??;
        }
        Ok(())
    }
}

impl Worker {
    async fn run(mut self) -> anyhow::Result<()> {
        while !*self.stop.borrow() {
            match self.random.random_range(0..10) {
                0..3 => self.write(Write::open311).await?,
                3..6 => self.write(Write::native).await?,
                6..9 => self.work().await?,
                _ => self.read().await?,
            }
        }
        Ok(())
    }

    async fn write(&mut self, make: fn(&mut StdRng) -> Write) -> anyhow::Result<()> {
        let write = make(&mut self.random);
        let done = settle(&self.client, &mut self.urls, &mut self.random, &write).await?;
        // Now and then a client that was answered asks again.
        if done.is_some() && self.random.random_range(0..8) == 0 {
            settle(&self.client, &mut self.urls, &mut self.random, &write).await?;
        }
        if let Some(done) = done.filter(|done| done.etag.is_some()) {
            self.show(&done).await?;
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            if shared.len() < SHARED {
                shared.push(done);
            } else {
                shared[self.random.random_range(0..SHARED)] = done;
            }
        }
        Ok(())
    }

    /// Works a request that others may be working too, with and without a condition.
    async fn work(&mut self) -> anyhow::Result<()> {
        let Some((at, matter)) = self.any() else { return Ok(()) };
        let condition = matter.etag.clone().filter(|_| self.random.random_bool(0.7));
        let write = Write::assignment(&mut self.random, &matter.id, condition);
        let etag = match settle(&self.client, &mut self.urls, &mut self.random, &write).await? {
            Some(done) => {
                self.show(&Done { number: matter.number, ..done.clone() }).await?;
                done.etag
            }
            // Somebody was faster: what it is now is read before it is worked again.
            None => self.look(&matter.id).await?.and_then(|done| done.etag),
        };
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(known), Some(_)) = (shared.get_mut(at).filter(|known| known.id == matter.id), &etag) {
            known.etag = etag;
        }
        Ok(())
    }

    async fn read(&mut self) -> anyhow::Result<()> {
        if let Some((_, matter)) = self.any() {
            self.look(&matter.id).await?;
        }
        Ok(())
    }

    async fn look(&mut self, request: &str) -> anyhow::Result<Option<Done>> {
        match url(&mut self.urls, &mut self.random).await {
            Some(url) => self.client.read(&url, request).await,
            None => Ok(None),
        }
    }

    /// Half of the time, what was just done is looked for where the public sees it.
    async fn show(&mut self, done: &Done) -> anyhow::Result<()> {
        if self.random.random_bool(0.5)
            && let Some(url) = url(&mut self.urls, &mut self.random).await
        {
            self.client.read_public(&url, done).await?;
        }
        Ok(())
    }

    fn any(&mut self) -> Option<(usize, Done)> {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.is_empty() {
            return None;
        }
        let at = self.random.random_range(0..shared.len());
        Some((at, shared[at].clone()))
    }
}

/// Sends a write until it is definite; what it was answered, if it was done.
pub(crate) async fn settle(
    client: &Client,
    urls: &mut Urls,
    random: &mut StdRng,
    write: &Write,
) -> anyhow::Result<Option<Done>> {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        let Some(url) = url(urls, random).await else { continue };
        match client.attempt(&url, write).await? {
            Outcome::Done(done) => return Ok(Some(done)),
            Outcome::Refused => return Ok(None),
            Outcome::Unknown => tokio::time::sleep(BEFORE_ASKING_AGAIN).await,
        }
    }
    Ok(None)
}

/// One of the servers that are up, waiting a while for one.
pub(crate) async fn url(urls: &mut Urls, random: &mut StdRng) -> Option<String> {
    let up = tokio::time::timeout(PATIENCE, urls.wait_for(|urls| !urls.is_empty())).await.ok()?.ok()?;
    Some(up[random.random_range(0..up.len())].clone())
}
