//! What went wrong, as every door says it: one type, the only `IntoResponse` for errors.
//!
//! A handler returns a [`Problem`]; it travels in the response's extensions to the layer of its door, which
//! writes it in the form and the language that were asked: [`json_layer`] here writes `application/problem+json`,
//! `open311::errors` its own. Errors that no handler made (rejections, panics, time-outs, a body too large)
//! pass the same layer and get the same form. Nothing of the input and no parser's text is ever repeated.

use axum::{
    Json,
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use domain::words::{Label, Language};
use serde::Serialize;

use crate::labels;

macro_rules! facts {
    ($($name:ident = $code:literal, $status:ident;)*) => {
        /// Every fact that is not a refusal of the domain, with its stable code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Fact { $($name),* }

        impl Fact {
            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$name),*];

            pub(crate) fn code(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            pub(crate) fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status),* }
            }
        }
    };
}

facts! {
    Unreadable = "http.unreadable", BAD_REQUEST;
    NotFound = "http.not_found", NOT_FOUND;
    MethodNotAllowed = "http.method_not_allowed", METHOD_NOT_ALLOWED;
    TooLarge = "http.too_large", PAYLOAD_TOO_LARGE;
    UnsupportedMedia = "http.unsupported_media", UNSUPPORTED_MEDIA_TYPE;
    Timeout = "http.timeout", SERVICE_UNAVAILABLE;
    BodyUnreadable = "body.unreadable", BAD_REQUEST;
    FieldInvalid = "field.invalid", UNPROCESSABLE_ENTITY;
    KeyMissing = "key.missing", UNAUTHORIZED;
    KeyUnknown = "key.unknown", UNAUTHORIZED;
    JurisdictionRequired = "jurisdiction.required", BAD_REQUEST;
    JurisdictionUnknown = "jurisdiction.unknown", NOT_FOUND;
    ServiceUnknown = "service.unknown", NOT_FOUND;
    RequestUnknown = "request.unknown", NOT_FOUND;
    RequestStale = "request.stale", PRECONDITION_FAILED;
    RequestConflict = "request.conflict", CONFLICT;
    RequestEmergency = "request.emergency", CONFLICT;
    PersonConflict = "person.conflict", CONFLICT;
    PersonUnknown = "person.unknown", NOT_FOUND;
    OperationReused = "operation.reused", UNPROCESSABLE_ENTITY;
    OperationUnreadable = "operation.unreadable", BAD_REQUEST;
    TokenForeign = "token.foreign", BAD_REQUEST;
    TokenUnknown = "token.unknown", NOT_FOUND;
    ServerOverloaded = "server.overloaded", SERVICE_UNAVAILABLE;
    ServerUnavailable = "server.unavailable", SERVICE_UNAVAILABLE;
    ServerLogDiverged = "server.log_diverged", SERVICE_UNAVAILABLE;
    ServerUnknownOutcome = "server.unknown_outcome", SERVICE_UNAVAILABLE;
    ServerNotReady = "server.not_ready", SERVICE_UNAVAILABLE;
    ServerFailed = "server.failed", INTERNAL_SERVER_ERROR;
}

/// One field that will not do: where it is, and why, as a key `field.<why>` of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldError {
    /// JSON pointer in a body (`/answers/0`), or the name of a parameter (`page_size`).
    pub(crate) at: String,
    pub(crate) why: &'static str,
}

impl FieldError {
    pub(crate) fn new(at: impl Into<String>, why: &'static str) -> Self {
        Self { at: at.into(), why }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) fields: Vec<FieldError>,
    /// Words of an organisation's declaration, where they say more than the program's.
    pub(crate) words: Option<Label>,
    pub(crate) etag: Option<String>,
}

impl From<Fact> for Problem {
    fn from(fact: Fact) -> Self {
        Self { status: fact.status(), code: fact.code(), fields: Vec::new(), words: None, etag: None }
    }
}

impl Problem {
    /// A refusal of the domain, by its code: `request.closed`.
    pub(crate) fn refused(code: &'static str) -> Self {
        Self { status: StatusCode::CONFLICT, code, ..Fact::RequestConflict.into() }
    }

    pub(crate) fn fields(fields: Vec<FieldError>) -> Self {
        Self { fields, ..Fact::FieldInvalid.into() }
    }

    pub(crate) fn field(at: impl Into<String>, why: &'static str) -> Self {
        Self::fields(vec![FieldError::new(at, why)])
    }

    /// A failed `If-Match`, with the version that stands now.
    pub(crate) fn stale(current: Option<String>) -> Self {
        Self { etag: current, ..Fact::RequestStale.into() }
    }

    pub(crate) fn in_words(self, words: Label) -> Self {
        Self { words: Some(words), ..self }
    }

    pub(crate) fn is(&self, fact: Fact) -> bool {
        self.code == fact.code()
    }

    /// An error that nothing here foresaw: its chain goes to the log, once; the caller gets a fixed sentence, and is asked to
    /// come back where the database is only away.
    pub(crate) fn failed(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut chain = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            chain.push_str(": ");
            chain.push_str(&error.to_string());
            cause = error.source();
        }
        tracing::error!(%chain, "a request could not be answered");
        if application::is_passing(error) { Fact::ServerUnavailable.into() } else { Fact::ServerFailed.into() }
    }

    /// The problem that a bare status stands for: what axum and its layers answer with.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let fact = match status {
            StatusCode::NOT_FOUND => Fact::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Fact::MethodNotAllowed,
            StatusCode::PAYLOAD_TOO_LARGE => Fact::TooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Fact::UnsupportedMedia,
            StatusCode::REQUEST_TIMEOUT | StatusCode::SERVICE_UNAVAILABLE => Fact::Timeout,
            status if status.is_client_error() => Fact::Unreadable,
            _ => Fact::ServerFailed,
        };
        fact.into()
    }

    pub(crate) fn title(&self, language: Language) -> &str {
        labels::find(language, &format!("problem.{}", self.code))
            .or_else(|| labels::find(language, &format!("refusal.{}", self.code)))
            .unwrap_or(self.code)
    }

    fn detail(&self, language: Language) -> Option<&str> {
        match &self.words {
            Some(words) => Some(words.in_language(language)),
            None => labels::find(language, &format!("problem.{}.detail", self.code)),
        }
    }

    /// Headers that belong to the fact in every door.
    pub(crate) fn headers(&self, response: &mut Response) {
        let headers = response.headers_mut();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(etag) = self.etag.as_deref().and_then(|etag| HeaderValue::try_from(etag).ok()) {
            headers.insert(header::ETAG, etag);
        }
    }

    fn json(&self, language: Language) -> Response {
        let errors = self.fields.iter().map(|field| ProblemField::new(field, language)).collect();
        let body = ProblemBody {
            r#type: format!("urn:guichet:problem:{}", self.code),
            title: self.title(language),
            status: self.status.as_u16(),
            code: self.code,
            detail: self.detail(language),
            errors,
        };
        let mut response = (self.status, Json(body)).into_response();
        self.headers(&mut response);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        in_language(headers, language);
        response
    }
}

/// Says in which language an answer is, and that it was chosen.
pub(crate) fn in_language(headers: &mut HeaderMap, language: Language) {
    headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(tag(language)));
    headers.insert(header::VARY, HeaderValue::from_static("accept-language"));
}

pub(crate) fn tag(language: Language) -> &'static str {
    match language {
        Language::Fr => "fr",
        Language::En => "en",
    }
}

#[derive(Serialize)]
struct ProblemBody<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ProblemField<'a>>,
}

#[derive(Serialize)]
struct ProblemField<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<&'a str>,
    code: String,
    detail: &'a str,
}

impl<'a> ProblemField<'a> {
    fn new(field: &'a FieldError, language: Language) -> Self {
        let in_body = field.at.starts_with('/');
        Self {
            pointer: in_body.then_some(field.at.as_str()),
            parameter: (!in_body).then_some(field.at.as_str()),
            code: if field.why.contains('.') { field.why.to_owned() } else { format!("field.{}", field.why) },
            detail: why(field, language),
        }
    }
}

/// Why a field will not do, in words: ours, or those of a question or a refusal of the domain.
pub(crate) fn why(field: &FieldError, language: Language) -> &'static str {
    let spoken = |area| labels::find(language, &format!("{area}.{}", field.why));
    spoken("field").or_else(|| spoken("question")).or_else(|| spoken("refusal")).unwrap_or(field.why)
}

/// A bare status until a door's layer writes the problem in its own form.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The problem a response stands for, whoever made it; none if it is no error.
pub(crate) fn of(response: &mut Response) -> Option<Problem> {
    let status = response.status();
    let stated = response.extensions_mut().remove::<Problem>();
    stated.or_else(|| (status.is_client_error() || status.is_server_error()).then(|| Problem::of_status(status)))
}

/// Writes every error of the native door as problem+json, in the language that was asked.
pub(crate) async fn json_layer(request: Request, next: Next) -> Response {
    let language = labels::language_of(request.headers());
    let mut response = next.run(request).await;
    match of(&mut response) {
        Some(problem) => problem.json(language),
        None => response,
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    async fn body(problem: Problem, language: Language) -> serde_json::Value {
        let bytes = to_bytes(problem.json(language).into_body(), 10_000).await.expect("a short body");
        serde_json::from_slice(&bytes).expect("JSON")
    }

    #[test]
    fn every_fact_has_words_in_both_languages() {
        for fact in Fact::ALL {
            for language in [Language::Fr, Language::En] {
                let key = format!("problem.{}", fact.code());
                assert!(labels::find(language, &key).is_some(), "{key} in {language:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_problem_names_its_fields_and_repeats_no_input() {
        let problem =
            Problem::fields(vec![FieldError::new("/unit", "bad_code"), FieldError::new("page", "bad_number")]);
        insta::assert_json_snapshot!(body(problem, Language::Fr).await);
    }

    #[tokio::test]
    async fn a_problem_is_said_in_english_when_asked() {
        insta::assert_json_snapshot!(body(Fact::RequestStale.into(), Language::En).await);
    }

    #[test]
    fn an_overload_says_when_to_come_back() {
        let response = Problem::from(Fact::ServerOverloaded).json(Language::Fr);
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
    }

    #[test]
    fn a_bare_status_becomes_a_problem() {
        let mut response = StatusCode::PAYLOAD_TOO_LARGE.into_response();
        assert_eq!(of(&mut response).map(|problem| problem.code), Some("http.too_large"));
        assert!(of(&mut StatusCode::OK.into_response()).is_none());
    }
}
