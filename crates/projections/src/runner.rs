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
    Generation, ReadModels,
    apply::Applied,
    delivery::{Delivered, explain},
    generation,
    log_page::LogPage,
    seam::Ground,
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
        tokio::select! {
            () = run(models) => {}
            () = shutdown => {}
        }
    }
}

/// Keeps every read model current, for ever.
pub async fn run(ground: impl Ground) {
    Round::new(ground).run().await;
}

struct Round<G: Ground> {
    ground: G,
    running: Vec<Running<G>>,
    /// Read models that had no generation of this version, on their way.
    filling: JoinSet<()>,
}

/// One read model as this worker knows it.
struct Running<G: Ground> {
    model: G::Model,
    name: &'static str,
    version: i64,
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
}

impl<G: Ground> Round<G> {
    fn new(ground: G) -> Self {
        let running = ground
            .models()
            .into_iter()
            .map(|model| {
                let (name, version) = G::identity(model);
                let current_at = Instant::now();
                Running { model, name, version, generation: None, stopped: false, filling: false, current_at }
            })
            .collect();
        Self { ground, running, filling: JoinSet::new() }
    }

    async fn run(&mut self) {
        let mut head = self.ground.watch();
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
                Ok(Step::Full) => self.ground.has_moved(),
                Ok(Step::Moved) => {
                    self.ground.has_moved();
                    tokio::time::sleep_until(started + GATHER).await;
                }
                Ok(Step::Current) => {
                    // In order, so that what happened alone decides what happens next.
                    tokio::select! {
                        biased;
                        _ = head.changed() => {}
                        Some(_) = self.filling.join_next() => reload = true,
                        () = tokio::time::sleep(RELOAD) => reload = true,
                    }
                }
                Err(error) => {
                    tracing::warn!(
                        organisation = self.ground.slug(),
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
        let all = self.ground.generations().await?;
        let epoch = self.ground.epoch().await?;
        if self.filling.is_empty() {
            self.running.iter_mut().for_each(|running| running.filling = false);
        }
        let mut missing = Vec::new();
        for running in &mut self.running {
            let found = generation::current(&all, running.name, running.version);
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
                running.diverged(&self.ground).await?;
            }
        }
        if !missing.is_empty() {
            self.fill(missing);
        }
        Ok(())
    }

    fn fill(&mut self, missing: Vec<G::Model>) {
        let (ground, filled) = (self.ground.clone(), self.ground.fill(missing));
        self.filling.spawn(async move {
            filled.await;
            ground.has_moved();
        });
    }

    /// One page into every model that has one to read, or as much of it as brings those behind to others.
    async fn step(&mut self) -> Result<Step, RunError> {
        let mut places: BTreeMap<i64, Vec<&mut Running<G>>> = BTreeMap::new();
        for running in &mut self.running {
            match &running.generation {
                Some(generation) if !running.stopped => places.entry(generation.position).or_default().push(running),
                _ => {}
            }
        }
        let (mut moved, mut full) = (false, false);
        while let Some((position, members)) = places.pop_first() {
            let page = self.ground.page(position).await?;
            // Those behind go no further than to those ahead, who wait for them: once together they stay so, and read each
            // page once. Apart they would read and decode it as often as there are places.
            let meeting = places.first_key_value().map(|(ahead, _)| *ahead).filter(|ahead| page.reaches(*ahead));
            let run = meeting.map_or(page.run.as_slice(), |meeting| page.until(meeting));
            let steps = members.into_iter().map(|running| running.step(&self.ground, &page, run));
            for step in join_all(steps).await {
                moved |= step?;
            }
            full |= page.is_full();
            if meeting.is_some() {
                // Whatever became of those behind, the others are still to go on.
                (moved, full) = (true, true);
                break;
            }
        }
        Ok(match (moved, full) {
            (false, _) => Step::Current,
            (true, false) => Step::Moved,
            (true, true) => Step::Full,
        })
    }

    fn measure(&mut self, head: i64) {
        let organisation = self.ground.slug().to_owned();
        for running in &mut self.running {
            let labels = [("organisation", organisation.clone()), ("projection", running.name.to_owned())];
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
    /// There is more.
    Full,
}

/// What a reload compares: a checkpoint that others moved is worth another try.
fn place_of(generation: &Generation) -> (i64, i64, i64) {
    (generation.version, generation.generation, generation.position)
}

impl<G: Ground> Running<G> {
    /// `run`: what of the page is to be folded.
    async fn step(&mut self, ground: &G, page: &LogPage, run: &[Delivered]) -> Result<bool, RunError> {
        let Some(from) = self.generation.clone() else { return Ok(false) };
        if !page.continues(&from) {
            self.diverged(ground).await?;
            return Ok(false);
        }
        if run.is_empty() {
            return Ok(false);
        }
        match ground.apply(self.model, &from, run).await? {
            Applied::Moved(moved) => {
                metrics::counter!("guichet_projection_events_total", "projection" => self.name)
                    .increment((moved.position - from.position) as u64);
                self.generation = Some(moved);
            }
            Applied::Lost => {
                let all = ground.generations().await?;
                self.generation = generation::current(&all, self.name, self.version);
                ground.forget_all();
            }
            Applied::Stopped { moved, at, why } => {
                self.generation = Some(moved);
                self.stop(ground, at, &why).await?;
            }
        }
        Ok(true)
    }

    /// The rows were folded from another history than the log's: a restored backup, a fork.
    async fn diverged(&mut self, ground: &G) -> Result<(), DbError> {
        if self.stopped {
            return Ok(());
        }
        let position = self.generation.as_ref().map_or(0, |generation| generation.position);
        self.stop(ground, position, "the log is no longer the one these rows were folded from; rebuild").await
    }

    async fn stop(&mut self, ground: &G, at: i64, why: &str) -> Result<(), DbError> {
        self.stopped = true;
        tracing::error!(
            organisation = ground.slug(),
            projection = self.name,
            position = at,
            why,
            "a projection has stopped"
        );
        match &self.generation {
            Some(generation) => ground.stop(generation, why, at).await,
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use chrono::DateTime;
    use event_store::Record;
    use tokio::sync::watch;
    use uuid::Uuid;

    use super::*;
    use crate::State;

    const EVENTS: i64 = 20;
    const PAGE: i64 = 8;

    /// Two read models that stand apart, and a note of every page that is read.
    #[derive(Clone)]
    struct Apart {
        places: [i64; 2],
        read: Arc<Mutex<Vec<i64>>>,
    }

    fn record(position: i64) -> Record {
        Record {
            position,
            stream: "other-1".to_owned(),
            revision: position - 1,
            id: Uuid::nil(),
            kind: "other.done".to_owned(),
            schema: 1,
            payload: b"{}".to_vec(),
            meta: b"{}".to_vec(),
            recorded_at: DateTime::UNIX_EPOCH,
            hash: [0; 32],
        }
    }

    impl Ground for Apart {
        type Model = &'static str;

        fn slug(&self) -> &'static str {
            "quebec"
        }

        fn models(&self) -> Vec<&'static str> {
            vec!["behind", "ahead"]
        }

        fn identity(model: &'static str) -> (&'static str, i64) {
            (model, 1)
        }

        fn watch(&self) -> watch::Receiver<i64> {
            watch::channel(EVENTS).1
        }

        async fn epoch(&self) -> Result<Uuid, StoreError> {
            Ok(Uuid::nil())
        }

        async fn page(&self, after: i64) -> Result<LogPage, StoreError> {
            self.read.lock().expect("nobody panicked").push(after);
            Ok(LogPage::new(after, (after.max(1)..=EVENTS.min(after + PAGE)).map(record).collect()))
        }

        async fn generations(&self) -> Result<Vec<Generation>, DbError> {
            let all = self.models().into_iter().zip(self.places).map(|(name, position)| Generation {
                name: name.to_owned(),
                version: 1,
                generation: 1,
                state: State::Serving,
                epoch: Uuid::nil(),
                position,
                hash: (position > 0).then_some([0; 32]),
                failure: None,
                failed_at: None,
                tables: String::new(),
            });
            Ok(all.collect())
        }

        async fn apply(&self, _: &'static str, from: &Generation, run: &[Delivered]) -> Result<Applied, DbError> {
            assert_eq!(run[0].position, from.position + 1, "a gap");
            let position = run[run.len() - 1].position;
            Ok(Applied::Moved(Generation { position, hash: Some([0; 32]), ..from.clone() }))
        }

        async fn stop(&self, _: &Generation, why: &str, _: i64) -> Result<(), DbError> {
            panic!("stopped: {why}")
        }

        fn fill(&self, missing: Vec<&'static str>) -> impl Future<Output = ()> + Send + 'static {
            assert!(missing.is_empty());
            std::future::ready(())
        }

        fn has_moved(&self) {}

        fn forget_all(&self) {}
    }

    /// The pages read on the way to the end of the log, each by where it begins.
    async fn pages_from(places: [i64; 2]) -> Vec<i64> {
        let read = Arc::default();
        let mut round = Round::new(Apart { places, read: Arc::clone(&read) });
        round.reload_if(true).await.expect("the registry");
        while !matches!(round.step().await.expect("a step"), Step::Current) {}
        let ends = round.running.iter().map(|running| running.generation.as_ref().expect("a generation").position);
        assert_eq!(ends.collect::<Vec<_>>(), [EVENTS; 2]);
        let read = read.lock().expect("nobody panicked").clone();
        // The last says that there is nothing more.
        read[..read.len() - 1].to_vec()
    }

    #[tokio::test]
    async fn those_behind_join_those_ahead_and_pages_are_read_once() {
        assert_eq!(pages_from([0, 0]).await, [0, 8, 16]);
        assert_eq!(pages_from([0, 5]).await, [0, 5, 13]);
        assert_eq!(pages_from([0, 8]).await, [0, 8, 16]);
    }

    #[tokio::test]
    async fn who_is_more_than_a_page_ahead_waits_for_nobody() {
        assert_eq!(pages_from([0, 12]).await, [0, 12, 8, 20, 16]);
    }
}
