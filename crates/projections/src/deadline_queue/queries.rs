//! The queue: due soon, overdue, paused; by unit, product and standard; ordered by due instant.

use chrono::TimeDelta;
use db::{Statement, Value};
use domain::{declaration::Priority, ids::RequestId, promise::Milestone, time::Instant, words::Code};
use serde::{Deserialize, Serialize};

use super::{DeadlineQueue, Owed};
use crate::{Column, Page, ReadError, ReadModels};

/// Which part of the queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Window {
    /// All that is owed.
    #[default]
    Open,
    /// Not paused, and due after `now`, before `until`.
    Soon { now: Instant, until: Instant },
    /// Not paused, and the due instant has come.
    Overdue { now: Instant },
    /// Waiting for the citizen.
    Paused,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    pub window: Window,
    pub unit: Option<Code>,
    pub product: Option<Code>,
    pub standard: Option<Code>,
    pub milestone: Option<Milestone>,
    pub priority: Option<Priority>,
    pub area: Option<Code>,
}

/// Earliest due first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    pub due_at: Instant,
    pub request: RequestId,
    pub standard: Code,
    pub ordinal: i64,
}

impl Cursor {
    pub fn of(row: &Owed) -> Self {
        Self { due_at: row.due_at, request: row.request, standard: row.standard.clone(), ordinal: row.ordinal }
    }
}

/// Open promises, earliest due first.
pub async fn list(models: &ReadModels, filter: &Filter, page: &Page<Cursor>) -> Result<Vec<Owed>, ReadError> {
    models.fetch::<DeadlineQueue, _>(list_statement(filter, page)).await
}

pub(crate) fn list_statement(filter: &Filter, page: &Page<Cursor>) -> Statement {
    let (after, until, paused) = match filter.window {
        Window::Open => (None, None, None),
        Window::Soon { now, until } => (Some(now), Some(until), Some(false)),
        // `due_at` is exclusive: at that very instant the promise is overdue. Instants are whole microseconds.
        Window::Overdue { now } => (None, Some(now + TimeDelta::microseconds(1)), Some(false)),
        Window::Paused => (None, None, Some(true)),
    };
    let cursor = page.after.as_ref();
    Statement::new(
        LIST,
        vec![
            after.into(),
            until.into(),
            paused.into(),
            filter.unit.value(),
            filter.product.value(),
            filter.standard.value(),
            filter.milestone.value(),
            filter.priority.value(),
            filter.area.value(),
            cursor.map(|cursor| cursor.due_at).into(),
            Value::Text(cursor.map(|cursor| cursor.request.stream())),
            Value::Text(cursor.map(|cursor| cursor.standard.to_string())),
            cursor.map(|cursor| cursor.ordinal).into(),
            page.limit.into(),
            page.skip.into(),
        ],
    )
}

const LIST: &str = "
    select @columns
    from @deadline_queue
    where ($1 is null or due_at > $1)
      and ($2 is null or due_at < $2)
      and ($3 is null or paused = $3)
      and ($4 is null or unit = $4)
      and ($5 is null or product = $5)
      and ($6 is null or standard = $6)
      and ($7 is null or milestone = $7)
      and ($8 is null or priority = $8)
      and ($9 is null or area = $9)
      and ($10 is null or (due_at, request, standard, ordinal) > ($10, $11, $12, $13))
    order by due_at, request, standard, ordinal
    limit $14
    offset $15";
