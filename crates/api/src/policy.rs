//! Who may call a route: the guard that stands before each handler.
//!
//! A route is made with its policy ([`Route`](crate::router::Route)), so one without does not compile. Forbidden looks
//! like absent: a role that may not gets what an unknown address gets.

use application::{Act, Caller, Role, allows};
use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, header::AUTHORIZATION, request::Parts},
    middleware::Next,
    response::Response,
};

use crate::{
    problem::{Fact, Problem},
    state::ApiState,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// For whoever operates the program, and for a first look: holds nothing of any organisation that is not public.
    Open,
    /// For the roles that may do this.
    May(Act),
}

/// The key a caller shows: `Authorization: Bearer gk_…` or `X-Api-Key: gk_…`.
pub(crate) fn presented(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    bearer
        .and_then(|value| value.strip_prefix("Bearer "))
        .or_else(|| headers.get("x-api-key").and_then(|value| value.to_str().ok()))
        .map(str::trim)
        .filter(|key| !key.is_empty())
}

/// The caller behind a key, if the policy lets them in; `None` where nobody needs a key.
pub(crate) async fn admit(state: &ApiState, policy: Policy, key: Option<&str>) -> Result<Option<Caller>, Problem> {
    let Policy::May(act) = policy else { return Ok(None) };
    let Some(key) = key else {
        return if allows(Role::Public, act) { Ok(None) } else { Err(Fact::KeyMissing.into()) };
    };
    let caller = state.application.authenticate(key).await.map_err(|error| Problem::failed(&error))?;
    let caller = caller.ok_or(Fact::KeyUnknown)?;
    if allows(caller.role, act) { Ok(Some(caller)) } else { Err(Fact::NotFound.into()) }
}

/// Stands before every handler of the native door.
pub(crate) async fn guard(
    State((state, policy)): State<(ApiState, Policy)>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let key = presented(request.headers()).map(str::to_owned);
    if let Some(caller) = admit(&state, policy, key.as_deref()).await? {
        request.extensions_mut().insert(caller);
    }
    Ok(next.run(request).await)
}

/// The caller that the guard let in.
pub(crate) struct Actor(pub(crate) Caller);

impl<S: Send + Sync> FromRequestParts<S> for Actor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Caller>().cloned().map(Self).ok_or_else(|| Fact::KeyMissing.into())
    }
}
