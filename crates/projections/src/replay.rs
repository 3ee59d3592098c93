//! Folding the log from its beginning, in memory: what a rebuild writes and a check compares with.
//!
//! The log is read stream by stream. A scope is a stream, so its rows are final when its last event was folded: they are
//! handed on at once, and memory is bounded by the longest stream and never by the log. Reading and decoding, folding, and
//! what becomes of the rows go on beside one another.

use db::Value;
use event_store::{EventStore, StoreError};
use futures_util::StreamExt;
use tokio::sync::mpsc;

use crate::{delivery::Delivered, fold::Folding, model::Model};

const CHUNK: usize = 512;
const CHUNKS_AHEAD: usize = 16;
/// Rows handed on at once: as many as one transaction of a rebuild takes.
const BATCH: usize = 10_000;
/// Batches that wait for whoever receives them.
pub(crate) const BATCHES_AHEAD: usize = 2;
/// How often progress is told, in events.
const TELL: i64 = 10_000;

/// How far a long work has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub phase: Phase,
    pub done: i64,
    pub total: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Events.
    Folding,
    /// Rows.
    Reading,
}

/// Told of progress. `indicatif` or silence stands behind it.
pub type Tell<'a> = &'a mut (dyn FnMut(Progress) + Send);

/// A model to fold, up to and including a position.
#[derive(Clone, Copy)]
pub(crate) struct Until {
    pub(crate) model: &'static dyn Model,
    pub(crate) position: i64,
}

/// The event at which a model cannot be folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfoldable {
    pub position: i64,
    pub why: String,
}

/// Final rows of one table, in the order in which their streams began.
pub(crate) struct Batch {
    /// Which of the models that are replayed.
    pub(crate) model: usize,
    /// Which of its tables, the one of cells included.
    pub(crate) table: usize,
    pub(crate) rows: Vec<Vec<Value>>,
}

/// Folds every model, and sends the rows as they become final. A model that cannot go on holds up no other; what was sent
/// of it is worthless. Whoever receives may stop.
pub(crate) async fn replay(
    store: &EventStore,
    until: &[Until],
    batches: mpsc::Sender<Batch>,
    tell: Tell<'_>,
) -> Result<Vec<Result<(), Unfoldable>>, StoreError> {
    let last = until.iter().map(|until| until.position).max().unwrap_or(0);
    let mut folds: Vec<OneFold> = until.iter().map(OneFold::new).collect();
    let mut chunks = decoded(store.clone(), last);
    let (mut done, mut told) = (0, 0);
    while let Some(chunk) = chunks.recv().await {
        let chunk = chunk?;
        for record in &chunk {
            if record.revision == 0 {
                for fold in &mut folds {
                    fold.folding.end_stream();
                }
            }
            for fold in &mut folds {
                fold.step(record);
            }
        }
        hand_on(&mut folds, BATCH, &batches).await;
        done += chunk.len() as i64;
        if done - told >= TELL {
            told = done;
            tell(Progress { phase: Phase::Folding, done, total: last });
        }
    }
    for fold in &mut folds {
        fold.folding.end();
    }
    hand_on(&mut folds, 1, &batches).await;
    tell(Progress { phase: Phase::Folding, done: last, total: last });
    Ok(folds.into_iter().map(|fold| fold.failed.map_or(Ok(()), Err)).collect())
}

/// One model on its way through the log.
struct OneFold {
    until: Until,
    folding: Box<dyn Folding>,
    failed: Option<Unfoldable>,
}

impl OneFold {
    fn new(until: &Until) -> Self {
        Self { until: *until, folding: until.model.folding(), failed: None }
    }

    /// The earliest event that cannot be folded is the one where the model stops, so the fold goes on after a failure to
    /// see whether another stream has an earlier one.
    fn step(&mut self, record: &Delivered) {
        let reads = self.until.model.reads();
        if record.position > self.until.position {
            return;
        }
        let folded = match (record.unreadable(reads), record.event(reads)) {
            (Some(why), _) => Err(why.to_owned()),
            (None, Some(event)) => self.folding.fold(event),
            (None, None) => Ok(()),
        };
        if let Err(why) = folded
            && self.failed.as_ref().is_none_or(|failed| record.position < failed.position)
        {
            self.failed = Some(Unfoldable { position: record.position, why });
        }
    }
}

/// Sends what has come together in each table, if it is at least so much.
async fn hand_on(folds: &mut [OneFold], least: usize, batches: &mpsc::Sender<Batch>) {
    for (model, fold) in folds.iter_mut().enumerate() {
        for (table, rows) in fold.folding.take(least) {
            if fold.failed.is_none() {
                // Whoever went away has an error of their own to tell.
                let _ = batches.send(Batch { model, table, rows }).await;
            }
        }
    }
}

/// The log up to `last`, stream by stream, decoded.
fn decoded(store: EventStore, last: i64) -> mpsc::Receiver<Result<Vec<Delivered>, StoreError>> {
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    tokio::spawn(async move {
        let mut chunks = std::pin::pin!(store.scan_streams(last).ready_chunks(CHUNK));
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.into_iter().map(|record| record.map(Delivered::decode)).collect();
            if sender.send(chunk).await.is_err() {
                return;
            }
        }
    });
    receiver
}
