//! `GET /queue`: which promises are owed, earliest due first. What team leads open in the morning.

use axum::{Json, extract::State};
use chrono::TimeDelta;
use domain::time::Instant;
use projections::deadline_queue::{self, Cursor, Filter, Window};
use serde::Deserialize;

use super::{
    lists::{Items, Turn},
    view::{OwedView, View},
};
use crate::{
    fields::{Asking, Fields},
    policy::Actor,
    problem::Problem,
    state::ApiState,
};

/// How many hours ahead is soon, unless asked.
const SOON_HOURS: i64 = 48;

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Part {
    Open,
    Soon,
    Overdue,
    Paused,
}

/// `GET /queue?window=open|soon|overdue|paused&within_hours=&unit=&product=&standard=&milestone=&priority=&area=`.
pub(super) async fn list(
    State(state): State<ApiState>,
    Actor(caller): Actor,
    Asking(mut query): Asking,
) -> Result<Json<Items<OwedView>>, Problem> {
    let organisation = &caller.organisation;
    let now = organisation.now();
    let (turn, filter) = (Turn::read(&mut query), filter(&mut query, now));
    query.finish(Some(()))?;
    let models = state.read(organisation)?;
    let page = turn.page(organisation, models).await?;
    let rows = deadline_queue::list(models, &filter, &page).await?;
    let rules = organisation.rules();
    Ok(Json(turn.items(organisation, rows, Cursor::of, |row| View(&rules).owed(row, now))))
}

fn filter(query: &mut Fields, now: Instant) -> Filter {
    let hours = query.maybe_count("within_hours", 24 * 366).unwrap_or(SOON_HOURS);
    let window = match query.maybe_word("window").unwrap_or(Part::Open) {
        Part::Open => Window::Open,
        Part::Soon => Window::Soon { now, until: now + TimeDelta::hours(hours) },
        Part::Overdue => Window::Overdue { now },
        Part::Paused => Window::Paused,
    };
    Filter {
        window,
        unit: query.maybe_code("unit"),
        product: query.maybe_code("product"),
        standard: query.maybe_code("standard"),
        milestone: query.maybe_word("milestone"),
        priority: query.maybe_word("priority"),
        area: query.maybe_code("area"),
    }
}
