//! Following a log: first what lies in it, then what comes, and never a gap between.
//!
//! A follower that is slower than the writers drops out of the ring and reads pages again. Nothing is skipped for it, and its
//! position never runs ahead of what it was handed.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;

use crate::desk::POLL;
use crate::ring::Ring;
use crate::seam::{Database, Reader};
use crate::{Filter, Record, StoreError};

/// What a follower is handed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    Event(Record),
    /// Everything up to here was handed out; what follows comes live. Said again after each time the follower fell behind.
    CaughtUp {
        position: i64,
    },
    /// Nothing up to here is wanted by the filter; a place to resume from.
    Passed {
        position: i64,
    },
}

/// A place in a log that moves forward.
pub struct Subscription<R = Database> {
    reader: R,
    filter: Filter,
    ring: Arc<Ring>,
    head: watch::Receiver<i64>,
    /// Wanted, read, not yet handed out.
    pending: VecDeque<Arc<Record>>,
    /// Everything up to here was looked at.
    examined: i64,
    /// Everything up to here was handed out, or is not wanted.
    position: i64,
    pace: Pace,
    /// Events that are read at once.
    page: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    Behind,
    /// The last page reached the head; to be said once it is handed out.
    Arriving,
    Live,
}

impl<R: Reader> Subscription<R> {
    pub(crate) fn new(reader: R, after: i64, filter: Filter, ring: Arc<Ring>, page: usize) -> Self {
        let head = ring.watch();
        Self {
            reader,
            filter,
            ring,
            head,
            pending: VecDeque::new(),
            examined: after,
            position: after,
            pace: Pace::Behind,
            page,
        }
    }

    /// A checkpoint: resuming after it misses nothing and repeats nothing.
    pub fn position(&self) -> i64 {
        self.position
    }

    /// The next delivery, however long it takes. Dropping this future loses nothing.
    pub async fn next(&mut self) -> Result<Delivery, StoreError> {
        loop {
            if let Some(record) = self.pending.pop_front() {
                self.position = record.position;
                return Ok(Delivery::Event(Arc::unwrap_or_clone(record)));
            }
            let passed = self.examined - self.position;
            self.position = self.examined;
            if self.pace == Pace::Arriving {
                self.pace = Pace::Live;
                return Ok(Delivery::CaughtUp { position: self.position });
            }
            if passed >= self.page as i64 {
                return Ok(Delivery::Passed { position: self.position });
            }
            if self.pace == Pace::Behind {
                self.read_page().await?;
            } else if let Some(records) = self.ring.after(self.examined, self.page) {
                self.take(records);
            } else if *self.head.borrow_and_update() > self.examined {
                self.read_page().await?;
            } else if self.head.changed().await.is_err() {
                return Err(StoreError::Closed);
            }
        }
    }

    fn take(&mut self, records: Vec<Arc<Record>>) {
        self.examined = records.last().map_or(self.examined, |record| record.position);
        self.pending.extend(records.into_iter().filter(|record| self.filter.matches(record)));
    }

    /// Reads up to the head as it is now. Positions are gapless and never change, so two statements are as good as one; but
    /// the second may reach a copy of the database that is behind the first. The event at the head, wanted or not, comes
    /// with the page as a witness that whoever answered holds everything before it.
    async fn read_page(&mut self) -> Result<(), StoreError> {
        let known = *self.head.borrow();
        let head = self.reader.head().await?;
        let records = self.reader.page(self.examined, head.position, self.page, &self.filter).await?;
        let full = records.len() == self.page;
        let reached = records.last().map_or(self.examined, |last| last.position);
        let arrived = reached >= head.position;
        self.examined = reached;
        self.pace = match self.pace {
            _ if !arrived => Pace::Behind,
            Pace::Live => Pace::Live,
            _ => Pace::Arriving,
        };
        self.pending.extend(records.into_iter().filter(|record| self.filter.matches(record)).map(Arc::new));
        if self.pending.is_empty() && !full && (!arrived || head.position < known) {
            tokio::time::sleep(POLL).await; // nobody announces when a copy has caught up
        }
        Ok(())
    }
}
