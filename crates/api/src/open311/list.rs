//! `GET requests.{fmt}` and `GET requests/{service_request_id}.{fmt}`: what may be told to anybody.

use application::Organisation;
use axum::{
    extract::{Path, State},
    response::Response,
};
use domain::{ids::RequestId, number::Number};
use projections::{
    Now, Page, ReadModels,
    public_requests::{self, Filter, PublicRequest},
};

use super::{
    asked::Asked,
    request::Shown,
    spark::Spark,
    wanted::{self, Wanted},
};
use crate::{
    problem::{Fact, Problem},
    state::ApiState,
};

/// `GET requests.{fmt}`: newest first; a page past the end is empty.
pub(crate) async fn list(State(state): State<ApiState>, asked: Asked) -> Result<Response, Problem> {
    let organisation = asked.organisation()?;
    let models = state.read(organisation)?;
    let wanted = wanted::read(&asked.params, &organisation.rules(), organisation.now())?;
    let rows = match &wanted.numbers {
        Some(numbers) => by_numbers(organisation, models, numbers).await?,
        None => public_requests::list(models, &filter(&wanted), &page(&wanted)).await?,
    };
    Ok(asked.answer("service_requests", &shown(organisation, &asked, &rows)))
}

/// `GET requests/{service_request_id}.{fmt}`: a list of one, up to now.
pub(crate) async fn one(
    State(state): State<ApiState>,
    asked: Asked,
    Path(file): Path<String>,
) -> Result<Response, Problem> {
    let organisation = asked.organisation()?;
    let models = state.read(organisation)?;
    let found = by_number(organisation, models, Asked::stem(&file), &mut models.now()).await?;
    let row = found.ok_or(Fact::RequestUnknown)?;
    Ok(asked.answer("service_requests", &shown(organisation, &asked, &[row])))
}

/// A request as of `now`, its row written or not.
async fn by_number(
    organisation: &Organisation,
    models: &ReadModels,
    number: &str,
    now: &mut Now,
) -> Result<Option<PublicRequest>, Problem> {
    let Ok(known) = number.parse::<Number>() else { return Ok(None) };
    if let Some(row) = public_requests::by_number(models, &known, now).await? {
        return Ok(Some(row));
    }
    let Some(request) = organisation.resolve(number).await? else { return Ok(None) };
    Ok(public_requests::one(models, request).await?.map(|fresh| fresh.value))
}

/// Requests by their numbers. Few are read one by one, so that a portal that asks for what it has just posted finds
/// it; of many, as a list.
async fn by_numbers(
    organisation: &Organisation,
    models: &ReadModels,
    numbers: &[String],
) -> Result<Vec<PublicRequest>, Problem> {
    const FEW: usize = 20;
    if numbers.len() > FEW {
        let numbers = numbers.iter().filter_map(|number| number.parse::<Number>().ok()).collect();
        let filter = Filter { numbers: Some(numbers), ..Filter::default() };
        return Ok(public_requests::list(models, &filter, &Page::first(wanted::MOST)).await?);
    }
    let mut now = models.now();
    let mut rows: Vec<PublicRequest> = Vec::new();
    for number in numbers {
        let Some(row) = by_number(organisation, models, number, &mut now).await? else { continue };
        if rows.iter().all(|known| known.request != row.request) {
            rows.push(row);
        }
    }
    rows.sort_by_key(|row| std::cmp::Reverse((row.requested_at, row.request)));
    Ok(rows)
}

fn filter(wanted: &Wanted) -> Filter {
    Filter {
        open: wanted.open,
        products: (!wanted.products.is_empty()).then(|| wanted.products.clone()),
        requested_from: wanted.from,
        requested_until: wanted.until,
        updated_from: wanted.updated_after,
        updated_until: wanted.updated_before,
        ..Filter::default()
    }
}

fn page(wanted: &Wanted) -> Page<public_requests::Cursor> {
    Page::first(wanted.limit).skipping(wanted.skip)
}

fn shown(organisation: &Organisation, asked: &Asked, rows: &[PublicRequest]) -> Spark {
    let extended = asked.params.one("extensions") == Some("true");
    Shown { rules: &organisation.rules(), language: asked.language, extended }.list(rows)
}

/// What a request is called outside.
pub(super) fn id(request: RequestId) -> Spark {
    Spark::text(Number::of(request).as_str())
}
