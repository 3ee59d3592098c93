//! The event store: records in, records out, in one gapless order for each log.
//!
//! It knows streams, revisions and bytes. It refuses to know the domain: a kind is a string, a payload is bytes. What it
//! promises is the contract suite in `tests/it`; what it stores is `docs/log-format.md`; why the head row is the only lock is
//! `docs/decisions/0002-head-row-is-the-lock.md`.
//!
//! Start at [`EventStore`]. An append goes through [`append`](EventStore::append) to the writer task (`writer`), which admits a
//! batch (`admit`, pure) and commits it through a small seam ([`seam`]). [`verify`] shares no code with any of it.

mod admit;
mod desk;
mod hash;
#[doc(hidden)]
pub mod measured;
mod names;
mod read;
mod record;
mod request;
mod ring;
pub mod seam;
mod state;
mod store;
mod subscribe;
mod system;
pub mod verify;
mod writer;

pub use db::is_passing;
pub use desk::{Desk, PATIENCE};
pub use hash::genesis;
pub use read::statements;
pub use record::{Direction, Filter, From, Head, NewEvent, Record, StoredOperation, StreamStatus};
pub use request::{Append, AppendError, Appended, Expected, Operation, Write};
pub use store::{EventStore, StoreError};
pub use subscribe::{Delivery, Subscription};
