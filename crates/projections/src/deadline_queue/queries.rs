//! The queue: due soon, overdue, paused; by unit, product and standard; ordered by due instant.

use db::Statement;
use domain::{declaration::Priority, ids::RequestId, promise::Milestone, time::Instant, words::Code};
use serde::{Deserialize, Serialize};

use super::{DeadlineQueue, Owed};
use crate::{Column, Page, ReadError, ReadModels, conditions::Conditions};

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
    let mut conditions = Conditions::default();
    match filter.window {
        Window::Open => {}
        Window::Soon { now, until } => {
            conditions.fixed("not paused");
            conditions.add("due_at >", now);
            conditions.add("due_at <", until);
        }
        // `due_at` is exclusive: at that very instant the promise is overdue.
        Window::Overdue { now } => {
            conditions.fixed("not paused");
            conditions.add("due_at <=", now);
        }
        Window::Paused => conditions.fixed("paused"),
    }
    conditions.equal("unit", filter.unit.as_ref());
    conditions.equal("product", filter.product.as_ref());
    conditions.equal("standard", filter.standard.as_ref());
    conditions.equal("milestone", filter.milestone.as_ref());
    conditions.equal("priority", filter.priority.as_ref());
    conditions.equal("area", filter.area.as_ref());
    if let Some(Cursor { due_at, request, standard, ordinal }) = &page.after {
        let place = [(*due_at).into(), request.value(), standard.value(), (*ordinal).into()];
        conditions.after(ORDER, place);
    }
    let text = format!("select @columns from @deadline_queue where @conditions order by {ORDER}");
    let statement = conditions.statement(&text, page.limit, page.skip);
    if is_in_order(filter) && page.skip == 0 { statement.by_key() } else { statement }
}

const ORDER: &str = "due_at, request, standard, ordinal";

/// Whether the rows wanted stand together in an index, in the wanted order but for a few that are paused.
fn is_in_order(filter: &Filter) -> bool {
    let Filter { window, unit, product, standard, milestone, priority, area } = filter;
    let others = standard.is_some() || milestone.is_some() || priority.is_some() || area.is_some();
    // The paused, who are few, have an index of their own.
    let leading = [unit.is_some(), product.is_some(), *window == Window::Paused];
    !others && leading.into_iter().filter(|leads| *leads).count() <= 1
}
