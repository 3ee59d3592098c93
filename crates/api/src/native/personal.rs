//! `GET /requests/{id}/personal`: who asked, what they wrote, where they live. Opened for this one answer, and recorded.

use application::Detail;
use axum::{Json, extract::State};
use domain::request::{Answer, AnswerValue, Location, Unasked};
use projections::{public_requests, request_timeline, request_timeline::Entry};
use serde_json::{Map, Value, json};

use super::{
    asked::Asked,
    opened::{Closed, Opened, Slot, purpose},
    view::{View, place},
};
use crate::{
    fields::Asking,
    problem::{Fact, Problem},
    state::ApiState,
};

/// `GET /requests/{id}/personal?purpose=`: a value whose key was destroyed is `null`.
pub(super) async fn open(
    State(state): State<ApiState>,
    asked: Asked,
    Asking(mut query): Asking,
) -> Result<Json<Value>, Problem> {
    let purpose = purpose(&mut query, "request_work");
    query.finish(Some(()))?;
    let caller = &asked.actor.0;
    let organisation = &caller.organisation;
    let models = state.read(organisation)?;
    let row = public_requests::one(models, asked.request).await?.ok_or(Fact::RequestUnknown)?.value;
    let timeline = request_timeline::of(models, asked.request).await?.map(|fresh| fresh.value).unwrap_or_default();
    let details = match row.requester {
        Some(person) => organisation.details(person).await?.unwrap_or_default(),
        None => Vec::new(),
    };

    let mut closed = Closed::default();
    let description = closed.add(row.typed_description.as_ref());
    let private_place = closed.add(row.private_place.as_ref());
    let media_url = closed.add(row.media_url.as_ref());
    let answers = row.answers.map(|answers| answers.0).unwrap_or_default();
    let answers: Vec<_> = answers.into_iter().map(|answer| (close(&mut closed, &answer), answer)).collect();
    let details = Details::close(&mut closed, details);
    let texts: Vec<_> = timeline.iter().map(|entry| (closed.add(entry.text.as_ref()), entry)).collect();
    let opened = closed.open(caller, "native_request", purpose).await?;

    let rules = organisation.rules();
    let texts = texts.into_iter().filter(|(_, entry)| entry.text.is_some());
    Ok(Json(json!({
        "description": opened.get(description),
        "place": serde_json::from_value::<Location>(opened.get(private_place)).ok().map(|location| place(&location)),
        "media_url": opened.get(media_url),
        "answers": answers.into_iter().map(|(slot, answer)| shown(&opened, slot, answer)).collect::<Value>(),
        "requester": row.requester.map(|person| details.show(&opened, &person.to_string())),
        "texts": texts.map(|(slot, entry)| text(View(&rules), entry, opened.get(slot))).collect::<Vec<_>>(),
    })))
}

fn close(closed: &mut Closed, answer: &Answer) -> Slot {
    match &answer.value {
        AnswerValue::Text(text) => closed.add(Some(text)),
        AnswerValue::Unknown(unasked) => closed.add(Some(unasked)),
        AnswerValue::Choices(_) | AnswerValue::Number(_) | AnswerValue::Datetime(_) => Slot::EMPTY,
    }
}

fn shown(opened: &Opened, slot: Slot, answer: Answer) -> (String, Value) {
    let value = match answer.value {
        AnswerValue::Text(_) => opened.get(slot),
        AnswerValue::Unknown(_) => return unasked(answer.question.as_str(), opened.get(slot)),
        AnswerValue::Choices(choices) => json!(choices),
        AnswerValue::Number(number) => number.into(),
        AnswerValue::Datetime(at) => at.to_rfc3339().into(),
    };
    (answer.question.to_string(), value)
}

/// Under the name that the caller gave it; under none where the key is gone.
fn unasked(unknown: &str, opened: Value) -> (String, Value) {
    match serde_json::from_value(opened) {
        Ok(Unasked { name, text }) => (name, text.into()),
        Err(_) => (unknown.to_owned(), Value::Null),
    }
}

fn text(view: View<'_>, entry: &Entry, text: Value) -> Value {
    json!({ "at": view.at(entry.at), "kind": entry.kind, "visibility": entry.visibility, "text": text })
}

/// What a person has given: of each kind all of it, in the order given.
pub(super) struct Details(Vec<(&'static str, Slot)>);

impl Details {
    pub(super) fn close(closed: &mut Closed, details: Vec<Detail>) -> Self {
        Self(details.into_iter().map(|detail| (detail.field, closed.sealed(detail.value))).collect())
    }

    pub(super) fn show(&self, opened: &Opened, person: &str) -> Value {
        let mut shown = Map::from_iter([("id".to_owned(), person.into())]);
        for field in Detail::FIELDS {
            let given = self.0.iter().filter(|(name, _)| *name == field).map(|(_, slot)| opened.get(*slot));
            shown.insert(field.to_owned(), given.collect());
        }
        Value::Object(shown)
    }
}
