//! The writer: one task for each log that receives, admits, commits and answers.
//!
//! Requests that arrive while a commit is in flight form the next batch: group commit without a timer, and with one appender
//! nobody waits for company. The task owns its connection; a caller that goes away cancels nothing.
//!
//! It also remembers the newest head it has seen, and writes only on a log that still holds it. A database that was restored
//! from a backup, or a standby that was promoted before it had everything, would take new events as if nothing had happened:
//! what is lost would stay unnoticed, and positions that were given out once would be given out again. Such a log is refused
//! for as long as it is what it is. A process knows only what it saw itself; one that starts takes the log as it finds it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use db::DbError;
use db::append::{Batch, Committed, Facts, HeadRow, Wanted};
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::admit::{Admission, Known, admit};
use crate::request::{Answer, LARGEST_APPEND, Waiting};
use crate::ring::Ring;
use crate::seam::Log;
use crate::{AppendError, Record};

const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

pub(crate) struct Writer<L> {
    pub(crate) log: L,
    pub(crate) known: Known,
    pub(crate) queue: mpsc::Receiver<Waiting>,
    pub(crate) ring: Arc<Ring>,
    pub(crate) clock: fn() -> DateTime<Utc>,
    /// Whether the log was last found without the newest head seen here.
    pub(crate) diverged: Arc<AtomicBool>,
    pub(crate) figures: Figures,
    /// Of one batch.
    pub(crate) most_requests: usize,
}

/// What the writer tells about itself; it names no stream and no event.
pub(crate) struct Figures {
    queue: Histogram,
    admit: Histogram,
    commit: Histogram,
    batch_requests: Histogram,
    batch_events: Histogram,
    lost_swaps: Counter,
    doubts: Counter,
    diverged: Gauge,
}

impl Figures {
    pub(crate) fn of(slug: &str) -> Self {
        let phase =
            |phase: &'static str| histogram!("guichet_append_seconds", "log" => slug.to_owned(), "phase" => phase);
        Self {
            queue: phase("queue"),
            admit: phase("admit"),
            commit: phase("commit"),
            batch_requests: histogram!("guichet_append_batch_requests", "log" => slug.to_owned()),
            batch_events: histogram!("guichet_append_batch_events", "log" => slug.to_owned()),
            lost_swaps: counter!("guichet_append_lost_swaps_total", "log" => slug.to_owned()),
            doubts: counter!("guichet_append_unknown_outcomes_total", "log" => slug.to_owned()),
            diverged: gauge!("guichet_log_diverged", "log" => slug.to_owned()),
        }
    }
}

impl<L: Log> Writer<L> {
    /// Until nobody can ask any more.
    pub(crate) async fn run(mut self) {
        let mut carried = None;
        while let Some(batch) = self.receive(&mut carried).await {
            let now = Instant::now();
            for waiting in &batch {
                self.figures.queue.record(now - waiting.since);
            }
            self.settle(batch).await;
        }
    }

    /// Waits for one request, then takes what has arrived meanwhile, up to the bounds of a batch.
    async fn receive(&mut self, carried: &mut Option<Waiting>) -> Option<Vec<Waiting>> {
        let first = match carried.take() {
            Some(waiting) => waiting,
            None => self.queue.recv().await?,
        };
        // Whoever was answered with the last batch may be about to ask again: their tasks come first, or the first of them would
        // be a batch alone and all others wait for it.
        tokio::task::yield_now().await;
        let mut bytes = first.request.bytes;
        let mut batch = vec![first];
        while batch.len() < self.most_requests {
            let Ok(next) = self.queue.try_recv() else { break };
            bytes += next.request.bytes;
            if bytes > LARGEST_APPEND {
                *carried = Some(next);
                break;
            }
            batch.push(next);
        }
        Some(batch)
    }

    /// Answers every request of a batch, however long that takes.
    async fn settle(&mut self, batch: Vec<Waiting>) {
        match self.write(&batch).await {
            Ok(Settled { answers, written }) => {
                let waiting = publish(batch, written, &self.ring);
                for (answer, outcome) in waiting.into_iter().zip(answers) {
                    let _ = answer.send(outcome); // the caller may be gone; its events are not
                }
            }
            Err(Unwritten::Diverged) => {
                for waiting in batch {
                    let _ = waiting.answer.send(Err(AppendError::Diverged));
                }
            }
            Err(Unwritten::Refused(error)) if batch.len() == 1 => {
                tracing::error!(error = &error as &dyn std::error::Error, "an append was refused by the database");
                let error = Arc::new(error);
                for waiting in batch {
                    let _ = waiting.answer.send(Err(AppendError::Storage(Arc::clone(&error))));
                }
            }
            // One poisoned request must not fail its neighbours: each tries alone.
            Err(Unwritten::Refused(_)) => {
                for waiting in batch {
                    Box::pin(self.settle(vec![waiting])).await;
                }
            }
        }
        self.known.forget_batch();
    }

    /// Admits and commits until the batch is on disk or everyone in it is refused. Fails only where the database says that
    /// it can never take the batch, or holds another log.
    async fn write(&mut self, batch: &[Waiting]) -> Result<Settled, Unwritten> {
        loop {
            let started = Instant::now();
            let admission = admit(&self.known, batch.iter().map(|waiting| &waiting.request), (self.clock)());
            self.figures.admit.record(started.elapsed());
            if !admission.wanting.is_empty() {
                self.look_up(&admission.wanted).await?;
                self.known.mark_examined(admission.wanting);
                continue;
            }
            if admission.batch.events.is_empty() {
                return Ok(Settled { answers: admission.answers, written: vec![] });
            }
            let started = Instant::now();
            let committed = self.commit(&admission.batch).await?;
            fail::fail_point!("append.after_commit");
            self.figures.commit.record(started.elapsed());
            match committed {
                Committed::Yes => return Ok(self.committed(admission)),
                Committed::Known(facts) => self.known.learn(facts),
                Committed::Moved => {
                    self.figures.lost_swaps.increment(1);
                    self.look_up(&Wanted::default()).await?;
                }
            }
        }
    }

    fn committed(&mut self, admission: Admission<'_>) -> Settled {
        let Admission { batch, answers, writing, .. } = admission;
        // It continued the head that is known here, so it is the right one.
        self.found_diverged(false, batch.head);
        self.figures.batch_requests.record(writing.len() as f64);
        self.figures.batch_events.record(batch.events.len() as f64);
        self.known.wrote(&batch);
        let mut events = batch.events.iter().zip(batch.expected.position + 1..);
        let written = writing.into_iter().map(|index| {
            let count = match &answers[index] {
                Ok(Answer::Appended(appended)) => appended.last - appended.first + 1,
                _ => 0,
            };
            let places = events.by_ref().take(count as usize).map(|(event, position)| Place {
                position,
                revision: event.revision,
                recorded_at: batch.head.recorded_at,
                hash: event.hash,
            });
            (index, places.collect())
        });
        let written = written.collect();
        Settled { answers, written }
    }

    /// Moves on to the head that the log has now, and learns what was asked.
    async fn look_up(&mut self, wanted: &Wanted) -> Result<(), Unwritten> {
        let mut pause = Pause::default();
        loop {
            match self.load(wanted).await {
                Ok((head, facts, true)) => {
                    self.found_diverged(false, head);
                    self.known.move_to(head);
                    self.known.learn(facts);
                    return Ok(());
                }
                Ok((head, _, false)) => {
                    self.found_diverged(true, head);
                    return Err(Unwritten::Diverged);
                }
                Err(error) if error.is_permanent() => return Err(error.into()),
                Err(error) => pause.after(&error).await,
            }
        }
    }

    /// The head, what was asked, and whether that log still holds the newest head seen here. Being longer proves nothing:
    /// others may have written over what was lost.
    async fn load(&mut self, wanted: &Wanted) -> Result<(HeadRow, Facts, bool), DbError> {
        let (head, facts) = self.log.load(wanted).await?;
        let seen = self.known.head;
        let holds = head.epoch == seen.epoch
            && match head.position.cmp(&seen.position) {
                std::cmp::Ordering::Less => false,
                std::cmp::Ordering::Equal => head.hash == seen.hash,
                // Before its first event a log has nothing to lose.
                std::cmp::Ordering::Greater => {
                    seen.position == 0 || self.log.hash_at(seen.position).await? == Some(seen.hash)
                }
            };
        Ok((head, facts, holds))
    }

    fn found_diverged(&self, diverged: bool, found: HeadRow) {
        if self.diverged.swap(diverged, Ordering::Relaxed) == diverged {
            return;
        }
        self.figures.diverged.set(f64::from(u8::from(diverged)));
        let (found, seen) = (found.position, self.known.head.position);
        if diverged {
            tracing::error!(
                found,
                seen,
                "the log no longer holds what this process has seen of it: it refuses to write"
            );
        } else {
            tracing::warn!(found, seen, "the log holds again what this process has seen of it: it writes");
        }
    }

    /// Commits, and does not return before the outcome is known. A batch that may or may not be on disk is sent again,
    /// identical: both tries expect the same head, so one of them wins at most, and the hash at the new head tells whose it is.
    async fn commit(&mut self, batch: &Batch<'_>) -> Result<Committed, DbError> {
        fail::fail_point!("append.before_commit");
        let mut pause = Pause::default();
        let mut in_doubt = false;
        loop {
            let outcome = match self.log.commit(batch).await {
                Err(error) if !error.is_permanent() => {
                    in_doubt = true;
                    self.figures.doubts.increment(1);
                    pause.after(&error).await;
                    continue;
                }
                outcome => outcome,
            };
            if !in_doubt || matches!(outcome, Ok(Committed::Yes)) {
                return outcome;
            }
            match self.log.hash_at(batch.head.position).await {
                Ok(Some(hash)) if hash == batch.head.hash => return Ok(Committed::Yes),
                Ok(_) => return outcome,
                Err(error) => pause.after(&error).await,
            }
        }
    }
}

/// Why a batch was not written.
enum Unwritten {
    Refused(DbError),
    Diverged,
}

impl From<DbError> for Unwritten {
    fn from(error: DbError) -> Self {
        Self::Refused(error)
    }
}

/// A batch whose outcome is known.
struct Settled {
    answers: Vec<Result<Answer, AppendError>>,
    /// For each request that wrote, by index, where its events came to lie.
    written: Vec<(usize, Vec<Place>)>,
}

struct Place {
    position: i64,
    revision: i64,
    recorded_at: DateTime<Utc>,
    hash: [u8; 32],
}

type Answering = tokio::sync::oneshot::Sender<Result<Answer, AppendError>>;

/// Shows followers what was written, moving it out of the requests, and hands back who waits for an answer.
fn publish(batch: Vec<Waiting>, written: Vec<(usize, Vec<Place>)>, ring: &Ring) -> Vec<Answering> {
    let mut records = Vec::new();
    let mut written = written.into_iter().peekable();
    let mut answering = Vec::with_capacity(batch.len());
    for (index, waiting) in batch.into_iter().enumerate() {
        if let Some((_, places)) = written.next_if(|(writer, _)| *writer == index) {
            let mut places = places.into_iter();
            for write in waiting.request.append.writes {
                for (event, place) in write.events.into_iter().zip(places.by_ref()) {
                    records.push(Record {
                        position: place.position,
                        stream: write.stream.clone(),
                        revision: place.revision,
                        id: event.id,
                        kind: event.kind,
                        schema: event.schema,
                        payload: event.payload,
                        meta: event.meta,
                        recorded_at: place.recorded_at,
                        hash: place.hash,
                    });
                }
            }
        }
        answering.push(waiting.answer);
    }
    ring.push(records);
    answering
}

/// Longer after each failure, so that a database that comes back is not met by a storm.
struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(SHORTEST_PAUSE)
    }
}

impl Pause {
    async fn after(&mut self, error: &DbError) {
        tracing::warn!(error = error as &dyn std::error::Error, "the log cannot be reached; trying again");
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
