//! One request, and lists of them.

use db::{Statement, Value};
use domain::{ids::RequestId, number::Number, request::Status, time::Instant, words::Code};
use serde::{Deserialize, Serialize};

use super::{PublicRequest, PublicRequests};
use crate::{Column, Fresh, Now, Page, ReadError, ReadModels, Rows, list_of, tables::Positioned};

/// Every part is optional; bounds are half-open.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// Any of these public numbers.
    pub numbers: Option<Vec<Number>>,
    /// Open311's `status`.
    pub open: Option<bool>,
    /// Any of these words.
    pub statuses: Option<Vec<Status>>,
    pub products: Option<Vec<Code>>,
    pub requested_from: Option<Instant>,
    pub requested_until: Option<Instant>,
    pub updated_from: Option<Instant>,
    pub updated_until: Option<Instant>,
    pub unit: Option<Code>,
    pub area: Option<Code>,
}

/// Newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    pub requested_at: Instant,
    pub request: RequestId,
}

impl Cursor {
    pub fn of(row: &PublicRequest) -> Self {
        Self { requested_at: row.requested_at, request: row.request }
    }
}

/// One request as of now: its row, and a fold of what came after it. Never stale, never waiting.
pub async fn one(models: &ReadModels, request: RequestId) -> Result<Option<Fresh<PublicRequest>>, ReadError> {
    let fresh = models.scope::<PublicRequests>(&request.stream()).await?;
    Ok(fresh.and_then(|fresh| fresh.try_map(|rows| rows.into_vec().pop())))
}

pub(crate) const NUMBER: &str = "number";

/// One request as of `now`, by its number; none where no row has that number yet, or no request. Cheaper than to find out
/// which request it is: its row is found at once, and is as of now wherever its checkpoint is the head of the log.
pub async fn by_number(
    models: &ReadModels,
    number: &Number,
    now: &mut Now,
) -> Result<Option<PublicRequest>, ReadError> {
    let found = models.row_at_checkpoint::<PublicRequests, PublicRequest>(NUMBER, number.as_str()).await?;
    let Positioned { position: checkpoint, hash, row } = found;
    let Some(row) = row else { return Ok(None) };
    // The same position with another hash is that of another log: of a backup, say, that is older than the rows.
    if now.head().await.is_some_and(|head| head.position == checkpoint && Some(head.hash) == hash) {
        return Ok(Some(row));
    }
    let stream = row.request.stream();
    let mut rows = Rows::default();
    rows.load(row);
    let fresh = models.folded::<PublicRequests>(&stream, checkpoint, rows).await?;
    Ok(fresh.and_then(|fresh| fresh.value.into_vec().pop()))
}

/// Requests, newest first.
pub async fn list(models: &ReadModels, filter: &Filter, page: &Page<Cursor>) -> Result<Vec<PublicRequest>, ReadError> {
    models.fetch::<PublicRequests, _>(list_statement(filter, page)).await
}

pub(crate) fn list_statement(filter: &Filter, page: &Page<Cursor>) -> Statement {
    Statement::new(
        LIST,
        vec![
            list_of(filter.numbers.as_deref()),
            filter.open.into(),
            list_of(filter.statuses.as_deref()),
            list_of(filter.products.as_deref()),
            filter.requested_from.into(),
            filter.requested_until.into(),
            filter.updated_from.into(),
            filter.updated_until.into(),
            filter.unit.value(),
            filter.area.value(),
            page.after.map(|cursor| cursor.requested_at).into(),
            Value::Text(page.after.map(|cursor| cursor.request.stream())),
            page.limit.into(),
            page.skip.into(),
        ],
    )
}

const LIST: &str = "
    select @columns
    from @public_requests
    where ($1 is null or number in (select value from @each($1)))
      and ($2 is null or open = $2)
      and ($3 is null or status in (select value from @each($3)))
      and ($4 is null or product in (select value from @each($4)))
      and ($5 is null or requested_at >= $5)
      and ($6 is null or requested_at < $6)
      and ($7 is null or updated_at >= $7)
      and ($8 is null or updated_at < $8)
      and ($9 is null or unit = $9)
      and ($10 is null or area = $10)
      and ($11 is null or (requested_at, request) < ($11, $12))
    order by requested_at desc, request desc
    limit $13
    offset $14";
