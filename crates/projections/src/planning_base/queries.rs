//! The planning base, most urgent first.

use db::{Statement, Value};
use domain::{declaration::Priority, ids::RequestId, time::Instant, words::Code};
use serde::{Deserialize, Serialize};

use super::{Planned, PlanningBase};
use crate::{Column, Page, ReadError, ReadModels};

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    pub programme: Option<Code>,
    pub product: Option<Code>,
    pub area: Option<Code>,
    pub unit: Option<Code>,
    pub priority: Option<Priority>,
}

/// Most urgent first, then by when it entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    pub priority: Priority,
    pub entered_at: Instant,
    pub request: RequestId,
}

impl Cursor {
    pub fn of(row: &Planned) -> Self {
        Self { priority: row.priority, entered_at: row.entered_at, request: row.request }
    }
}

pub async fn list(models: &ReadModels, filter: &Filter, page: &Page<Cursor>) -> Result<Vec<Planned>, ReadError> {
    models.fetch::<PlanningBase, _>(list_statement(filter, page)).await
}

pub(crate) fn list_statement(filter: &Filter, page: &Page<Cursor>) -> Statement {
    Statement::new(
        LIST,
        vec![
            filter.programme.value(),
            filter.product.value(),
            filter.area.value(),
            filter.unit.value(),
            filter.priority.value(),
            page.after.map(|cursor| rank(cursor.priority)).into(),
            page.after.map(|cursor| cursor.entered_at).into(),
            Value::Text(page.after.map(|cursor| cursor.request.stream())),
            page.limit.into(),
            page.skip.into(),
        ],
    )
}

/// As the statement ranks the stored words.
fn rank(priority: Priority) -> i64 {
    match priority {
        Priority::Urgent => 0,
        Priority::High => 1,
        Priority::Normal => 2,
        Priority::Low => 3,
    }
}

const LIST: &str = "
    select @columns
    from @planning_base
    where ($1 is null or programme = $1)
      and ($2 is null or product = $2)
      and ($3 is null or area = $3)
      and ($4 is null or unit = $4)
      and ($5 is null or priority = $5)
      and (
        $6 is null
        or (
          case priority when 'urgent' then 0 when 'high' then 1 when 'normal' then 2 else 3 end,
          entered_at,
          request
        ) > ($6, $7, $8)
      )
    order by
      case priority when 'urgent' then 0 when 'high' then 1 when 'normal' then 2 else 3 end,
      entered_at,
      request
    limit $9
    offset $10";
