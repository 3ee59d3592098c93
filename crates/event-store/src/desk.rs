//! Where appends are handed in and followers begin: everything of a store that needs no SQL of its own.
//!
//! It stands on the seam alone, so that a simulator can run it as it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use db::append::Wanted;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior};

use crate::admit::Known;
use crate::request::{Answer, Request, Waiting};
use crate::ring::Ring;
use crate::seam::{Bounds, Log, Reader};
use crate::writer::{Figures, Writer};
use crate::{Append, AppendError, Appended, Filter, StoreError, Subscription};

/// How long a caller waits for an outcome. The writer goes on.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How often another process's appends are looked for.
pub(crate) const POLL: Duration = Duration::from_millis(50);

/// One log in one process. The writer ends when the desk is gone and the queue is empty.
pub struct Desk<R> {
    reader: R,
    queue: mpsc::Sender<Waiting>,
    ring: Arc<Ring>,
    bounds: Bounds,
    diverged: Arc<AtomicBool>,
    poll: AbortHandle,
}

impl<R> Drop for Desk<R> {
    fn drop(&mut self) {
        self.poll.abort();
    }
}

impl<R: Reader> Desk<R> {
    /// Starts the writer, and looks for what other processes append.
    pub async fn open(
        mut log: impl Log,
        reader: R,
        slug: &str,
        clock: fn() -> DateTime<Utc>,
        bounds: Bounds,
    ) -> Result<Self, StoreError> {
        let (head, _) = log.load(&Wanted::default()).await?;
        let ring = Arc::new(Ring::new(head.position, bounds.ring));
        let (sender, queue) = mpsc::channel(bounds.queue);
        let known = Known::at(head);
        let figures = Figures::of(slug);
        let diverged = Arc::new(AtomicBool::new(false));
        let writer = Writer {
            log,
            known,
            queue,
            ring: Arc::clone(&ring),
            clock,
            diverged: Arc::clone(&diverged),
            figures,
            most_requests: bounds.batch,
        };
        reader.drive(writer.run())?;
        let poll = tokio::spawn(poll(reader.clone(), Arc::clone(&ring))).abort_handle();
        Ok(Self { reader, queue: sender, ring, bounds, diverged, poll })
    }

    pub fn reader(&self) -> &R {
        &self.reader
    }

    pub fn is_writing(&self) -> bool {
        !self.queue.is_closed()
    }

    /// See [`EventStore::has_diverged`](crate::EventStore::has_diverged).
    pub fn has_diverged(&self) -> bool {
        self.diverged.load(Ordering::Relaxed)
    }

    /// See [`EventStore::append`](crate::EventStore::append).
    pub async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.submit(Request::new(append)?).await
    }

    pub(crate) async fn submit(&self, request: Request) -> Result<Appended, AppendError> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { request, since: Instant::now(), answer };
        self.queue.try_send(waiting).map_err(|_| AppendError::Overloaded)?;
        tokio::time::timeout(PATIENCE, self.outcome(answered)).await.map_err(|_| AppendError::Unknown)?
    }

    async fn outcome(&self, answered: oneshot::Receiver<Result<Answer, AppendError>>) -> Result<Appended, AppendError> {
        // The writer only goes away with its runtime; what became of the append is then unknown.
        match answered.await.map_err(|_| AppendError::Unknown)?? {
            Answer::Appended(appended) => Ok(appended),
            Answer::OperationDone { first, last } => {
                let revisions = self.reader.revisions(first, last).await;
                let revisions = revisions.map_err(|error| AppendError::Storage(Arc::new(error)))?;
                Ok(Appended { first, last, replayed: true, revisions })
            }
        }
    }

    /// See [`EventStore::subscribe`](crate::EventStore::subscribe).
    pub fn subscribe(&self, after: i64, filter: Filter) -> Subscription<R> {
        Subscription::new(self.reader.clone(), after, filter, Arc::clone(&self.ring), self.bounds.page)
    }

    /// See [`EventStore::watch`](crate::EventStore::watch).
    pub fn watch(&self) -> watch::Receiver<i64> {
        self.ring.watch()
    }
}

/// Looks for what other processes appended.
async fn poll(reader: impl Reader, ring: Arc<Ring>) {
    let mut tick = tokio::time::interval(POLL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        match reader.head().await {
            Ok(head) => ring.advance(head.position),
            Err(error) => tracing::debug!(error = &error as &dyn std::error::Error, "the head could not be polled"),
        }
    }
}
