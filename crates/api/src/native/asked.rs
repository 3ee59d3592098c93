//! What a caller of the native door asks about and on what condition: the request, `If-Match`, `Idempotency-Key`.

use application::OperationKey;
use axum::{
    extract::{FromRequestParts, Path},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use domain::ids::RequestId;
use serde_json::{Value, json};

use crate::{
    policy::Actor,
    problem::{Fact, Problem},
    state::ApiState,
};

/// The `{id}` of the path: `req_…`, or the public number that a citizen reads out.
pub(super) struct Asked {
    pub(super) actor: Actor,
    pub(super) request: RequestId,
}

impl FromRequestParts<ApiState> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let actor = Actor::from_request_parts(parts, state).await?;
        let Path(id) =
            Path::<String>::from_request_parts(parts, state).await.map_err(|_| Problem::from(Fact::RequestUnknown))?;
        let request = request(&actor, &id).await?.ok_or(Fact::RequestUnknown)?;
        Ok(Self { actor, request })
    }
}

/// The request that an id or a number names. An id that looks like one may still be of nothing.
pub(super) async fn request(actor: &Actor, id: &str) -> Result<Option<RequestId>, Problem> {
    match id.parse::<RequestId>() {
        Ok(request) => Ok(Some(request)),
        Err(_) => Ok(actor.0.organisation.resolve(id).await?),
    }
}

/// On what condition a write is done.
pub(super) struct Condition {
    /// The ETag that the caller has read.
    pub(super) expected: Option<String>,
    key: Option<String>,
}

impl Condition {
    /// The operation that this write is, if the caller named one; good for this path and this content alone.
    pub(super) fn operation(&self, path: &str, content: &[u8]) -> Option<OperationKey> {
        let content = [path.as_bytes(), b"\n", content].concat();
        self.key.as_deref().map(|key| OperationKey::idempotency("native", key, content))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Condition {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self { expected: if_match(&parts.headers)?, key: idempotency_key(&parts.headers)? })
    }
}

/// `If-Match: "…"`; `*` is no condition, because an unknown request is refused anyway.
fn if_match(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().map_err(|_| Problem::from(Fact::TokenForeign))?.trim();
    if text == "*" {
        return Ok(None);
    }
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    inner.map(|etag| Some(etag.to_owned())).ok_or_else(|| Fact::TokenForeign.into())
}

/// `Idempotency-Key`, as any door takes it.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let fits = |key: &&str| (1..=255).contains(&key.len());
    let key = value.to_str().ok().map(str::trim).filter(fits).ok_or(Fact::OperationUnreadable)?;
    Ok(Some(key.to_owned()))
}

/// A write that was done: its ETag, and the token with which a list waits for it.
pub(super) struct Done {
    pub(super) request: RequestId,
    pub(super) etag: String,
    pub(super) after: String,
    pub(super) replayed: bool,
}

impl Done {
    fn body(&self) -> Value {
        json!({ "id": self.request.to_string(), "after": self.after, "replayed": self.replayed })
    }
}

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        answered(StatusCode::OK, &self.etag, &self.body())
    }
}

pub(super) fn answered(status: StatusCode, etag: &str, body: &Value) -> Response {
    let mut response = (status, axum::Json(body)).into_response();
    if let Ok(etag) = HeaderValue::try_from(format!("\"{etag}\"")) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

#[cfg(test)]
mod tests {
    use fuzz::{Document, Nearly};

    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().expect("a name"), value.parse().expect("a value"))])
    }

    #[test]
    fn an_etag_is_quoted_and_strong() {
        assert_eq!(if_match(&HeaderMap::new()).expect("no condition"), None);
        assert_eq!(if_match(&headers("if-match", "\"abc\"")).expect("an etag"), Some("abc".to_owned()));
        assert_eq!(if_match(&headers("if-match", "*")).expect("no condition"), None);
        for value in ["abc", "W/\"abc\"", "\"abc"] {
            assert!(if_match(&headers("if-match", value)).is_err(), "{value}");
        }
    }

    #[test]
    fn an_idempotency_key_is_short_and_not_empty() {
        assert_eq!(idempotency_key(&headers("idempotency-key", " k1 ")).expect("a key"), Some("k1".to_owned()));
        assert!(idempotency_key(&headers("idempotency-key", "")).is_err());
        assert!(idempotency_key(&headers("idempotency-key", &"k".repeat(256))).is_err());
    }

    #[test]
    fn any_condition_is_read_or_refused() {
        let samples = ["\"abc\"", "*", "W/\"abc\"", "call-4711"];
        fuzz::check!().with_generator(Nearly::of(samples)).for_each(|document: &Document| {
            let Ok(value) = HeaderValue::from_bytes(document.bytes()) else { return };
            let of = |name: &'static str| HeaderMap::from_iter([(name.parse().expect("a name"), value.clone())]);
            if let Err(problem) = if_match(&of("if-match")) {
                problem.assert_said();
            }
            match idempotency_key(&of("idempotency-key")) {
                Ok(key) => assert!(key.is_none_or(|key| (1..=255).contains(&key.len()))),
                Err(problem) => problem.assert_said(),
            }
            let _ =
                (crate::labels::language_of(&of("accept-language")), crate::policy::presented(&of("authorization")));
        });
    }
}
