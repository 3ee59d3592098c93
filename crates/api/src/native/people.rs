//! `/persons/…`: who asked before, under which names, and which of them are one (S2-17..19).

use application::{Merged, PersonQuery};
use axum::{
    Json,
    extract::{FromRequestParts, OriginalUri, Path, State},
    http::request::Parts,
};
use domain::ids::PersonId;
use projections::person_history::{self, Cursor};
use serde_json::{Value, json};

use super::{
    asked::Condition,
    lists::Turn,
    opened::{Closed, purpose},
    personal::Details,
    view::View,
};
use crate::{
    fields::{Asking, Fields},
    policy::Actor,
    problem::{Fact, Problem},
    state::ApiState,
};

/// More persons than this are no answer but a fishing net.
const MOST: usize = 20;

/// The `{id}` of the path: `per_…`.
pub(super) struct AskedPerson {
    actor: Actor,
    person: PersonId,
}

impl FromRequestParts<ApiState> for AskedPerson {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let unknown = || Problem::from(Fact::PersonUnknown);
        let actor = Actor::from_request_parts(parts, state).await?;
        let Path(id) = Path::<String>::from_request_parts(parts, state).await.map_err(|_| unknown())?;
        Ok(Self { actor, person: id.parse().map_err(|_| unknown())? })
    }
}

/// `POST /persons/search` `{email?, phone?, name?, purpose?}`: all given must match. In a body, because addresses end up in logs.
pub(super) async fn search(Actor(caller): Actor, mut body: Fields) -> Result<Json<Value>, Problem> {
    let purpose = purpose(&mut body, "person_search");
    let query =
        PersonQuery { email: body.maybe_text("email"), phone: body.maybe_text("phone"), name: body.maybe_text("name") };
    if query.email.is_none() && query.phone.is_none() && query.name.is_none() {
        body.fault("email", "required");
    }
    let query = body.finish(Some(query))?;
    let mut closed = Closed::default();
    let mut found = Vec::new();
    for person in caller.organisation.find_persons(&query, MOST).await? {
        let Some(details) = caller.organisation.details(person).await? else { continue };
        found.push((person, Details::close(&mut closed, details)));
    }
    let opened = closed.open(&caller, "native_persons", purpose).await?;
    let items: Vec<Value> = found.iter().map(|(person, details)| details.show(&opened, &person.to_string())).collect();
    Ok(Json(json!({ "items": items })))
}

/// `GET /persons/{id}/history`: the requests of the person and of whoever is the same, newest first.
pub(super) async fn history(
    State(state): State<ApiState>,
    asked: AskedPerson,
    Asking(mut query): Asking,
) -> Result<Json<Value>, Problem> {
    let organisation = &asked.actor.0.organisation;
    let turn = Turn::read(&mut query);
    query.finish(Some(()))?;
    organisation.details(asked.person).await?.ok_or(Fact::PersonUnknown)?;
    let models = state.read(organisation)?;
    let page = turn.page(organisation, models).await?;
    let rows = person_history::of(models, asked.person, &page).await?;
    let same = person_history::group_of(models, asked.person).await?;
    let rules = organisation.rules();
    let mut body = json!(turn.items(organisation, rows, Cursor::of, |row| View(&rules).matter(&row)));
    body["persons"] = same.iter().map(PersonId::to_string).collect();
    Ok(Json(body))
}

/// `POST /persons/{id}/merge` `{into}`: the same person as another, until it is taken back.
pub(super) async fn merge(
    asked: AskedPerson,
    condition: Condition,
    uri: OriginalUri,
    mut body: Fields,
) -> Result<Json<Value>, Problem> {
    let operation = condition.operation(uri.path(), body.content());
    let into = body.required("into", |body| body.maybe("into", "bad_id", |text| text.parse::<PersonId>().ok()));
    let into = body.finish(into)?;
    let caller = &asked.actor.0;
    let merged = caller.organisation.merge(&caller.key, asked.person, into, operation).await?;
    Ok(Json(done(&merged)))
}

/// `DELETE /persons/{id}/merge`: two persons after all.
pub(super) async fn unmerge(
    asked: AskedPerson,
    condition: Condition,
    uri: OriginalUri,
) -> Result<Json<Value>, Problem> {
    let operation = condition.operation(uri.path(), b"DELETE");
    let caller = &asked.actor.0;
    let merged = caller.organisation.unmerge(&caller.key, asked.person, operation).await?;
    Ok(Json(done(&merged)))
}

fn done(merged: &Merged) -> Value {
    json!({ "after": merged.after, "replayed": merged.replayed })
}
