//! `GET /requests`, `GET /requests/{id}`, `GET /requests/{id}/timeline`: requests as agents see them, nothing opened.

use axum::{Json, extract::State, http::StatusCode, response::Response};
use domain::{number::Number, request::Status};
use projections::{
    public_requests::{self, Cursor, Filter},
    request_timeline, statistics,
};
use serde_json::json;

use super::{
    asked::{Asked, answered},
    lists::{Items, Turn},
    view::View,
};
use crate::{
    fields::{Asking, Fields},
    policy::Actor,
    problem::{Fact, Problem},
    state::ApiState,
};

/// `GET /requests?status=&product=&unit=&area=&number=`: newest first.
pub(super) async fn list(
    State(state): State<ApiState>,
    Actor(caller): Actor,
    Asking(mut query): Asking,
) -> Result<Json<Items<serde_json::Value>>, Problem> {
    let organisation = &caller.organisation;
    let (turn, filter) = (Turn::read(&mut query), filter(&mut query));
    query.finish(Some(()))?;
    let models = state.read(organisation)?;
    let page = turn.page(organisation, models).await?;
    let rows = public_requests::list(models, &filter, &page).await?;
    let rules = organisation.rules();
    Ok(Json(turn.items(organisation, rows, Cursor::of, |row| View(&rules).request(&row))))
}

fn filter(query: &mut Fields) -> Filter {
    let one = |value| Option::map(value, |value| vec![value]);
    Filter {
        numbers: query.maybe("number", "bad_id", |text| text.parse::<Number>().ok()).map(|number| vec![number]),
        statuses: query.maybe_word::<Status>("status").map(|status| vec![status]),
        products: one(query.maybe_code("product")),
        unit: query.maybe_code("unit"),
        area: query.maybe_code("area"),
        ..Filter::default()
    }
}

/// `GET /requests/{id}`: with its promises, as of now; its ETag is what `If-Match` expects.
pub(super) async fn show(State(state): State<ApiState>, asked: Asked) -> Result<Response, Problem> {
    let organisation = &asked.actor.0.organisation;
    let models = state.read(organisation)?;
    let fresh = public_requests::one(models, asked.request).await?.ok_or(Fact::RequestUnknown)?;
    let promises = statistics::promises_of(models, asked.request).await?;
    let rules = organisation.rules();
    let view = View(&rules);
    let mut body = view.request(&fresh.value);
    let promises = promises.map(|fresh| fresh.value).unwrap_or_default();
    body["promises"] = promises.iter().map(|promise| view.promise(promise)).collect();
    Ok(answered(StatusCode::OK, &organisation.etag(asked.request, fresh.revision), &body))
}

/// `GET /requests/{id}/timeline`: what happened, in order; texts stay sealed.
pub(super) async fn timeline(State(state): State<ApiState>, asked: Asked) -> Result<Response, Problem> {
    let organisation = &asked.actor.0.organisation;
    let models = state.read(organisation)?;
    let fresh = request_timeline::of(models, asked.request).await?.ok_or(Fact::RequestUnknown)?;
    let rules = organisation.rules();
    let items: Vec<_> = fresh.value.iter().map(|entry| View(&rules).entry(entry)).collect();
    let etag = organisation.etag(asked.request, fresh.revision);
    Ok(answered(StatusCode::OK, &etag, &json!({ "items": items })))
}
