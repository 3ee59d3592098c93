//! Figures over a period of local days: counted from the daily cells, or asked of the facts.

use chrono::NaiveDate;
use db::{DbError, ReadRow, Row, Value};
use domain::{ids::RequestId, words::Code};
use serde::{Deserialize, Serialize};

use super::{DailyCell, PromiseFact, Statistics};
use crate::{Column, Fresh, ReadError, ReadModels};

/// Which days, and which requests.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selection {
    pub from: Option<NaiveDate>,
    /// Exclusive.
    pub until: Option<NaiveDate>,
    pub channel: Option<Code>,
    pub product: Option<Code>,
    pub precision: Option<Code>,
    pub area: Option<Code>,
    pub standard: Option<Code>,
}

/// What figures are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    Channel,
    Product,
    Precision,
    Area,
    Standard,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    Day,
    Month,
    Year,
}

impl Period {
    /// Of `2026-11-22`, how many characters name the period; none: one figure for all days.
    fn characters(period: Option<Self>) -> i64 {
        match period {
            Some(Self::Day) => 10,
            Some(Self::Month) => 7,
            Some(Self::Year) => 4,
            None => 0,
        }
    }
}

/// Requests opened and closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Volume {
    /// `2026-11-22`, `2026-11`, `2026`, or empty.
    pub period: String,
    /// The code, or empty where the request has none.
    pub value: String,
    pub opened: i64,
    pub closed: i64,
}

/// Promises by the last day on which they can be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PromiseCount {
    pub period: String,
    /// Of the dimension that was asked for: the standard, unless another.
    pub value: String,
    pub owed: i64,
    pub kept: i64,
    pub missed: i64,
    pub released: i64,
}

impl PromiseCount {
    /// Kept among judged, in percent; an empty period has none (A7).
    pub fn percent_kept(&self) -> Option<f64> {
        let judged = self.kept + self.missed;
        (judged > 0).then(|| self.kept as f64 * 100.0 / judged as f64)
    }
}

/// What a delay is measured to, from the submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delay {
    FirstAnswer,
    Closing,
}

/// Of the requests opened in the period that have got there; nearest rank, so each is a delay that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Delays {
    pub count: i64,
    pub median_seconds: Option<i64>,
    pub p90_seconds: Option<i64>,
}

impl ReadRow for Volume {
    fn read(row: &Row<'_>) -> Result<Self, DbError> {
        Ok(Self { period: row.text(0)?, value: row.text(1)?, opened: row.int(2)?, closed: row.int(3)? })
    }
}

impl ReadRow for PromiseCount {
    fn read(row: &Row<'_>) -> Result<Self, DbError> {
        Ok(Self {
            period: row.text(0)?,
            value: row.text(1)?,
            owed: row.int(2)?,
            kept: row.int(3)?,
            missed: row.int(4)?,
            released: row.int(5)?,
        })
    }
}

/// Opened and closed, by period and by one dimension; without either, in one line.
pub async fn volume(
    models: &ReadModels,
    selection: &Selection,
    period: Option<Period>,
    by: Option<Dimension>,
) -> Result<Vec<Volume>, ReadError> {
    models.fetch::<Statistics, _>(VOLUME, grouped(selection, period, by)).await
}

/// Requests still open at the end of the day before `selection.until`, whenever they were opened.
pub async fn backlog(models: &ReadModels, selection: &Selection) -> Result<i64, ReadError> {
    let (_, until, dimensions) = selection.values();
    let values = std::iter::once(until).chain(dimensions).collect();
    let open: Vec<(i64,)> = models.fetch::<Statistics, _>(BACKLOG, values).await?;
    Ok(open.first().map_or(0, |(open,)| *open))
}

/// Promises owed, kept, missed and released, by period and by one dimension (`None`: by standard).
pub async fn promises(
    models: &ReadModels,
    selection: &Selection,
    period: Option<Period>,
    by: Option<Dimension>,
) -> Result<Vec<PromiseCount>, ReadError> {
    let mut values = grouped(selection, period, Some(by.unwrap_or(Dimension::Standard)));
    values.push(selection.standard.value());
    models.fetch::<Statistics, _>(PROMISES, values).await
}

/// Median and 90th percentile of a delay.
pub async fn delays(models: &ReadModels, selection: &Selection, to: Delay) -> Result<Delays, ReadError> {
    let (count_text, at_text) = match to {
        Delay::FirstAnswer => (ANSWERED_COUNT, ANSWERED_AT),
        Delay::Closing => (CLOSED_COUNT, CLOSED_AT),
    };
    let (from, until, dimensions) = selection.values();
    let values: Vec<Value> = [from, until].into_iter().chain(dimensions).collect();
    let counted: Vec<(i64,)> = models.fetch::<Statistics, _>(count_text, values.clone()).await?;
    let count = counted.first().map_or(0, |(count,)| *count);
    let at_rank = async |percent: i64| -> Result<Option<i64>, ReadError> {
        if count == 0 {
            return Ok(None);
        }
        let mut values = values.clone();
        // Nearest rank: the smallest delay that at least `percent` of them do not exceed.
        values.push(((count * percent + 99) / 100 - 1).into());
        let found: Vec<(i64,)> = models.fetch::<Statistics, _>(at_text, values).await?;
        Ok(found.first().map(|(seconds,)| *seconds))
    };
    Ok(Delays { count, median_seconds: at_rank(50).await?, p90_seconds: at_rank(90).await? })
}

/// The daily cells themselves, in order of their key, for CSV.
pub async fn cells(
    models: &ReadModels,
    selection: &Selection,
    limit: i64,
    skip: i64,
) -> Result<Vec<DailyCell>, ReadError> {
    let (from, until, dimensions) = selection.values();
    let mut values: Vec<Value> = [from, until].into_iter().chain(dimensions).collect();
    values.extend([selection.standard.value(), limit.into(), skip.into()]);
    models.fetch::<Statistics, _>(CELLS, values).await
}

/// Every promise of one request with what became of it, up to now.
pub async fn promises_of(
    models: &ReadModels,
    request: RequestId,
) -> Result<Option<Fresh<Vec<PromiseFact>>>, ReadError> {
    let fresh = models.scope::<Statistics>(&request.stream()).await?;
    Ok(fresh.map(|fresh| fresh.map(|(_, promises)| promises.into_vec())))
}

impl Selection {
    fn values(&self) -> (Value, Value, [Value; 4]) {
        (
            self.from.into(),
            self.until.into(),
            [self.channel.value(), self.product.value(), self.precision.value(), self.area.value()],
        )
    }
}

fn grouped(selection: &Selection, period: Option<Period>, by: Option<Dimension>) -> Vec<Value> {
    let (from, until, dimensions) = selection.values();
    let by = by.map(|dimension| crate::column::word_of(&dimension)).unwrap_or_default();
    [from, until].into_iter().chain(dimensions).chain([Period::characters(period).into(), by.into()]).collect()
}

pub(crate) const VOLUME: &str = "
    with counted as (
      select substr(cast(day as text), 1, cast($7 as integer)) as period,
        case $8
          when 'channel' then channel
          when 'product' then product
          when 'precision' then precision
          when 'area' then area
          else ''
        end as value,
        opened,
        closed
      from @daily_cells
      where standard = ''
        and ($1 is null or day >= $1)
        and ($2 is null or day < $2)
        and ($3 is null or channel = $3)
        and ($4 is null or product = $4)
        and ($5 is null or precision = $5)
        and ($6 is null or area = $6)
    )
    select period, value, cast(sum(opened) as bigint), cast(sum(closed) as bigint)
    from counted
    group by period, value
    order by period, value";

pub(crate) const BACKLOG: &str = "
    select cast(coalesce(sum(opened - closed), 0) as bigint)
    from @daily_cells
    where standard = ''
      and ($1 is null or day < $1)
      and ($2 is null or channel = $2)
      and ($3 is null or product = $3)
      and ($4 is null or precision = $4)
      and ($5 is null or area = $5)";

pub(crate) const PROMISES: &str = "
    with counted as (
      select substr(cast(day as text), 1, cast($7 as integer)) as period,
        case $8
          when 'channel' then channel
          when 'product' then product
          when 'precision' then precision
          when 'area' then area
          else standard
        end as value,
        owed,
        kept,
        missed,
        released
      from @daily_cells
      where standard <> ''
        and ($1 is null or day >= $1)
        and ($2 is null or day < $2)
        and ($3 is null or channel = $3)
        and ($4 is null or product = $4)
        and ($5 is null or precision = $5)
        and ($6 is null or area = $6)
        and ($9 is null or standard = $9)
    )
    select period, value, cast(sum(owed) as bigint), cast(sum(kept) as bigint), cast(sum(missed) as bigint),
      cast(sum(released) as bigint)
    from counted
    group by period, value
    order by period, value";

pub(crate) const CELLS: &str = "
    select @columns
    from @daily_cells
    where ($1 is null or day >= $1)
      and ($2 is null or day < $2)
      and ($3 is null or channel = $3)
      and ($4 is null or product = $4)
      and ($5 is null or precision = $5)
      and ($6 is null or area = $6)
      and ($7 is null or standard = $7)
    order by day, channel, product, precision, area, standard
    limit $8
    offset $9";

pub(crate) const ANSWERED_COUNT: &str = "
    select count(*)
    from @request_facts
    where answered_delay_seconds is not null
      and ($1 is null or opened_on >= $1)
      and ($2 is null or opened_on < $2)
      and ($3 is null or channel = $3)
      and ($4 is null or product = $4)
      and ($5 is null or precision = $5)
      and ($6 is null or area = $6)";

pub(crate) const ANSWERED_AT: &str = "
    select answered_delay_seconds
    from @request_facts
    where answered_delay_seconds is not null
      and ($1 is null or opened_on >= $1)
      and ($2 is null or opened_on < $2)
      and ($3 is null or channel = $3)
      and ($4 is null or product = $4)
      and ($5 is null or precision = $5)
      and ($6 is null or area = $6)
    order by answered_delay_seconds, request
    limit 1
    offset $7";

pub(crate) const CLOSED_COUNT: &str = "
    select count(*)
    from @request_facts
    where closed_delay_seconds is not null
      and ($1 is null or opened_on >= $1)
      and ($2 is null or opened_on < $2)
      and ($3 is null or channel = $3)
      and ($4 is null or product = $4)
      and ($5 is null or precision = $5)
      and ($6 is null or area = $6)";

pub(crate) const CLOSED_AT: &str = "
    select closed_delay_seconds
    from @request_facts
    where closed_delay_seconds is not null
      and ($1 is null or opened_on >= $1)
      and ($2 is null or opened_on < $2)
      and ($3 is null or channel = $3)
      and ($4 is null or product = $4)
      and ($5 is null or precision = $5)
      and ($6 is null or area = $6)
    order by closed_delay_seconds, request
    limit 1
    offset $7";
