//! `GET /planning-base`: the requests that feed a planned programme (S2-24..26), most urgent first.

use axum::{Json, extract::State};
use projections::planning_base::{self, Cursor, Filter};
use serde_json::Value;

use super::{
    lists::{Items, Turn},
    view::View,
};
use crate::{fields::Asking, policy::Actor, problem::Problem, state::ApiState};

/// `GET /planning-base?programme=&product=&area=&unit=&priority=`.
pub(super) async fn list(
    State(state): State<ApiState>,
    Actor(caller): Actor,
    Asking(mut query): Asking,
) -> Result<Json<Items<Value>>, Problem> {
    let organisation = &caller.organisation;
    let turn = Turn::read(&mut query);
    let filter = Filter {
        programme: query.maybe_code("programme"),
        product: query.maybe_code("product"),
        area: query.maybe_code("area"),
        unit: query.maybe_code("unit"),
        priority: query.maybe_word("priority"),
    };
    query.finish(Some(()))?;
    let models = state.read(organisation)?;
    let page = turn.page(organisation, models).await?;
    let rows = planning_base::list(models, &filter, &page).await?;
    let rules = organisation.rules();
    Ok(Json(turn.items(organisation, rows, Cursor::of, |row| View(&rules).planned(&row))))
}
