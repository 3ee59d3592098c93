//! What is asked of the writer, and what it answers.

use std::collections::HashSet;
use std::sync::Arc;

use db::DbError;
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::{NewEvent, system};

pub(crate) const LARGEST_EVENT: usize = 1 << 20;
pub(crate) const LARGEST_APPEND: usize = 4 << 20;
/// Counted for every event and check, so that a bound in bytes also bounds their number.
const OVERHEAD: usize = 128;
/// Columns of PostgreSQL hold no more: a revision is an `integer`, and so is that from which a wholly truncated stream is shown.
pub(crate) const LAST_REVISION: i64 = i32::MAX as i64 - 1;
const LAST_SCHEMA: i32 = i16::MAX as i32;
const LONGEST_STREAM: usize = 200;
const LONGEST_KIND: usize = 100;

/// What a stream must be like for an append to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// No event, or none that is not hidden.
    NoStream,
    /// At least one event that is not hidden.
    Exists,
    Any,
    /// Exactly this last revision.
    Revision(i64),
}

/// The events for one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    pub stream: String,
    pub expected: Expected,
    pub events: Vec<NewEvent>,
}

/// The client's name for what it is doing, so that doing it again gives the first answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    pub id: [u8; 32],
    /// Of the request's content; none is equal to any.
    pub fingerprint: Option<[u8; 32]>,
}

/// All of it happens, at contiguous positions, or none of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    pub writes: Vec<Write>,
    /// Streams that are not written, and what they must be like.
    pub checks: Vec<(String, Expected)>,
    pub operation: Option<Operation>,
}

/// An acknowledged append: it is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    pub first: i64,
    pub last: i64,
    /// It had been written before; these are the first answer's positions.
    pub replayed: bool,
    /// The last revision of each written stream.
    pub revisions: Vec<(String, i64)>,
}

/// Why an append was not acknowledged.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    #[error("stream {stream} is not as expected")]
    Conflict { stream: String, expected: Expected, actual: Option<i64> },
    #[error("stream {stream} has ended")]
    Deleted { stream: String },
    #[error("the operation was used before for something else")]
    OperationReused,
    #[error("too many appends are waiting")]
    Overloaded,
    #[error("the outcome is not known yet")]
    Unknown,
    /// The log no longer holds what this process has seen of it. Nothing was written, and nothing will be before it does.
    #[error("the log is behind what was acknowledged, or another one")]
    Diverged,
    #[error("{what} is larger than {limit} bytes")]
    TooLarge { what: &'static str, limit: usize },
    #[error("{0}")]
    Invalid(&'static str),
    #[error("the log could not be written")]
    Storage(#[source] Arc<DbError>),
}

/// What the writer answers. The positions of a repeated operation are known; its streams are read by the caller's task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Appended(Appended),
    OperationDone { first: i64, last: i64 },
}

/// An append that is well formed, with the digests the writer need not compute.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) append: Append,
    /// SHA-256 of payload and meta, for each event in order.
    pub(crate) digests: Vec<[[u8; 32]; 2]>,
    pub(crate) bytes: usize,
}

/// A request in the queue.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) request: Request,
    pub(crate) since: Instant,
    pub(crate) answer: oneshot::Sender<Result<Answer, AppendError>>,
}

impl Request {
    /// From outside: reserved names are refused.
    pub(crate) fn new(append: Append) -> Result<Self, AppendError> {
        for write in &append.writes {
            refuse_reserved(&write.stream)?;
            write.events.iter().try_for_each(|event| refuse_reserved(&event.kind))?;
        }
        Self::of_system(append)
    }

    /// From the store itself.
    pub(crate) fn of_system(append: Append) -> Result<Self, AppendError> {
        let mut streams = HashSet::new();
        let written = append.writes.iter().map(|write| &write.stream);
        for stream in written.chain(append.checks.iter().map(|(stream, _)| stream)) {
            check_word(stream, LONGEST_STREAM, "a stream's name has 1 to 200 bytes and no control character")?;
            if !streams.insert(stream) {
                return Err(AppendError::Invalid("an append names a stream once"));
            }
        }
        let expected = append.writes.iter().map(|write| write.expected);
        let mut expected = expected.chain(append.checks.iter().map(|(_, expected)| *expected));
        if expected.any(|expected| matches!(expected, Expected::Revision(..0))) {
            return Err(AppendError::Invalid("a revision is not negative"));
        }
        let mut bytes = OVERHEAD * append.checks.len();
        let mut digests = Vec::with_capacity(append.writes.iter().map(|write| write.events.len()).sum());
        for write in &append.writes {
            if write.events.is_empty() {
                return Err(AppendError::Invalid("a write holds at least one event"));
            }
            let mut ids = HashSet::with_capacity(write.events.len());
            for event in &write.events {
                bytes += OVERHEAD + check_event(event)?;
                if !ids.insert(event.id) {
                    return Err(AppendError::Invalid("a write names an event's id once"));
                }
                digests.push([Sha256::digest(&event.payload).into(), Sha256::digest(&event.meta).into()]);
            }
        }
        if digests.is_empty() {
            return Err(AppendError::Invalid("an append holds at least one event"));
        }
        if bytes > LARGEST_APPEND {
            return Err(AppendError::TooLarge { what: "the append", limit: LARGEST_APPEND });
        }
        Ok(Self { append, digests, bytes })
    }
}

pub(crate) fn refuse_reserved(name: &str) -> Result<(), AppendError> {
    if name.starts_with('$') {
        return Err(AppendError::Invalid("names that start with $ belong to the store"));
    }
    Ok(())
}

fn check_event(event: &NewEvent) -> Result<usize, AppendError> {
    check_word(&event.kind, LONGEST_KIND, "a kind has 1 to 100 bytes and no control character")?;
    if !(0..=LAST_SCHEMA).contains(&event.schema) {
        return Err(AppendError::Invalid("a schema number is 0 to 32767"));
    }
    let size = event.payload.len() + event.meta.len();
    if size > LARGEST_EVENT {
        return Err(AppendError::TooLarge { what: "an event", limit: LARGEST_EVENT });
    }
    if event.kind == system::METADATA && system::truncation(&event.payload).is_none() {
        return Err(AppendError::Invalid("a truncation names a revision"));
    }
    Ok(size)
}

fn check_word(word: &str, longest: usize, rule: &'static str) -> Result<(), AppendError> {
    let good = !word.is_empty() && word.len() <= longest && !word.chars().any(char::is_control);
    if good { Ok(()) } else { Err(AppendError::Invalid(rule)) }
}
