//! What a GeoReport client asked: format, language, parameters, organisation, and who it is.
//!
//! Read once, before the handler. Parameters of a POST come from its form and its query; a key comes from either,
//! or from a header, and leaves no other trace.

use application::{Caller, Organisation};
use axum::{
    Form,
    extract::{FromRequest, FromRequestParts, Query, Request, State},
    http::{Method, StatusCode, Uri, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use domain::words::Language;

use super::{format::Format, params::Params, spark::Spark};
use crate::{
    labels::language_of,
    policy::{Policy, admit, presented},
    problem::{Fact, Problem},
    state::ApiState,
};

#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) format: Format,
    pub(crate) language: Language,
    pub(crate) params: Params,
    pub(crate) caller: Option<Caller>,
    organisation: Result<Organisation, Problem>,
}

impl Asked {
    /// The organisation that was asked, or that it must be said which.
    pub(crate) fn organisation(&self) -> Result<&Organisation, Problem> {
        self.organisation.as_ref().map_err(Clone::clone)
    }

    /// `drinking_water.xml` without its suffix; the guard has seen that there is one.
    pub(crate) fn stem(file: &str) -> &str {
        Format::split(file).map_or(file, |(stem, _)| stem)
    }

    pub(crate) fn answer(&self, root: &str, body: &Spark) -> Response {
        self.format.answer(StatusCode::OK, root, body)
    }
}

/// Stands before every handler of this door.
pub(crate) async fn guard(
    State((state, policy)): State<(ApiState, Policy)>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let format = Format::of_path(request.uri().path()).ok_or(Fact::NotFound)?;
    let language = language_of(request.headers());
    let header = presented(request.headers()).map(str::to_owned);
    let (mut request, params) = params(request).await?;
    let key = header.as_deref().or_else(|| params.one("api_key"));
    let named = named(&state, &params)?;
    // A key that may not is answered as a key that is not: the standard has one word for both.
    let caller = admit(&state, policy, key)
        .await
        .map_err(|problem| if problem.is(Fact::NotFound) { Fact::KeyUnknown.into() } else { problem })?;
    let organisation = choose(&state, named, caller.as_ref())?;
    request.extensions_mut().insert(Asked { format, language, params, caller, organisation });
    Ok(next.run(request).await)
}

async fn params(request: Request) -> Result<(Request, Params), Problem> {
    let query = query(request.uri())?;
    if request.method() != Method::POST {
        return Ok((request, Params::new(Vec::new(), query)));
    }
    let (parts, body) = request.into_parts();
    let whole = Request::from_parts(parts.clone(), body);
    let Form(form) = Form::from_request(whole, &())
        .await
        .map_err(|rejection| Problem::of_status(rejection.into_response().status()))?;
    Ok((Request::from_parts(parts, axum::body::Body::empty()), Params::new(form, query)))
}

fn query(uri: &Uri) -> Result<Vec<(String, String)>, Problem> {
    Query::try_from_uri(uri).map(|Query(pairs)| pairs).map_err(|_| Fact::Unreadable.into())
}

/// The organisation of `jurisdiction_id`, if it is given.
fn named(state: &ApiState, params: &Params) -> Result<Option<Organisation>, Problem> {
    let Some(jurisdiction) = params.one("jurisdiction_id") else { return Ok(None) };
    state.application.by_jurisdiction(jurisdiction).map(Some).ok_or_else(|| Fact::JurisdictionUnknown.into())
}

/// `jurisdiction_id`, else the key's organisation, else the only one. A key of another is a key we do not know.
fn choose(
    state: &ApiState,
    named: Option<Organisation>,
    caller: Option<&Caller>,
) -> Result<Result<Organisation, Problem>, Problem> {
    match (named, caller) {
        (Some(named), Some(caller)) if named.slug() != caller.organisation.slug() => Err(Fact::KeyUnknown.into()),
        (Some(named), _) => Ok(Ok(named)),
        (None, Some(caller)) => Ok(Ok(caller.organisation.clone())),
        (None, None) => Ok(match state.application.organisations() {
            [only] => Ok(only.clone()),
            _ => Err(Fact::JurisdictionRequired.into()),
        }),
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Fact::ServerFailed.into())
    }
}
