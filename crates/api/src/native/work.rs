//! Working a request: find it, check what the caller expects, execute the act, answer. Once, for every verb of
//! [`acts`](super::acts).

use axum::{extract::OriginalUri, routing::MethodRouter};
use domain::request::Act;

use super::asked::{Asked, Condition, Done, request};
use crate::{fields::Fields, problem::Problem, state::ApiState};

/// A verb that reads its body into an act.
type Verb = fn(&mut Fields) -> Option<Act>;

/// The handler of a verb.
pub(super) fn by_post(verb: Verb) -> MethodRouter<ApiState> {
    axum::routing::post(move |asked: Asked, condition: Condition, uri: OriginalUri, body: Fields| {
        work(verb, asked, condition, uri, body)
    })
}

pub(super) fn by_delete(verb: Verb) -> MethodRouter<ApiState> {
    axum::routing::delete(move |asked: Asked, condition: Condition, uri: OriginalUri, body: Fields| {
        work(verb, asked, condition, uri, body)
    })
}

async fn work(
    verb: Verb,
    asked: Asked,
    condition: Condition,
    uri: OriginalUri,
    mut body: Fields,
) -> Result<Done, Problem> {
    let operation = condition.operation(uri.path(), body.content());
    let act = verb(&mut body);
    let act = body.finish(act)?;
    execute(asked, act, condition, operation).await
}

/// `POST /requests/{id}/duplicate-of` `{of}`: followed in another request, named by its id or its number.
pub(super) async fn link(
    asked: Asked,
    condition: Condition,
    uri: OriginalUri,
    mut body: Fields,
) -> Result<Done, Problem> {
    let operation = condition.operation(uri.path(), body.content());
    let of = body.text("of");
    let of = body.finish(of)?;
    let of = request(&asked.actor, &of).await?.ok_or_else(|| Problem::field("/of", "bad_id"))?;
    execute(asked, Act::LinkAsDuplicate { of, original: None }, condition, operation).await
}

async fn execute(
    asked: Asked,
    act: Act,
    condition: Condition,
    operation: Option<application::OperationKey>,
) -> Result<Done, Problem> {
    let caller = &asked.actor.0;
    let expected = condition.expected.as_deref();
    let done = caller.organisation.execute(&caller.key, asked.request, act, expected, operation).await?;
    Ok(Done { request: asked.request, etag: done.etag, after: done.after, replayed: done.replayed })
}
