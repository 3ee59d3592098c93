//! What agents are shown: every field is named here, so that a row that grows shows nothing by itself.
//!
//! Codes, instants and what is public. What is sealed is only said to be there; `personal` opens it.

use chrono::{NaiveDate, SecondsFormat};
use domain::{
    declaration::Priority,
    ids::RequestId,
    number::Number,
    promise::{Basis, Milestone},
    request::{Location, Point},
    rules::Rules,
    time::Instant,
    words::Code,
};
use projections::{
    deadline_queue::Owed, person_history::PersonMatter, planning_base::Planned, public_requests::PublicRequest,
    request_timeline::Entry, statistics::PromiseFact,
};
use serde::Serialize;
use serde_json::{Value, json};

/// Shows instants with the organisation's own offset.
#[derive(Clone, Copy)]
pub(super) struct View<'a>(pub(super) &'a Rules);

impl View<'_> {
    pub(super) fn at(self, at: Instant) -> String {
        self.0.local(at).to_rfc3339_opts(SecondsFormat::AutoSi, false)
    }

    fn maybe_at(self, at: Option<Instant>) -> Option<String> {
        at.map(|at| self.at(at))
    }

    pub(super) fn request(self, row: &PublicRequest) -> Value {
        json!({
            "id": row.request.to_string(),
            "number": row.number,
            "status": row.status,
            "open": row.open,
            "channel": row.channel,
            "product": row.product,
            "precision": row.precision,
            "priority": row.priority,
            "unit": row.unit,
            "area": row.area,
            "requested_at": self.at(row.requested_at),
            "updated_at": self.at(row.updated_at),
            "closed_at": self.maybe_at(row.closed_at),
            "expected_at": self.maybe_at(row.expected_at),
            "place": public_place(row),
            "released_text": row.description,
            "reason": row.reason,
            "duplicate_of": row.duplicate_of.map(|of| of.to_string()),
            "requester": row.requester.map(|person| person.to_string()),
            "declaration": row.declaration,
            "source": row.source.as_ref().map(|name| json!({ "name": name, "key": row.source_key })),
            "sealed": sealed(row),
        })
    }

    pub(super) fn promise(self, promise: &PromiseFact) -> Value {
        json!({
            "standard": promise.standard,
            "ordinal": promise.ordinal,
            "milestone": promise.milestone,
            "basis": promise.basis,
            "declaration": promise.declaration,
            "state": promise.state,
            "trigger_at": self.at(promise.trigger_at),
            "first_due_at": self.at(promise.first_due_at),
            "computed_due_at": self.maybe_at(promise.computed_due_at),
            "due_at": self.at(promise.due_at),
            "due_on": promise.due_on,
            "settled_at": self.maybe_at(promise.settled_at),
            "extended": promise.extended,
            "paused": promise.paused,
            "released_for": promise.released_for,
        })
    }

    pub(super) fn entry(self, entry: &Entry) -> Value {
        json!({
            "at": self.at(entry.at),
            "kind": entry.kind,
            "visibility": entry.visibility,
            "actor": entry.actor,
            "about": entry.about,
            "other": entry.other.map(|other| other.to_string()),
            "due_at": self.maybe_at(entry.due_at),
            "released_text": entry.public_text,
            "has_text": entry.text.is_some(),
        })
    }

    pub(super) fn owed(self, owed: Owed, now: Instant) -> OwedView {
        OwedView {
            request: owed.request.to_string(),
            number: Number::of(owed.request),
            standard: owed.standard,
            ordinal: owed.ordinal,
            milestone: owed.milestone,
            basis: owed.basis,
            unit: owed.unit,
            product: owed.product,
            precision: owed.precision,
            area: owed.area,
            priority: owed.priority,
            trigger_at: self.at(owed.trigger_at),
            due_at: self.at(owed.due_at),
            due_on: owed.due_on,
            extended: owed.extended,
            paused: owed.paused,
            overdue: !owed.paused && owed.due_at <= now,
        }
    }

    pub(super) fn planned(self, planned: &Planned) -> Value {
        json!({
            "request": planned.request.to_string(),
            "number": Number::of(planned.request),
            "programme": planned.programme,
            "product": planned.product,
            "precision": planned.precision,
            "area": planned.area,
            "unit": planned.unit,
            "priority": planned.priority,
            "requested_at": self.at(planned.opened_at),
            "entered_at": self.at(planned.entered_at),
            "entered_on": planned.entered_on,
        })
    }

    pub(super) fn matter(self, matter: &PersonMatter) -> Value {
        json!({
            "request": matter.request.to_string(),
            "number": matter.number,
            "person": matter.person.to_string(),
            "status": matter.status,
            "open": matter.open,
            "channel": matter.channel,
            "product": matter.product,
            "precision": matter.precision,
            "requested_at": self.at(matter.opened_at),
            "updated_at": self.at(matter.updated_at),
            "closed_at": self.maybe_at(matter.closed_at),
        })
    }
}

/// A promise of the queue. Fifty of them are what team leads load all day: as trees of values, like the views that are asked
/// for one by one, they took a third of the whole answer's time.
#[derive(Serialize)]
pub(super) struct OwedView {
    request: String,
    number: Number,
    standard: Code,
    ordinal: i64,
    milestone: Milestone,
    basis: Basis,
    unit: Option<Code>,
    product: Code,
    precision: Option<Code>,
    area: Option<Code>,
    priority: Priority,
    trigger_at: String,
    due_at: String,
    due_on: NaiveDate,
    extended: bool,
    paused: bool,
    overdue: bool,
}

/// Which sealed fields there are to open.
fn sealed(row: &PublicRequest) -> Vec<&'static str> {
    let fields = [
        ("description", row.typed_description.is_some()),
        ("place", row.private_place.is_some()),
        ("media_url", row.media_url.is_some()),
        ("answers", row.answers.is_some()),
    ];
    fields.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
}

fn public_place(row: &PublicRequest) -> Option<Shown> {
    let point = row.lat.zip(row.long).map(|(lat, long)| Point { lat, long });
    let location = Location { point, address: row.address.clone(), address_id: row.address_id.clone() };
    (location != Location::default()).then(|| place(&location))
}

/// A place in degrees, all seven decimals: what was said, not what a map keeps.
#[derive(Serialize)]
pub(super) struct Shown {
    lat: Option<f64>,
    long: Option<f64>,
    address: Option<String>,
    address_id: Option<String>,
}

pub(super) fn place(location: &Location) -> Shown {
    let degrees = |e7: i64| e7 as f64 / 1e7;
    Shown {
        lat: location.point.map(|point| degrees(point.lat)),
        long: location.point.map(|point| degrees(point.long)),
        address: location.address.clone(),
        address_id: location.address_id.clone(),
    }
}

/// Where a request is found.
pub(super) fn location(request: RequestId) -> String {
    format!("/api/v1/requests/{request}")
}
