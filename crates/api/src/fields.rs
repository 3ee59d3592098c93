//! What a caller wrote, field by field: each mistake is pointed at, what nobody asked for is refused, nothing is repeated.
//!
//! A derived reader would stop at the first mistake and say it in its own words; agents' forms want all of them. One
//! reader serves JSON bodies, where a fault has a JSON pointer, and queries, where it has the parameter's name.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Query, Request},
    http::{HeaderMap, header::CONTENT_TYPE, request::Parts},
};
use chrono::NaiveDate;
use domain::{time, words::Code};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::problem::{Fact, FieldError, Problem};

/// The longest text that a field takes, in characters: a long letter, and a bound on what is sealed.
const TEXT_CHARS: usize = 20_000;

/// Fields that are taken out one by one; see [`Fields::finish`].
#[derive(Default)]
pub(crate) struct Fields {
    rest: Map<String, Value>,
    /// What stands before a name in a fault: `/` in a body, `/place/` in an object within, nothing in a query.
    before: String,
    wrong: Vec<FieldError>,
    /// The bytes as sent: what an operation key is good for.
    content: Vec<u8>,
}

impl Fields {
    pub(crate) fn of_body(value: Value) -> Result<Self, Problem> {
        match value {
            Value::Object(rest) => Ok(Self { rest, before: "/".to_owned(), ..Self::default() }),
            _ => Err(Fact::BodyUnreadable.into()),
        }
    }

    fn of_query(pairs: Vec<(String, String)>) -> Self {
        let rest = pairs.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
        Self { rest, ..Self::default() }
    }

    pub(crate) fn content(&self) -> &[u8] {
        &self.content
    }

    pub(crate) fn fault(&mut self, name: &str, why: &'static str) {
        self.wrong.push(FieldError::new(format!("{}{name}", self.before), why));
    }

    /// `null` is absent, and so is a text of blanks.
    fn take(&mut self, name: &str) -> Option<Value> {
        self.rest.remove(name).filter(|value| match value {
            Value::Null => false,
            Value::String(text) => !text.trim().is_empty(),
            _ => true,
        })
    }

    pub(crate) fn maybe_text(&mut self, name: &str) -> Option<String> {
        match self.take(name)? {
            Value::String(text) if text.chars().count() > TEXT_CHARS => self.fault(name, "too_long"),
            Value::String(text) => return Some(text),
            _ => self.fault(name, "bad_word"),
        }
        None
    }

    /// A text parsed into a word of the domain.
    pub(crate) fn maybe<T>(
        &mut self,
        name: &str,
        why: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.maybe_text(name)?;
        let parsed = parse(&text);
        if parsed.is_none() {
            self.fault(name, why);
        }
        parsed
    }

    /// A word of the domain, as it is stored: `in_progress`.
    pub(crate) fn maybe_word<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        self.maybe(name, "bad_word", |text| serde_json::from_value(Value::String(text.to_owned())).ok())
    }

    /// The value of a required field; its absence is a fault.
    pub(crate) fn required<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let faults = self.wrong.len();
        let value = read(self);
        if value.is_none() && self.wrong.len() == faults {
            self.fault(name, "required");
        }
        value
    }

    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        self.required(name, |fields| fields.maybe_text(name))
    }

    pub(crate) fn maybe_code(&mut self, name: &str) -> Option<Code> {
        self.maybe(name, "bad_code", |text| text.parse().ok())
    }

    pub(crate) fn code(&mut self, name: &str) -> Option<Code> {
        self.required(name, |fields| fields.maybe_code(name))
    }

    pub(crate) fn maybe_date(&mut self, name: &str) -> Option<NaiveDate> {
        let parse = |text: &str| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
        self.maybe(name, "bad_date", |text| parse(text).filter(|day| time::is_sane(*day)))
    }

    /// A number, also where a query can only write it as text.
    pub(crate) fn maybe_number(&mut self, name: &str) -> Option<f64> {
        let number = match self.take(name)? {
            Value::Number(number) => number.as_f64(),
            Value::String(text) if self.before.is_empty() => text.parse().ok(),
            _ => None,
        };
        if number.is_none() {
            self.fault(name, "bad_number");
        }
        number.filter(|number| number.is_finite())
    }

    /// A whole number from 1 to `most`.
    pub(crate) fn maybe_count(&mut self, name: &str, most: i64) -> Option<i64> {
        let number = self.maybe_number(name)?;
        let count = (number.fract() == 0.0 && (1.0..=most as f64).contains(&number)).then_some(number as i64);
        if count.is_none() {
            self.fault(name, "bad_number");
        }
        count
    }

    /// An object within, read by `read`; its faults are ours, with its pointer.
    pub(crate) fn maybe_object<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let Value::Object(rest) = self.take(name)? else {
            self.fault(name, "bad_word");
            return None;
        };
        let mut inner = Self { rest, before: format!("{}{name}/", self.before), ..Self::default() };
        let value = read(&mut inner);
        inner.refuse_the_rest();
        self.wrong.append(&mut inner.wrong);
        value
    }

    /// `{"code": "text" | ["choice", …]}`, as a question tree is answered; numbers are taken as written.
    pub(crate) fn answers(&mut self, name: &str) -> Vec<(String, Vec<String>)> {
        let answers = self.maybe_object(name, |answers| {
            let names: Vec<String> = answers.rest.keys().cloned().collect();
            Some(names.into_iter().filter_map(|name| answers.values(&name).map(|values| (name, values))).collect())
        });
        answers.unwrap_or_default()
    }

    fn values(&mut self, name: &str) -> Option<Vec<String>> {
        let values = match self.take(name)? {
            Value::Array(values) => values,
            value => vec![value],
        };
        let texts: Option<Vec<String>> = values.into_iter().map(plain_text).collect();
        if texts.is_none() {
            self.fault(name, "bad_word");
        }
        texts
    }

    fn refuse_the_rest(&mut self) {
        let unknown: Vec<String> = self.rest.keys().cloned().collect();
        for name in unknown {
            self.fault(&name, "unknown");
        }
    }

    /// What was read, unless a field was at fault or nobody took it.
    pub(crate) fn finish<T>(mut self, read: Option<T>) -> Result<T, Problem> {
        self.refuse_the_rest();
        match read {
            Some(value) if self.wrong.is_empty() => Ok(value),
            _ => Err(Problem::fields(self.wrong)),
        }
    }
}

fn plain_text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// An absent body is an empty object: many verbs need no word.
impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_json = is_json(request.headers());
        let bytes =
            Bytes::from_request(request, state).await.map_err(|rejection| Problem::of_status(rejection.status()))?;
        if bytes.is_empty() {
            return Self::of_body(Value::Object(Map::new()));
        }
        if !is_json {
            return Err(Fact::UnsupportedMedia.into());
        }
        let value = serde_json::from_slice(&bytes).map_err(|_| Problem::from(Fact::BodyUnreadable))?;
        Ok(Self { content: bytes.to_vec(), ..Self::of_body(value)? })
    }
}

/// The parameters of a query, as fields.
pub(crate) struct Asking(pub(crate) Fields);

impl<S: Send + Sync> FromRequestParts<S> for Asking {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(pairs) = Query::try_from_uri(&parts.uri).map_err(|_| Problem::from(Fact::Unreadable))?;
        Ok(Self(Fields::of_query(pairs)))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let media = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    media.split(';').next().is_some_and(|media| media.trim().eq_ignore_ascii_case("application/json"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_fault_is_pointed_at() {
        let mut body = Fields::of_body(
            json!({ "unit": "no code!", "on": "demain", "place": { "lat": "x", "moon": 1 }, "status": "closed" }),
        )
        .expect("an object");
        let read = (
            body.code("unit"),
            body.maybe_date("on"),
            body.text("why"),
            body.maybe_object("place", |place| place.maybe_number("lat")),
        );
        let problem = body.finish(read.0).expect_err("faults");
        let found: Vec<_> = problem.fields.iter().map(|field| (field.at.as_str(), field.why)).collect();
        assert_eq!(
            found,
            [
                ("/unit", "bad_code"),
                ("/on", "bad_date"),
                ("/why", "required"),
                ("/place/lat", "bad_number"),
                ("/place/moon", "unknown"),
                ("/status", "unknown"),
            ]
        );
    }

    #[test]
    fn a_date_of_another_age_is_a_slip() {
        for (text, expected) in
            [("2199-12-31", true), ("9999-12-31", false), ("+262142-12-31", false), ("-99999-1-1", false)]
        {
            let mut body = Fields::of_body(json!({ "on": text })).expect("an object");
            assert_eq!(body.maybe_date("on").is_some(), expected, "{text}");
            assert_eq!(body.finish(Some(())).is_ok(), expected, "{text}");
        }
    }

    #[test]
    fn blank_and_null_are_absent() {
        let mut body = Fields::of_body(json!({ "a": null, "b": "  " })).expect("an object");
        let read = (body.maybe_text("a"), body.maybe_text("b"));
        assert_eq!(body.finish(Some(read)).expect("no fault"), (None, None));
    }

    #[test]
    fn answers_are_texts_numbers_or_lists() {
        let mut body = Fields::of_body(json!({ "answers": { "a": "x", "b": ["y", "z"], "c": 3 } })).expect("an object");
        let answers = body.answers("answers");
        let expected = [("a", vec!["x"]), ("b", vec!["y", "z"]), ("c", vec!["3"])];
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(code, values)| (code.to_owned(), values.into_iter().map(str::to_owned).collect::<Vec<_>>()))
            .collect();
        assert_eq!(body.finish(Some(answers)).expect("no fault"), expected);
    }

    #[test]
    fn a_query_is_pointed_at_by_name() {
        let mut fields =
            Fields::of_query(vec![("limit".into(), "0".into()), ("x".into(), "1".into()), ("page".into(), "7".into())]);
        let read = (fields.maybe_count("limit", 10), fields.maybe_count("page", 10));
        assert_eq!(read, (None, Some(7)));
        let problem = fields.finish(Some(())).expect_err("faults");
        assert_eq!(problem.fields, [FieldError::new("limit", "bad_number"), FieldError::new("x", "unknown")]);
    }

    #[test]
    fn a_body_is_an_object() {
        assert!(Fields::of_body(json!([1])).is_err());
    }
}
