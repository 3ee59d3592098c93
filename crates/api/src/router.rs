//! Every address of the program and who may call it.
//!
//! A route is built from its policy, so that one without does not compile, and is served only behind the guard of its
//! door. Around each door: errors in its form, panics and time-outs made errors, a bound on bodies; around
//! everything: one line of log and one measure for each request, which name the route and never the address.

use std::time::{Duration, Instant};

use application::{Act, Ids, RandomIds};
use axum::{
    Router,
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use tower::ServiceBuilder;
use tower_http::{catch_panic::CatchPanicLayer, limit::RequestBodyLimitLayer, timeout::TimeoutLayer};
use tracing::Instrument;

use crate::{
    first_page, native, open311, pages,
    policy::{self, Policy},
    problem::{self, Fact, Problem},
    state::{ApiState, Told},
};

/// What a request may bring: a long letter many times over.
const BODY_BYTES: usize = 1024 * 1024;
/// Longer than a write waits for a commit whose outcome is unknown (10 s).
const TIMEOUT: Duration = Duration::from_secs(15);

/// One verb at one address, and who may call it.
pub(crate) struct Route {
    pub(crate) policy: Policy,
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    handler: MethodRouter<ApiState>,
}

impl Route {
    pub(crate) fn may(act: Act, method: &'static str, path: &'static str, handler: MethodRouter<ApiState>) -> Self {
        let method = method.parse().expect("the routing tables name real methods: a test builds them");
        Self { policy: Policy::May(act), method, path, handler }
    }

    fn open(path: &'static str, handler: MethodRouter<ApiState>) -> Self {
        Self { policy: Policy::Open, method: Method::GET, path, handler }
    }
}

/// What `/api/v1` answers to, for whoever tries or describes each: method and path, ids in braces.
pub fn native_routes() -> Vec<(Method, &'static str)> {
    native::routes().into_iter().map(|route| (route.method, route.path)).collect()
}

/// The same of `/open311/v2`.
pub fn open311_routes() -> Vec<(Method, &'static str)> {
    open311::routes().into_iter().map(|route| (route.method, route.path)).collect()
}

/// Everything, ready to serve.
pub fn router(state: ApiState) -> Router {
    Router::new()
        .fallback(absent)
        .nest("/api/v1", native_door(&state))
        .layer(middleware::from_fn(problem::json_layer))
        .nest("/open311/v2", open311_door(&state))
        .merge(operator(&state))
        .layer(middleware::from_fn(observe))
        .with_state(state)
}

/// Health, readiness and metrics alone, for a process that serves nobody else.
pub fn operator_router(told: Told) -> Router {
    Router::new()
        .route("/healthz", get(pages::health))
        .route("/readyz", get(pages::ready))
        .route("/metrics", get(pages::metrics))
        .layer(middleware::from_fn(observe))
        .with_state(told)
}

fn native_door(state: &ApiState) -> Router<ApiState> {
    bounded(served(native::routes(), |policy, handler| {
        handler.route_layer(middleware::from_fn_with_state((state.clone(), policy), policy::guard))
    }))
}

fn open311_door(state: &ApiState) -> Router<ApiState> {
    let routes = served(open311::routes(), |policy, handler| {
        handler.route_layer(middleware::from_fn_with_state((state.clone(), policy), open311::guard))
    });
    bounded(routes.fallback(absent)).layer(middleware::from_fn(open311::errors::layer))
}

/// For whoever operates the program. Their errors are plain text.
fn operator(state: &ApiState) -> Router<ApiState> {
    let figures = first_page::Latest::default();
    let routes = vec![
        Route::open("/", get(move |state, headers| first_page::show(figures.clone(), state, headers))),
        Route::open("/healthz", get(pages::health)),
        Route::open("/readyz", get(pages::ready)),
        Route::open("/metrics", get(pages::metrics)),
    ];
    served(routes, |policy, handler| {
        handler.route_layer(middleware::from_fn_with_state((state.clone(), policy), policy::guard))
    })
}

fn served(
    routes: Vec<Route>,
    guarded: impl Fn(Policy, MethodRouter<ApiState>) -> MethodRouter<ApiState>,
) -> Router<ApiState> {
    let add = |router: Router<ApiState>, route: Route| router.route(route.path, guarded(route.policy, route.handler));
    routes.into_iter().fold(Router::new(), add)
}

/// Bodies, time and panics within bounds; what goes beyond is an error like any other.
fn bounded<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    let bounds = ServiceBuilder::new()
        .layer(CatchPanicLayer::custom(|_| {
            tracing::error!("a handler panicked");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, TIMEOUT))
        .layer(RequestBodyLimitLayer::new(BODY_BYTES));
    router.layer(bounds)
}

async fn absent() -> Problem {
    Fact::NotFound.into()
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// One line and one measure. The address is in neither: it may hold a key, a number, a name. Every line that is written
/// on the way to the answer carries the id that the answer does, for whoever quotes it.
async fn observe(request: Request, next: Next) -> Response {
    let id = RandomIds.uuid().simple().to_string();
    let method = known(request.method());
    let route = request.extensions().get::<MatchedPath>().map_or("-".to_owned(), |path| path.as_str().to_owned());
    // At the level of errors, so that no filter takes the id from a line that it lets through.
    let span = tracing::error_span!("request", %id);
    let started = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let seconds = started.elapsed().as_secs_f64();
    let status = response.status().as_u16();
    span.in_scope(|| tracing::info!(method, route, status, milliseconds = seconds * 1_000.0, "answered"));
    let labels = [("method", method.to_owned()), ("route", route), ("status", status.to_string())];
    metrics::histogram!("guichet_http_seconds", &labels).record(seconds);
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, HeaderValue::try_from(id).expect("hexadecimal digits"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// A measure with a label that callers choose would grow without end.
fn known(method: &Method) -> &'static str {
    const KNOWN: [Method; 6] = [Method::GET, Method::HEAD, Method::POST, Method::DELETE, Method::PUT, Method::PATCH];
    const NAMES: [&str; 6] = ["GET", "HEAD", "POST", "DELETE", "PUT", "PATCH"];
    KNOWN.iter().position(|known| known == method).map_or("other", |index| NAMES[index])
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        io::Write,
        sync::{Arc, Mutex},
    };

    use axum::body::{Body, to_bytes};
    use tower::ServiceExt;
    use tracing::instrument::WithSubscriber;

    use super::*;

    async fn panicking() {
        panic!("with words that nobody outside must read");
    }

    #[tokio::test]
    async fn a_panic_is_an_error_like_any_other() {
        let router = bounded(Router::new().route("/", get(panicking))).layer(middleware::from_fn(problem::json_layer));
        let response =
            router.oneshot(Request::get("/").body(Body::empty()).expect("a request")).await.expect("infallible");
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let bytes = to_bytes(response.into_body(), 10_000).await.expect("a short body");
        let body = String::from_utf8(bytes.to_vec()).expect("UTF-8");
        assert!(body.contains("server.failed") && !body.contains("words"), "{body}");
    }

    /// What subscribers write, to be read again.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("a buffer").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    async fn failing() -> Problem {
        Problem::failed(&std::fmt::Error)
    }

    #[tokio::test]
    async fn every_line_of_a_request_carries_its_id() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
        let router = Router::new().route("/", get(failing)).layer(middleware::from_fn(observe));
        let request = Request::get("/").body(Body::empty()).expect("a request");
        let response = router.oneshot(request).with_subscriber(subscriber).await.expect("infallible");
        let id = response.headers()[REQUEST_ID].to_str().expect("hexadecimal digits").to_owned();
        let written = String::from_utf8(lines.0.lock().expect("a buffer").clone()).expect("UTF-8");
        assert_eq!(written.lines().count(), 2, "{written}");
        assert!(written.contains("could not be answered") && written.contains("answered"), "{written}");
        assert!(written.lines().all(|line| line.contains(&id)), "{written}");
    }

    #[test]
    fn a_method_that_nobody_knows_is_one_label() {
        assert_eq!(known(&Method::DELETE), "DELETE");
        assert_eq!(known(&"BREW".parse().expect("a method")), "other");
    }

    #[test]
    fn no_route_stands_twice_in_the_tables() {
        for routes in [native::routes(), open311::routes()] {
            let all: Vec<_> = routes.iter().map(|route| (route.method.to_string(), route.path)).collect();
            assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        }
    }

    #[test]
    fn nothing_of_an_organisation_is_open() {
        for route in native::routes().iter().chain(&open311::routes()) {
            assert_ne!(route.policy, Policy::Open, "{}", route.path);
        }
    }

    #[tokio::test]
    async fn no_line_says_which_address_was_asked() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
        let router = Router::new().route("/requests/{id}", get(failing)).layer(middleware::from_fn(observe));
        let request = Request::get("/requests/Q0M3VX7K1ZP?api_key=gk_secret").body(Body::empty()).expect("a request");
        router.oneshot(request).with_subscriber(subscriber).await.expect("infallible");
        let written = String::from_utf8(lines.0.lock().expect("a buffer").clone()).expect("UTF-8");
        assert!(written.contains("/requests/{id}"), "{written}");
        assert!(!written.contains("Q0M3VX7K1ZP") && !written.contains("gk_secret"), "{written}");
    }
}
