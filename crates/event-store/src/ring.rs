//! The newest events of a log, shared by everyone who follows it live, and the head they wait on.
//!
//! The ring is a cache: whoever does not find the next event in it reads the database.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::Record;

const MOST_BYTES: usize = 8 << 20;

pub(crate) struct Ring {
    newest: Mutex<Newest>,
    most_events: usize,
    head: watch::Sender<i64>,
}

#[derive(Default)]
struct Newest {
    /// Contiguous positions.
    records: VecDeque<Arc<Record>>,
    bytes: usize,
}

impl Ring {
    pub(crate) fn new(head: i64, most_events: usize) -> Self {
        Self { newest: Mutex::default(), most_events, head: watch::Sender::new(head) }
    }

    pub(crate) fn watch(&self) -> watch::Receiver<i64> {
        self.head.subscribe()
    }

    /// The head moved, here or in another process. It never moves back.
    pub(crate) fn advance(&self, head: i64) {
        self.head.send_if_modified(|known| {
            let newer = head > *known;
            *known = head.max(*known);
            newer
        });
    }

    /// What this process just committed.
    pub(crate) fn push(&self, records: Vec<Record>) {
        let Some(head) = records.last().map(|record| record.position) else { return };
        {
            let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
            let follows = newest.records.back().is_none_or(|last| last.position + 1 == records[0].position);
            if !follows {
                *newest = Newest::default(); // another process wrote in between
            }
            for record in records {
                newest.bytes += size(&record);
                newest.records.push_back(Arc::new(record));
            }
            while newest.records.len() > self.most_events || newest.bytes > MOST_BYTES {
                let Some(oldest) = newest.records.pop_front() else { break };
                newest.bytes -= size(&oldest);
            }
        }
        self.advance(head);
    }

    /// At most `limit` events after a position; none when the ring does not hold the next one.
    pub(crate) fn after(&self, position: i64, limit: usize) -> Option<Vec<Arc<Record>>> {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let first = newest.records.front()?.position;
        let skip = usize::try_from(position + 1 - first).ok().filter(|skip| *skip < newest.records.len())?;
        Some(newest.records.iter().skip(skip).take(limit).cloned().collect())
    }
}

fn size(record: &Record) -> usize {
    record.payload.len() + record.meta.len() + record.stream.len() + record.kind.len() + size_of::<Record>()
}
