//! One request as GeoReport shows it to anybody.

use chrono::TimeDelta;
use domain::{
    declaration::Product,
    number::Number,
    rules::Rules,
    time::Instant,
    words::{Code, Label, Language},
};
use projections::public_requests::PublicRequest;

use super::{dates, spark::Spark};
use crate::labels;

/// How requests are shown: by which words, in which language, with or without what the standard does not know.
pub(super) struct Shown<'a> {
    pub(super) rules: &'a Rules,
    pub(super) language: Language,
    pub(super) extended: bool,
}

impl Shown<'_> {
    pub(super) fn list(&self, rows: &[PublicRequest]) -> Spark {
        Spark::List("request", rows.iter().map(|row| self.one(row)).collect())
    }

    fn one(&self, row: &PublicRequest) -> Spark {
        let mut fields = vec![
            ("service_request_id", Spark::text(row.number.as_str())),
            ("status", Spark::text(if row.open { "open" } else { "closed" })),
            ("status_notes", Spark::maybe(self.notes(row))),
            ("service_name", Spark::maybe(self.product(row).map(|product| product.label.in_language(self.language)))),
            ("service_code", Spark::text(row.product.as_str())),
            ("description", Spark::maybe(row.description.clone())),
            ("agency_responsible", Spark::maybe(row.unit.as_ref().and_then(|unit| self.unit(unit)))),
            ("service_notice", Spark::Empty),
            ("requested_datetime", self.at(row.requested_at)),
            ("updated_datetime", self.at(row.updated_at)),
            ("expected_datetime", row.expected_at.map_or(Spark::Empty, |due| self.at(last_second(due)))),
            ("address", Spark::maybe(row.address.clone())),
            ("address_id", Spark::maybe(row.address_id.clone())),
            ("zipcode", Spark::Empty),
            ("lat", row.lat.map_or(Spark::Empty, Spark::Degrees)),
            ("long", row.long.map_or(Spark::Empty, Spark::Degrees)),
            // A picture is sealed like everything that a person sent; no agent can release one yet.
            ("media_url", Spark::Empty),
        ];
        if self.extended {
            fields.push(("extended_attributes", self.extended(row)));
        }
        Spark::Object(fields)
    }

    /// What the core of the standard has no word for.
    fn extended(&self, row: &PublicRequest) -> Spark {
        let parent = row.duplicate_of.map(Number::of);
        Spark::Object(vec![
            ("status", Spark::text(row.status.as_str())),
            ("closed_datetime", row.closed_at.map_or(Spark::Empty, |at| self.at(at))),
            ("channel", Spark::text(row.channel.as_str())),
            ("precision", Spark::maybe(row.precision.as_ref().map(Code::as_str))),
            ("area", Spark::maybe(row.area.as_ref().map(Code::as_str))),
            ("reason", Spark::maybe(row.reason.as_ref().map(Code::as_str))),
            ("duplicate", Spark::Bool(row.duplicate_of.is_some())),
            ("parent_service_request_id", Spark::maybe(parent.as_ref().map(Number::as_str))),
            ("photos", Spark::List("photo", Vec::new())),
        ])
    }

    fn at(&self, at: Instant) -> Spark {
        Spark::text(dates::write(at, self.rules.calendar()))
    }

    /// The reason in the organisation's words where it gave one, else where the request stands in ours.
    fn notes(&self, row: &PublicRequest) -> Option<String> {
        let reason = row.reason.as_ref().and_then(|reason| self.reason(reason));
        let status = labels::find(self.language, &format!("status.request.{}", row.status.as_str()));
        reason.or(status).map(str::to_owned)
    }

    fn reason(&self, code: &Code) -> Option<&str> {
        let label = self.newest(|declaration| {
            let known = declaration.refusal_reasons.iter().chain(&declaration.programmes);
            known.into_iter().find(|reason| reason.code == *code).map(|reason| &reason.label)
        });
        label.map(|label: &Label| label.in_language(self.language))
    }

    fn unit(&self, code: &Code) -> Option<&str> {
        let unit = self.newest(|declaration| declaration.units.iter().find(|unit| unit.code == *code));
        unit.map(|unit| unit.label.in_language(self.language))
    }

    /// By the declaration that the request was read by; a later one if it was recategorised since.
    fn product(&self, row: &PublicRequest) -> Option<&Product> {
        let then = self.rules.version(&row.declaration).product(&row.product);
        then.or_else(|| self.newest(|declaration| declaration.product(&row.product)))
    }

    /// What the newest version that knows it says.
    fn newest<'a, T>(&'a self, find: impl Fn(&'a domain::declaration::Declaration) -> Option<&'a T>) -> Option<&'a T> {
        self.rules.versions().iter().rev().find_map(|version| find(version))
    }
}

/// A due instant is exclusive: midnight at the end of a day is shown as that day's last second, not as the next day.
fn last_second(due: Instant) -> Instant {
    due - TimeDelta::microseconds(1)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::{declaration::Priority, ids::RequestId, request::Status};

    use super::*;
    use crate::open311::sample;

    fn at(text: &str) -> Instant {
        text.parse().expect("an instant")
    }

    fn code(text: &str) -> Code {
        text.parse().expect("a code")
    }

    fn row() -> PublicRequest {
        let request: RequestId = "req_00000000000040008000000000000001".parse().expect("an id");
        PublicRequest {
            request,
            number: Number::of(request),
            status: Status::InProgress,
            open: true,
            channel: code("app"),
            product: code("drinking_water"),
            precision: Some(code("taste_odour")),
            priority: Priority::Normal,
            unit: None,
            area: Some(code("limoilou")),
            requested_at: at("2026-11-20T14:30:00Z"),
            updated_at: at("2026-11-21T15:00:00.5Z"),
            closed_at: None,
            expected_at: Some(at("2026-11-25T05:00:00Z")),
            lat: Some(468_138_784),
            long: Some(-712_079_809),
            address: Some("1, rue <X>".to_owned()),
            address_id: None,
            description: None,
            reason: None,
            duplicate_of: None,
            requester: None,
            declaration: code("2024-1"),
            source: None,
            source_key: None,
            typed_description: None,
            private_place: None,
            media_url: None,
            answers: None,
        }
    }

    fn list(extended: bool, language: Language) -> Spark {
        let rules = Rules::new(vec![Arc::new(sample::declaration())]).expect("a version");
        Shown { rules: &rules, language, extended }.list(&[row()])
    }

    #[test]
    fn a_request_in_xml() {
        insta::assert_snapshot!(list(false, Language::Fr).xml("service_requests"));
    }

    #[test]
    fn a_request_in_json_with_extensions() {
        insta::assert_json_snapshot!(list(true, Language::En));
    }

    #[test]
    fn an_empty_list_is_a_list() {
        let rules = Rules::new(vec![Arc::new(sample::declaration())]).expect("a version");
        let none = Shown { rules: &rules, language: Language::Fr, extended: false }.list(&[]);
        assert_eq!(serde_json::to_string(&none).expect("JSON"), "[]");
    }
}
