//! `GET /statistics/{volume,backlog,promises,delays,cells}`: the figures, as JSON or, by `.csv` or `Accept`, as CSV.

use application::Caller;
use axum::{
    Json,
    extract::{FromRequestParts, State},
    http::{header::ACCEPT, request::Parts},
    response::{IntoResponse, Response},
};
use projections::{
    ReadModels,
    statistics::{self, DailyCell, Delay, Dimension, Period, Selection},
};
use serde_json::{Value, json};

use super::{csv::Csv, lists::OwnWrite};
use crate::{
    fields::{Asking, Fields},
    policy::Actor,
    problem::Problem,
    state::ApiState,
};

const CELLS: i64 = 1_000;
const MOST_CELLS: i64 = 10_000;
const MOST_PAGES: i64 = 100_000;

/// The form of the answer: what the address ends in, else what the caller accepts.
pub(super) enum Form {
    Json,
    Csv,
}

impl<S: Send + Sync> FromRequestParts<S> for Form {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let accepted = parts.headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let named = parts.uri.path().rsplit_once('.').is_some_and(|(_, suffix)| suffix == "csv");
        Ok(if named || accepted.trim_start().starts_with("text/csv") { Self::Csv } else { Self::Json })
    }
}

impl Form {
    fn answer(&self, header: &[&str], rows: Vec<Vec<Value>>) -> Response {
        match self {
            Self::Csv => {
                let mut table = Csv::new(header);
                for row in rows {
                    table.line(row.iter().map(cell));
                }
                table.into_response()
            }
            Self::Json => {
                let named = |row: Vec<Value>| header.iter().map(|name| (*name).to_owned()).zip(row).collect::<Value>();
                Json(json!({ "items": rows.into_iter().map(named).collect::<Vec<_>>() })).into_response()
            }
        }
    }
}

/// `from` and `until` are local days, the second excluded.
fn selection(query: &mut Fields) -> Selection {
    Selection {
        from: query.maybe_date("from"),
        until: query.maybe_date("until"),
        channel: query.maybe_code("channel"),
        product: query.maybe_code("product"),
        precision: query.maybe_code("precision"),
        area: query.maybe_code("area"),
        standard: None,
    }
}

/// The read models, once nothing is left to read from the query and they have seen the caller's own write.
async fn models<'s>(state: &'s ApiState, caller: &Caller, mut query: Fields) -> Result<&'s ReadModels, Problem> {
    let own = OwnWrite::read(&mut query);
    query.finish(Some(()))?;
    let models = state.read(&caller.organisation)?;
    own.wait(&caller.organisation, models).await?;
    Ok(models)
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// `GET /statistics/volume?from=&until=&period=day|month|year&by=channel|product|precision|area`: opened and closed.
pub(super) async fn volume(
    State(state): State<ApiState>,
    Actor(caller): Actor,
    form: Form,
    Asking(mut query): Asking,
) -> Result<Response, Problem> {
    let (selection, period, by) = (selection(&mut query), period(&mut query), by(&mut query));
    let models = models(&state, &caller, query).await?;
    let rows = statistics::volume(models, &selection, period, by).await?;
    let cells =
        |row: statistics::Volume| vec![row.period.into(), row.value.into(), row.opened.into(), row.closed.into()];
    let rows = rows.into_iter().map(cells).collect();
    Ok(form.answer(&["period", "value", "opened", "closed"], rows))
}

/// `GET /statistics/promises?from=&until=&standard=&period=&by=standard|…`: owed, kept, missed, released, by due day.
pub(super) async fn promises(
    State(state): State<ApiState>,
    Actor(caller): Actor,
    form: Form,
    Asking(mut query): Asking,
) -> Result<Response, Problem> {
    let (mut selection, period, by) = (selection(&mut query), period(&mut query), by(&mut query));
    selection.standard = query.maybe_code("standard");
    let models = models(&state, &caller, query).await?;
    let rows = statistics::promises(models, &selection, period, by).await?;
    let cells = |row: statistics::PromiseCount| {
        let percent = row.percent_kept().map(|percent| (percent * 10.0).round() / 10.0);
        vec![
            row.period.into(),
            row.value.into(),
            row.owed.into(),
            row.kept.into(),
            row.missed.into(),
            row.released.into(),
            percent.into(),
        ]
    };
    let header = ["period", "value", "owed", "kept", "missed", "released", "kept_percent"];
    Ok(form.answer(&header, rows.into_iter().map(cells).collect()))
}

/// `GET /statistics/backlog?until=`: what was open at the end of the day before.
pub(super) async fn backlog(
    State(state): State<ApiState>,
    Actor(caller): Actor,
    form: Form,
    Asking(mut query): Asking,
) -> Result<Response, Problem> {
    let selection = selection(&mut query);
    let models = models(&state, &caller, query).await?;
    let open = statistics::backlog(models, &selection).await?;
    let until = selection.until.map(|day| day.to_string());
    Ok(form.answer(&["until", "open"], vec![vec![until.into(), open.into()]]))
}

/// `GET /statistics/delays?from=&until=`: median and 90th percentile, of the requests opened in the period.
pub(super) async fn delays(
    State(state): State<ApiState>,
    Actor(caller): Actor,
    form: Form,
    Asking(mut query): Asking,
) -> Result<Response, Problem> {
    let selection = selection(&mut query);
    let models = models(&state, &caller, query).await?;
    let mut rows = Vec::new();
    for (name, to) in [("first_answer", Delay::FirstAnswer), ("closing", Delay::Closing)] {
        let found = statistics::delays(models, &selection, to).await?;
        rows.push(vec![name.into(), found.count.into(), found.median_seconds.into(), found.p90_seconds.into()]);
    }
    Ok(form.answer(&["to", "count", "median_seconds", "p90_seconds"], rows))
}

/// `GET /statistics/cells?from=&until=&standard=&limit=&page=`: the counts behind the figures, by day and every
/// dimension at once, for a spreadsheet (S2-01). A page that is not full is the last.
pub(super) async fn cells(
    State(state): State<ApiState>,
    Actor(caller): Actor,
    form: Form,
    Asking(mut query): Asking,
) -> Result<Response, Problem> {
    let mut selection = selection(&mut query);
    selection.standard = query.maybe_code("standard");
    let limit = query.maybe_count("limit", MOST_CELLS).unwrap_or(CELLS);
    let page = query.maybe_count("page", MOST_PAGES).unwrap_or(1);
    let models = models(&state, &caller, query).await?;
    let rows = statistics::cells(models, &selection, limit, (page - 1) * limit).await?;
    let cells = |row: DailyCell| {
        let DailyCell { day, channel, product, precision, area, standard, .. } = row;
        let DailyCell { opened, closed, owed, kept, missed, released, .. } = row;
        let counts = [opened, closed, owed, kept, missed, released].map(Value::from);
        let of = [day.to_string(), channel, product, precision, area, standard].map(Value::from);
        of.into_iter().chain(counts).collect()
    };
    let header = [
        "day",
        "channel",
        "product",
        "precision",
        "area",
        "standard",
        "opened",
        "closed",
        "owed",
        "kept",
        "missed",
        "released",
    ];
    Ok(form.answer(&header, rows.into_iter().map(cells).collect()))
}

fn period(query: &mut Fields) -> Option<Period> {
    query.maybe_word("period")
}

fn by(query: &mut Fields) -> Option<Dimension> {
    query.maybe_word("by")
}
