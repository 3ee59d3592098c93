//! The runner: keeps every read model of one organisation current, live.
//!
//! It reads a page of the log once for all models that stand at the same position, folds it into each, and waits for the
//! head to move. Several may run, in one process or in many: see `apply` for why that is safe. A model whose event cannot
//! be folded, or whose history is no longer the log's, stops loudly and alone; nothing is ever skipped.

use std::{collections::BTreeMap, time::Duration};

use db::DbError;
use event_store::StoreError;
use futures_util::future::join_all;
use tokio::{task::JoinSet, time::Instant};

use crate::{
    Generation, ReadError, ReadModels,
    apply::Applied,
    delivery::explain,
    generation, log_page,
    model::{self, Model},
    rebuild,
};

/// How often the registry is read again, to notice generations that others made.
const RELOAD: Duration = Duration::from_secs(1);
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(250);
/// From one page to the next, while events keep coming: a page costs some fifty statements whether it holds five events or
/// five hundred, so under load the few that come meanwhile are taken together. The first after a rest waits for nothing.
const GATHER: Duration = Duration::from_millis(100);

/// Runs the projections of one organisation.
pub struct Worker;

impl Worker {
    /// Until `shutdown` is ready. Safe to drop at any moment: each write runs in a task of its own and is a transaction.
    pub async fn run(models: ReadModels, shutdown: impl Future<Output = ()>) {
        let mut round = Round::new(models);
        tokio::select! {
            () = round.run() => {}
            () = shutdown => {}
        }
    }
}

struct Round {
    models: ReadModels,
    running: Vec<Running>,
    /// Read models that had no generation of this version, on their way.
    filling: JoinSet<()>,
}

/// One read model as this worker knows it.
struct Running {
    model: &'static dyn Model,
    generation: Option<Generation>,
    /// It is not tried again at this position by this worker.
    stopped: bool,
    filling: bool,
    /// When it was last seen to hold everything.
    current_at: Instant,
}

#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("the read models could not be moved")]
    Storage(#[from] DbError),
    #[error("the log could not be read")]
    Log(#[from] StoreError),
    #[error("the read models could not be read")]
    Read(#[from] ReadError),
}

impl Round {
    fn new(models: ReadModels) -> Self {
        let running = model::ALL
            .iter()
            .map(|model| Running {
                model: *model,
                generation: None,
                stopped: false,
                filling: false,
                current_at: Instant::now(),
            })
            .collect();
        Self { models, running, filling: JoinSet::new() }
    }

    async fn run(&mut self) {
        let mut head = self.models.store().watch();
        let mut reload = true;
        loop {
            head.mark_unchanged();
            let started = Instant::now();
            let stepped = match self.reload_if(reload).await {
                Ok(()) => self.step().await,
                Err(error) => Err(error),
            };
            reload = false;
            self.measure(*head.borrow());
            match stepped {
                Ok(Step::Full) => self.models.has_moved(),
                Ok(Step::Moved) => {
                    self.models.has_moved();
                    tokio::time::sleep_until(started + GATHER).await;
                }
                Ok(Step::Current) => {
                    tokio::select! {
                        _ = head.changed() => {}
                        Some(_) = self.filling.join_next() => reload = true,
                        () = tokio::time::sleep(RELOAD) => reload = true,
                    }
                }
                Err(error) => {
                    tracing::warn!(
                        organisation = self.models.store().slug(),
                        error = explain(&error),
                        "the projections could not go on and try again"
                    );
                    reload = true;
                    tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                }
            }
        }
    }

    /// Takes notice of what the registry says: switches, other workers, models never filled.
    async fn reload_if(&mut self, wanted: bool) -> Result<(), RunError> {
        if !wanted {
            return Ok(());
        }
        let all = generation::all(self.models.read()).await?;
        let epoch = self.models.store().head().await?.epoch;
        if self.filling.is_empty() {
            self.running.iter_mut().for_each(|running| running.filling = false);
        }
        let mut missing = Vec::new();
        for running in &mut self.running {
            let found = generation::current(&all, running.model.name(), running.model.version());
            if found.is_none() && !running.filling {
                running.filling = true;
                missing.push(running.model);
            }
            if found.as_ref().map(place_of) != running.generation.as_ref().map(place_of) {
                running.stopped = false;
            }
            running.generation = found;
        }
        for running in &mut self.running {
            if running.generation.as_ref().is_some_and(|generation| generation.epoch != epoch) {
                running.diverged(&self.models).await?;
            }
        }
        if !missing.is_empty() {
            self.fill(missing);
        }
        Ok(())
    }

    fn fill(&mut self, missing: Vec<&'static dyn Model>) {
        let models = self.models.clone();
        self.filling.spawn(async move {
            let names: Vec<&str> = missing.iter().map(|model| model.name()).collect();
            let organisation = models.store().slug().to_owned();
            match rebuild::fill(&models, missing, &mut |_| {}).await {
                Ok(report) => tracing::info!(organisation, events = report.events, ?names, "filled read models"),
                Err(error) => {
                    tracing::error!(organisation, ?names, error = explain(&error), "could not fill read models");
                }
            }
            models.has_moved();
        });
    }

    /// One page into every model that has one to read.
    async fn step(&mut self) -> Result<Step, RunError> {
        let mut places: BTreeMap<i64, Vec<&mut Running>> = BTreeMap::new();
        for running in &mut self.running {
            match &running.generation {
                Some(generation) if !running.stopped => places.entry(generation.position).or_default().push(running),
                _ => {}
            }
        }
        let (mut moved, mut full) = (false, false);
        for (position, members) in places {
            let page = log_page::after(self.models.store(), position).await?;
            let steps = members.into_iter().map(|running| running.step(&self.models, &page));
            for step in join_all(steps).await {
                moved |= step?;
            }
            full |= page.is_full();
        }
        Ok(match (moved, full) {
            (false, _) => Step::Current,
            (true, false) => Step::Moved,
            (true, true) => Step::Full,
        })
    }

    fn measure(&mut self, head: i64) {
        let organisation = self.models.store().slug().to_owned();
        for running in &mut self.running {
            let labels = [("organisation", organisation.clone()), ("projection", running.model.name().to_owned())];
            let position = running.generation.as_ref().map_or(0, |generation| generation.position);
            if position >= head {
                running.current_at = Instant::now();
            }
            metrics::gauge!("guichet_projection_lag_positions", &labels).set((head - position).max(0) as f64);
            metrics::gauge!("guichet_projection_lag_seconds", &labels).set(running.current_at.elapsed().as_secs_f64());
            metrics::gauge!("guichet_projection_stopped", &labels).set(f64::from(u8::from(running.stopped)));
        }
    }
}

/// What a turn of the runner came to.
enum Step {
    /// Every model had read everything.
    Current,
    Moved,
    /// Moved by a full page: there is more.
    Full,
}

/// What a reload compares: a checkpoint that others moved is worth another try.
fn place_of(generation: &Generation) -> (i64, i64, i64) {
    (generation.version, generation.generation, generation.position)
}

impl Running {
    async fn step(&mut self, models: &ReadModels, page: &log_page::LogPage) -> Result<bool, RunError> {
        let Some(from) = self.generation.clone() else { return Ok(false) };
        if !page.continues(&from) {
            self.diverged(models).await?;
            return Ok(false);
        }
        if page.run.is_empty() {
            return Ok(false);
        }
        match self.model.apply(models.read(), &from, &page.run).await? {
            Applied::Moved(moved) => {
                metrics::counter!("guichet_projection_events_total", "projection" => self.model.name())
                    .increment((moved.position - from.position) as u64);
                self.generation = Some(moved);
            }
            Applied::Lost => {
                let all = generation::all(models.read()).await?;
                self.generation = generation::current(&all, self.model.name(), self.model.version());
                models.forget_all();
            }
            Applied::Stopped { moved, at, why } => {
                self.generation = Some(moved);
                self.stop(models, at, &why).await?;
            }
        }
        Ok(true)
    }

    /// The rows were folded from another history than the log's: a restored backup, a fork.
    async fn diverged(&mut self, models: &ReadModels) -> Result<(), DbError> {
        if self.stopped {
            return Ok(());
        }
        let position = self.generation.as_ref().map_or(0, |generation| generation.position);
        self.stop(models, position, "the log is no longer the one these rows were folded from; rebuild").await
    }

    async fn stop(&mut self, models: &ReadModels, at: i64, why: &str) -> Result<(), DbError> {
        self.stopped = true;
        tracing::error!(
            organisation = models.store().slug(),
            projection = self.model.name(),
            position = at,
            why,
            "a projection has stopped"
        );
        match &self.generation {
            Some(generation) => generation::stop(models.read(), generation, why, at).await,
            None => Ok(()),
        }
    }
}
