//! What benches hold in their hands and nothing else does: a statement that the database is asked alone, the writer's pure
//! parts without its task.

use chrono::DateTime;
use db::Statement;
use db::append::HeadRow;
use uuid::Uuid;

use crate::admit::{self, Known};
use crate::hash::{Place, event_hash};
use crate::request::Request;
use crate::{Append, AppendError, Direction, From, NewEvent, genesis, read};

/// As a stream is read from its start.
pub fn stream(log: i32, stream: &str, limit: usize) -> Statement {
    read::stream(log, stream, From::Start, Direction::Forward, limit)
}

/// A batch at the start of an empty log, as the writer finds it in its queue.
pub struct Batch {
    known: Known,
    requests: Vec<Request>,
}

impl Batch {
    pub fn new(appends: Vec<Append>) -> Result<Self, AppendError> {
        let head =
            HeadRow { epoch: Uuid::nil(), position: 0, hash: genesis("bench"), recorded_at: DateTime::UNIX_EPOCH };
        let requests = appends.into_iter().map(Request::new).collect::<Result<_, _>>()?;
        Ok(Self { known: Known::at(head), requests })
    }

    /// How many of its requests write.
    pub fn admit(&self) -> usize {
        admit::admit(&self.known, &self.requests, DateTime::UNIX_EPOCH).writing.len()
    }
}

/// The link of the chain that one event makes.
pub fn link(previous: &[u8; 32], stream: &str, event: &NewEvent, digests: &[[u8; 32]; 2]) -> [u8; 32] {
    let place = Place { position: 1, stream, revision: 0, recorded_at: DateTime::UNIX_EPOCH };
    event_hash(previous, place, event, digests)
}
