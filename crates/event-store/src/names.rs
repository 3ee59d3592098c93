//! Long reads of a log, whose rows say only the number of their stream.
//!
//! A row is some 300 bytes and its stream's name is in another row, so having the database look up each name costs as much as
//! the row. Whoever reads a log in order has passed the first event of nearly every stream, which bears the name.

use std::collections::HashMap;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use db::{Db, DbError, ReadRow, Row};
use futures_core::Stream;
use futures_util::{StreamExt, TryStreamExt};

use crate::read;
use crate::record::{Record, STREAM_NUMBER};

/// Some ten megabytes of names. With as many, a read goes on as a new one, which has the older names looked up.
const NAMES: usize = 100_000;

/// A record whose stream has no name where the reader has passed it.
struct Numbered {
    record: Record,
    stream: i64,
}

impl ReadRow for Numbered {
    fn read(row: &Row<'_>) -> Result<Self, DbError> {
        Ok(Self { record: Record::read(row)?, stream: row.int(STREAM_NUMBER)? })
    }
}

type Rows = Pin<Box<dyn Stream<Item = Result<Numbered, DbError>> + Send>>;

/// Everything after a position, in order.
pub(crate) struct Scan {
    db: Db,
    log: i32,
    rows: Rows,
    /// The last that was handed out.
    position: i64,
    names: HashMap<i64, String>,
    most: usize,
}

impl Scan {
    pub(crate) fn new(db: Db, log: i32, after: i64) -> Self {
        let rows = Self::rows(&db, log, after);
        Self { db, log, rows, position: after, names: HashMap::new(), most: NAMES }
    }

    fn rows(db: &Db, log: i32, after: i64) -> Rows {
        db.stream(read::scan_all(log, after)).boxed()
    }
}

impl Stream for Scan {
    type Item = Result<Record, DbError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.names.len() >= self.most {
            self.names.clear();
            self.rows = Self::rows(&self.db, self.log, self.position);
        }
        let Some(row) = ready!(self.rows.as_mut().poll_next(context)) else { return Poll::Ready(None) };
        Poll::Ready(Some(row.and_then(|Numbered { mut record, stream }| {
            if record.stream.is_empty() {
                record.stream.clone_from(self.names.get(&stream).ok_or_else(|| nameless(stream))?);
            } else if record.position == stream {
                self.names.insert(stream, record.stream.clone());
            }
            self.position = record.position;
            Ok(record)
        })))
    }
}

/// Every event up to a position, stream by stream: the first of each comes first.
pub(crate) fn by_stream(db: &Db, log: i32, until: i64) -> impl Stream<Item = Result<Record, DbError>> + Send + use<> {
    let mut name = (0, String::new());
    db.stream::<Numbered>(read::scan_streams(log, until)).and_then(move |Numbered { mut record, stream }| {
        if record.position == stream {
            name = (stream, record.stream.clone());
        } else if name.0 == stream {
            record.stream.clone_from(&name.1);
        } else {
            return std::future::ready(Err(nameless(stream)));
        }
        std::future::ready(Ok(record))
    })
}

/// Its first event is not where its number says: the log is damaged.
fn nameless(stream: i64) -> DbError {
    DbError::Decode { column: 1, wanted: "the name of a stream", found: format!("none at position {stream}") }
}

#[cfg(test)]
mod tests {
    use testkit::on_both_databases;
    use uuid::Uuid;

    use super::*;
    use crate::{Append, Direction, EventStore, Expected, Filter, From, NewEvent, Write};

    /// A log whose streams are interwoven: every third event begins one.
    async fn woven(store: &EventStore) -> Vec<Record> {
        for turn in 0..30 {
            for stream in [turn, turn / 2, 0] {
                let id = Uuid::from_u64_pair(turn, stream);
                let kind = "thing.done".to_owned();
                let event = NewEvent { id, kind, schema: 1, payload: b"{}".to_vec(), meta: b"{}".to_vec() };
                let stream = format!("thing-{stream}");
                let writes = vec![Write { stream, expected: Expected::Any, events: vec![event] }];
                store.append(Append { writes, checks: vec![], operation: None }).await.expect("append");
            }
        }
        store.read_log(From::Start, Direction::Forward, usize::MAX, &Filter::all()).await.expect("read the log")
    }

    on_both_databases! {
        async fn every_event_bears_its_stream_however_few_names_a_reader_keeps(fresh: Fresh) {
            let entry = fresh.create_log("quebec").await.expect("create the log");
            let db = fresh.log(&entry).await.expect("open the log's database");
            let store = EventStore::open(db.clone(), &entry).await.expect("open the log");
            let log = woven(&store).await;
            for most in [1, 2, 7, NAMES] {
                for after in [0, 1, 17, log.len() - 1, log.len()] {
                    let scan = Scan { most, ..Scan::new(db.clone(), entry.id, after as i64) };
                    let scanned: Vec<Record> = scan.try_collect().await.expect("scan");
                    assert_eq!(scanned, log[after..], "{most} names, after {after}");
                }
            }
            let mut by_stream = log.clone();
            by_stream.sort_by_key(|record| log.iter().position(|other| other.stream == record.stream));
            let scanned: Vec<Record> = store.scan_streams(log.len() as i64).try_collect().await.expect("scan");
            assert_eq!(scanned, by_stream);
        }
    }
}
