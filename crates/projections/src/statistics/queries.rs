//! Figures over a period of local days: counted from the daily cells, or asked of the facts.

use chrono::NaiveDate;
use db::{DbError, ReadRow, Row, Statement, Value};
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
    models.fetch::<Statistics, _>(volume_statement(selection, period, by)).await
}

/// Requests still open at the end of the day before `selection.until`, whenever they were opened.
pub async fn backlog(models: &ReadModels, selection: &Selection) -> Result<i64, ReadError> {
    let open: Vec<(i64,)> = models.fetch::<Statistics, _>(backlog_statement(selection)).await?;
    Ok(open.first().map_or(0, |(open,)| *open))
}

/// Promises owed, kept, missed and released, by period and by one dimension (`None`: by standard).
pub async fn promises(
    models: &ReadModels,
    selection: &Selection,
    period: Option<Period>,
    by: Option<Dimension>,
) -> Result<Vec<PromiseCount>, ReadError> {
    models.fetch::<Statistics, _>(promises_statement(selection, period, by)).await
}

/// Median and 90th percentile of a delay.
pub async fn delays(models: &ReadModels, selection: &Selection, to: Delay) -> Result<Delays, ReadError> {
    let counted: Vec<(i64,)> = models.fetch::<Statistics, _>(count_statement(selection, to)).await?;
    let count = counted.first().map_or(0, |(count,)| *count);
    let at_rank = async |percent: i64| -> Result<Option<i64>, ReadError> {
        if count == 0 {
            return Ok(None);
        }
        // Nearest rank: the smallest delay that at least `percent` of them do not exceed.
        let rank = (count * percent + 99) / 100 - 1;
        let found: Vec<(i64,)> = models.fetch::<Statistics, _>(rank_statement(selection, to, rank)).await?;
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
    models.fetch::<Statistics, _>(cells_statement(selection, limit, skip)).await
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
    /// `from`, `until`, and the four dimensions of a request.
    fn values(&self) -> Vec<Value> {
        vec![
            self.from.into(),
            self.until.into(),
            self.channel.value(),
            self.product.value(),
            self.precision.value(),
            self.area.value(),
        ]
    }
}

pub(crate) fn volume_statement(selection: &Selection, period: Option<Period>, by: Option<Dimension>) -> Statement {
    Statement::new(VOLUME, grouped(selection, period, by))
}

pub(crate) fn backlog_statement(selection: &Selection) -> Statement {
    Statement::new(BACKLOG, selection.values().split_off(1))
}

pub(crate) fn promises_statement(selection: &Selection, period: Option<Period>, by: Option<Dimension>) -> Statement {
    let mut values = grouped(selection, period, Some(by.unwrap_or(Dimension::Standard)));
    values.push(selection.standard.value());
    Statement::new(PROMISES, values)
}

pub(crate) fn cells_statement(selection: &Selection, limit: i64, skip: i64) -> Statement {
    let mut values = selection.values();
    values.extend([selection.standard.value(), limit.into(), skip.into()]);
    Statement::new(CELLS, values)
}

pub(crate) fn count_statement(selection: &Selection, to: Delay) -> Statement {
    Statement::new(COUNT, selection.values()).fill("@delay", to.column())
}

pub(crate) fn rank_statement(selection: &Selection, to: Delay, rank: i64) -> Statement {
    let mut values = selection.values();
    values.push(rank.into());
    Statement::new(AT_RANK, values).fill("@delay", to.column())
}

impl Delay {
    fn column(self) -> &'static str {
        match self {
            Self::FirstAnswer => "answered_delay_seconds",
            Self::Closing => "closed_delay_seconds",
        }
    }
}

fn grouped(selection: &Selection, period: Option<Period>, by: Option<Dimension>) -> Vec<Value> {
    let by = by.map(|dimension| crate::column::word_of(&dimension)).unwrap_or_default();
    let mut values = selection.values();
    values.extend([Period::characters(period).into(), by.into()]);
    values
}

const VOLUME: &str = "
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

const BACKLOG: &str = "
    select cast(coalesce(sum(opened - closed), 0) as bigint)
    from @daily_cells
    where standard = ''
      and ($1 is null or day < $1)
      and ($2 is null or channel = $2)
      and ($3 is null or product = $3)
      and ($4 is null or precision = $4)
      and ($5 is null or area = $5)";

const PROMISES: &str = "
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

const CELLS: &str = "
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

const COUNT: &str = "
    select count(*)
    from @request_facts
    where @delay is not null
      and ($1 is null or opened_on >= $1)
      and ($2 is null or opened_on < $2)
      and ($3 is null or channel = $3)
      and ($4 is null or product = $4)
      and ($5 is null or precision = $5)
      and ($6 is null or area = $6)";

const AT_RANK: &str = "
    select @delay
    from @request_facts
    where @delay is not null
      and ($1 is null or opened_on >= $1)
      and ($2 is null or opened_on < $2)
      and ($3 is null or channel = $3)
      and ($4 is null or product = $4)
      and ($5 is null or precision = $5)
      and ($6 is null or area = $6)
    order by @delay, request
    limit 1
    offset $7";
