//! `GET tokens/{token}.{fmt}`: for clients that ask although every id was real at once.

use axum::{extract::Path, response::Response};

use super::{asked::Asked, list::id, spark::Spark};
use crate::problem::{Fact, Problem};

/// `GET tokens/{token}.{fmt}`: a request's id is its own token.
pub(crate) async fn token(asked: Asked, Path(file): Path<String>) -> Result<Response, Problem> {
    let token = Asked::stem(&file);
    let request = asked.organisation()?.resolve(token).await?.ok_or(Fact::TokenUnknown)?;
    let found = Spark::Object(vec![("service_request_id", id(request)), ("token", id(request))]);
    Ok(asked.answer("service_requests", &Spark::List("request", vec![found])))
}
