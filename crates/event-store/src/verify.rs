//! Verifies that a log is complete and untouched, from `docs/log-format.md` alone.
//!
//! Nothing here is shared with the writer: not its hash, not its encoder, not its types. If both were wrong in the same
//! way the Python verifier under `tests/`, written from the same page, would still tell. This module knows no event, no
//! key and no clock. It cannot see that the newest events were cut off together with their head row: compare
//! [`Report::head`] with a copy kept elsewhere. Start at [`verify`]; the rules are in [`rules`], what is read in [`rows`].

pub mod rows;
pub mod rules;

use std::fmt::Write;

use db::DbError;
use uuid::Uuid;

use crate::verify::rows::{EventRow, HeadRow, OperationRow, StreamRow, TwinRow};
use crate::verify::rules::Verification;

/// How far a verification has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Events read so far.
    pub events: i64,
    /// Events that the head row announces.
    pub announced: i64,
}

/// What was read, and what does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub events: i64,
    pub streams: usize,
    /// The last event as stored. Where `ok()`, worth a copy elsewhere.
    pub head: Anchor,
    /// The first [`FINDINGS`] of them, in the order they were met.
    pub findings: Vec<Finding>,
    /// How many there are in all.
    pub violations: u64,
}

impl Report {
    pub fn ok(&self) -> bool {
        self.violations == 0
    }
}

/// Names one state of a log: whoever kept it can tell later that nothing up to it was changed or cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    pub epoch: Uuid,
    pub position: i64,
    pub hash: [u8; 32],
}

impl Anchor {
    /// As people compare it.
    pub fn hash_in_hex(&self) -> String {
        self.hash.iter().fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
            text
        })
    }
}

/// Something that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Of the event it concerns; none where another row is concerned, which `what` then names.
    pub position: Option<i64>,
    pub what: String,
}

/// How many findings a report spells out.
pub const FINDINGS: usize = 20;

/// The log could not be read to its end; whether it is intact is unknown.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("the log cannot be read")]
    Read(#[from] DbError),
}

/// Reads the whole log in one snapshot, while others append. `log` is its row of the directory.
///
/// Memory does not grow with the events: it holds a name, a number, a revision and two marks for each stream. Whether an id stands
/// twice in a stream is asked of the database, which can sort what does not fit.
pub async fn verify(
    db: &db::Db,
    log: &db::LogEntry,
    mut progress: impl FnMut(Progress) + Send + 'static,
) -> Result<Report, VerifyError> {
    let id = log.id;
    let mut verification = Verification::new(&log.slug, log.epoch);
    let report = db.snapshot(move |tx| {
        Box::pin(async move {
            tx.for_each(HeadRow::all(id), |row: HeadRow| verification.head(row)).await?;
            tx.for_each(EventRow::all(id), |row: EventRow| {
                verification.event(&row);
                let now = verification.progress();
                if now.events % 1024 == 0 || now.events == now.announced {
                    progress(now);
                }
            })
            .await?;
            tx.for_each(TwinRow::all(id), |row: TwinRow| verification.twin(&row)).await?;
            tx.for_each(StreamRow::all(id), |row: StreamRow| verification.stream(&row)).await?;
            tx.for_each(OperationRow::all(id), |row: OperationRow| verification.operation(&row)).await?;
            Ok(verification.finish())
        })
    });
    Ok(report.await?)
}
