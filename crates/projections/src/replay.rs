//! Folding the log from its beginning, in memory: what a rebuild writes and a check compares with.
//!
//! A long log is folded in parts, each a share of the scopes, so that memory is bounded by the events of a part and
//! never by the log. Events are decoded in a task of their own, beside the fold.

use std::collections::BTreeMap;

use db::Value;
use event_store::{EventStore, Filter, StoreError};
use futures_util::StreamExt;
use tokio::sync::mpsc;

use crate::{
    Shape,
    delivery::Delivered,
    fold::{Finished, Folding, Partition},
    model::Model,
};

/// The most events that are folded in memory at once, on average.
const PART: i64 = 250_000;
const CHUNK: usize = 512;
const CHUNKS_AHEAD: usize = 16;
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
    /// Events, over all parts.
    Folding,
    /// Rows.
    Writing,
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

/// The parts that a log of this length is folded in.
pub(crate) fn partitions(position: i64) -> impl Iterator<Item = Partition> {
    let of = (position / PART + 1) as u64;
    (0..of).map(move |index| Partition { index, of })
}

/// One part of every model. A model that cannot go on is given up and holds up no other.
pub(crate) async fn replay(
    store: &EventStore,
    until: &[Until],
    partition: Partition,
    tell: Tell<'_>,
) -> Result<Vec<Result<Finished, Unfoldable>>, StoreError> {
    let last = until.iter().map(|until| until.position).max().unwrap_or(0);
    let mut folds: Vec<Result<Box<dyn Folding>, Unfoldable>> =
        until.iter().map(|until| Ok(until.model.folding(partition))).collect();
    let all_by_stream = until.iter().all(|until| until.model.scope_is_stream());
    let mut chunks = decoded(store.clone(), last, all_by_stream.then_some(partition));
    let total = last * partition.of as i64;
    let before = last * partition.index as i64;
    let mut told = 0;
    while let Some(chunk) = chunks.recv().await {
        let chunk = chunk?;
        for record in &chunk {
            for (fold, until) in folds.iter_mut().zip(until) {
                if record.position <= until.position {
                    step(fold, until.model, record);
                }
            }
        }
        let done = chunk.last().map_or(0, |record| record.position);
        if done - told >= TELL {
            told = done;
            tell(Progress { phase: Phase::Folding, done: before + done, total });
        }
    }
    tell(Progress { phase: Phase::Folding, done: before + last, total });
    Ok(folds.into_iter().map(|fold| fold.map(Folding::finish)).collect())
}

fn step(fold: &mut Result<Box<dyn Folding>, Unfoldable>, model: &'static dyn Model, record: &Delivered) {
    let Ok(folding) = fold else { return };
    let folded = match (record.unreadable(model.reads()), record.event(model.reads())) {
        (Some(why), _) => Err(why.to_owned()),
        (None, Some(event)) => folding.fold(event),
        (None, None) => Ok(()),
    };
    if let Err(why) = folded {
        *fold = Err(Unfoldable { position: record.position, why });
    }
}

/// The log up to `last`, decoded where it belongs to the part.
fn decoded(
    store: EventStore,
    last: i64,
    part: Option<Partition>,
) -> mpsc::Receiver<Result<Vec<Delivered>, StoreError>> {
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    tokio::spawn(async move {
        let records = store.scan(0, Filter::all());
        let mut chunks = std::pin::pin!(records.ready_chunks(CHUNK));
        while let Some(chunk) = chunks.next().await {
            let chunk: Result<Vec<Delivered>, StoreError> = chunk
                .into_iter()
                .take_while(|record| record.as_ref().map_or(true, |record| record.position <= last))
                .map(|record| {
                    record.map(|record| match part {
                        Some(part) if !part.holds(&record.stream) => Delivered::other(&record),
                        _ => Delivered::decode(record),
                    })
                })
                .collect();
            let ended = match &chunk {
                Ok(chunk) => chunk.last().is_none_or(|record| record.position >= last),
                Err(_) => true,
            };
            if sender.send(chunk).await.is_err() || ended {
                return;
            }
        }
    });
    receiver
}

/// The cells of several parts, added up.
#[derive(Default)]
pub(crate) struct Cells(BTreeMap<String, Vec<Value>>);

impl Cells {
    pub(crate) fn add(&mut self, shape: &Shape, cells: Vec<Vec<Value>>) {
        for cell in cells {
            match self.0.entry(shape.key_text(&cell)) {
                std::collections::btree_map::Entry::Vacant(entry) => {
                    entry.insert(cell);
                }
                std::collections::btree_map::Entry::Occupied(mut entry) => {
                    let counters = entry.get_mut().iter_mut().zip(cell).skip(shape.key);
                    counters.for_each(|(sum, more)| *sum = plus(sum, &more));
                }
            }
        }
    }

    /// A cell of zeros is none.
    pub(crate) fn into_rows(self, shape: &Shape) -> Vec<Vec<Value>> {
        let counts = |cell: &[Value]| cell[shape.key..].iter().any(|value| *value != Value::Int(Some(0)));
        self.0.into_values().filter(|cell| counts(cell)).collect()
    }
}

fn plus(a: &Value, b: &Value) -> Value {
    match (a, b) {
        (Value::Int(Some(a)), Value::Int(Some(b))) => Value::Int(Some(a + b)),
        (other, _) => other.clone(),
    }
}
