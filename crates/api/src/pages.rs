//! What is for whoever operates the program: health, readiness, metrics.

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::state::Told;

/// `GET /healthz`: the process answers. Nothing else is asked, so that a slow disk restarts nobody.
pub(crate) async fn health() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: whether to send requests here, and what is wrong, for whoever operates this.
pub(crate) async fn ready(State(told): State<Told>) -> Response {
    match (told.ready)() {
        Ok(known) => format!("{known}\n").into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

/// `GET /metrics`: Prometheus text.
pub(crate) async fn metrics(State(told): State<Told>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (told.metrics)()).into_response()
}
