//! Two databases, one SQL text. This is the only crate that names their drivers.
//!
//! It knows connections, statements, values and rows. It refuses to know what they mean: no event, no projection, no key.
//! [`append`] is the one place that is written twice by hand, because the log's append earns it (docs/decisions/0001).
//! Start at [`Databases`], then [`Db`], then [`Statement`].

pub mod append;
mod bulk;
mod databases;
mod error;
mod location;
mod migrate;
mod pool;
mod postgres;
mod row;
pub mod scratch;
mod sqlite;
mod statement;
mod tx;
mod value;

pub use bulk::{Column, Kind, OnConflict};
#[doc(hidden)]
pub use databases::statements;
pub use databases::{Databases, LogEntry};
pub use error::{DbError, is_passing};
pub use location::{Dialect, Location};
#[doc(hidden)]
pub use migrate::fingerprint;
pub use pool::Db;
pub use postgres::PostgresError;
pub use row::{ReadRow, Row};
pub use statement::{Dialects, Statement};
pub use tx::Tx;
pub use value::Value;

/// A boxed future that borrows the transaction it works in.
pub use futures_util::future::BoxFuture;
