//! The read models: each a pure fold of the log, kept current by one runner.
//!
//! A read model answers one question and is disposable: it equals a fresh replay of the log, on SQLite and on
//! PostgreSQL alike. This crate refuses to know keys, clocks and declarations: rows hold codes, instants and sealed
//! values, and a door opens, names and judges them. Start at [`Projection`], then read [`deadline_queue`]; the runner
//! that owns all I/O is [`Worker`]. `docs/read-models.md` says what each column means.

mod column;
mod conditions;
mod projection;
mod row;
mod rows;
mod tables;

pub mod deadline_queue;
pub mod person_history;
pub mod planning_base;
pub mod public_requests;
pub mod request_timeline;
pub mod statistics;

mod page;
mod read_index;
mod read_models;

mod apply;
mod delivery;
mod fold;
mod generation;
mod log_page;
mod model;
mod runner;
pub mod seam;
mod views;

mod check;
mod digest;
mod rebuild;
mod replay;
mod statements;

pub use check::{
    CheckError, CheckReport, CheckedModel, CheckedTable, Difference as CheckDifference, DifferenceKind, Problem, check,
};
pub use column::{Column, Sealing};
pub use digest::Line;
pub use generation::{Generation, State};
pub use page::Page;
pub use projection::{Cell, NoCells, Projection};
pub use read_index::Now;
pub use read_models::{Fresh, ModelStatus, ReadError, ReadModels};
pub use rebuild::{RebuildError, RebuildOutcome, RebuildReport, Rebuilt, names, rebuild};
pub use replay::{Phase, Progress, Tell, Unfoldable};
pub use row::{ColumnShape, Index, Row, Shape};
pub use rows::{Difference, Rows};
pub use runner::Worker;
pub use tables::{Memory, Standing, Tables};

pub(crate) use read_models::list_of;

#[cfg(test)]
mod given;
#[cfg(test)]
#[path = "../tests/it/story.rs"]
#[allow(dead_code, reason = "shared with the integration tests, which use the rest")]
mod story;
