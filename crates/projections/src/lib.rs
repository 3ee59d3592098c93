//! The read models: each a pure fold of the log, kept current by one runner.
//!
//! A read model answers one question and is disposable: it equals a fresh replay of the log, on SQLite and on
//! PostgreSQL alike. This crate refuses to know keys, clocks and declarations: rows hold codes, instants and sealed
//! values, and a door opens, names and judges them. Start at [`Projection`], then read [`deadline_queue`]; the runner
//! that owns all I/O is [`Worker`]. `docs/read-models.md` says what each column means.

mod column;
mod projection;
mod row;
mod rows;

pub mod deadline_queue;
pub mod person_history;
pub mod planning_base;
pub mod public_requests;
pub mod request_timeline;
pub mod statistics;

mod generation;
mod model;
mod page;
mod read_models;

pub use column::{Column, Sealing};
pub use generation::{Generation, State};
pub use page::Page;
pub use projection::{Cell, NoCells, Projection};
pub use read_models::{Fresh, ReadError, ReadModels};
pub use row::{ColumnShape, Index, Row, Shape};
pub use rows::{Rows, Tables};

pub(crate) use read_models::list_of;
