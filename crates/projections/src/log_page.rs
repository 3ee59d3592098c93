//! A page of the log after a checkpoint, and whether it is still the same log.

use std::sync::{Mutex, MutexGuard, PoisonError};

use event_store::{Direction, EventStore, Filter, From, Record, StoreError};
use tokio::task::JoinHandle;

use crate::{Generation, delivery::Delivered};

/// Events of one batch, at most: one that is behind writes a row once for all that happened to it in the batch.
const PAGE: usize = 4_000;

/// The events after a position, and the hash of the event at it.
pub struct LogPage {
    anchor: Option<[u8; 32]>,
    pub(crate) run: Vec<Delivered>,
}

/// Reads page after page. Behind a full one comes another, which is read and decoded while the first is folded and written.
#[derive(Default)]
pub(crate) struct Pages {
    ahead: Mutex<Option<Ahead>>,
}

struct Ahead {
    after: i64,
    reading: JoinHandle<Result<LogPage, StoreError>>,
}

impl Pages {
    pub(crate) async fn after(&self, store: &EventStore, position: i64) -> Result<LogPage, StoreError> {
        let ahead = self.ahead().take_if(|ahead| ahead.after == position);
        let read = match ahead {
            Some(ahead) => ahead.reading.await.ok().transpose()?,
            None => None,
        };
        // An empty one may have been read before the head moved, and nobody would be told again that it has.
        let page = match read.filter(|page| !page.run.is_empty()) {
            Some(page) => page,
            None => after(store, position).await?,
        };
        if let Some(last) = page.run.last().filter(|_| page.is_full()) {
            let (store, after) = (store.clone(), last.position);
            let reading = tokio::spawn(async move { self::after(&store, after).await });
            *self.ahead() = Some(Ahead { after, reading });
        }
        Ok(page)
    }

    fn ahead(&self) -> MutexGuard<'_, Option<Ahead>> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The record at the checkpoint is read with those that follow, so that every batch proves that it continues the history
/// that the rows were folded from.
pub(crate) async fn after(store: &EventStore, position: i64) -> Result<LogPage, StoreError> {
    let from = if position == 0 { From::Start } else { From::At(position) };
    let records = store.read_log(from, Direction::Forward, PAGE + 1, &Filter::all()).await?;
    Ok(LogPage::new(position, records))
}

impl LogPage {
    pub(crate) fn is_full(&self) -> bool {
        self.run.len() >= PAGE
    }

    /// The record at the checkpoint, unless that is 0, and those that follow.
    pub fn new(position: i64, records: Vec<Record>) -> Self {
        let mut records = records.into_iter().peekable();
        let anchor = records.next_if(|record| record.position == position).map(|record| record.hash);
        Self { anchor, run: records.map(Delivered::decode).collect() }
    }

    pub(crate) fn reaches(&self, position: i64) -> bool {
        self.run.last().is_some_and(|last| last.position >= position)
    }

    /// Its events up to a position, that one included.
    pub(crate) fn until(&self, position: i64) -> &[Delivered] {
        &self.run[..self.run.partition_point(|record| record.position <= position)]
    }

    /// False if the log was restored, forked or cut behind the checkpoint.
    pub(crate) fn continues(&self, generation: &Generation) -> bool {
        generation.position == 0 || self.anchor.is_some() && self.anchor == generation.hash
    }
}
