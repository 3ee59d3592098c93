//! PostgreSQL, through tokio-postgres: connections, values, transactions and bulk writes.
//!
//! No exchange with the server is given up half-way: reads as well as writes run in tasks of their own, so a caller that
//! hangs up leaves no connection in a state that nobody knows. Start at [`Pool`], then [`Session`].
//! docs/decisions/0010-drivers.md says why this driver, and what it was measured against.

mod bulk;
mod error;
mod options;
mod password;
mod pool;
mod row;
mod session;
mod tls;
mod tx;
mod value;

pub use error::PostgresError;
pub(crate) use options::Options;
pub(crate) use pool::{BY_KEY, Pool};
pub(crate) use row::{at, bool, bytes, day, int, str, uuid};
pub(crate) use session::Session;
pub(crate) use tx::Tx;
