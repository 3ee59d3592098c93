//! What is for no program of a city: the first page, health, readiness, metrics.

use std::fmt::Write as _;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use domain::words::Language;

use crate::{
    labels::{language_of, say},
    problem::{in_language, tag},
    state::{ApiState, Told},
};

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

/// `GET /`: what this is, its doors, a command to try.
pub(crate) async fn first(State(state): State<ApiState>, headers: HeaderMap) -> Response {
    let language = language_of(&headers);
    let base = state.base_url(&headers);
    let organisations: Vec<(String, String)> = state
        .application
        .organisations()
        .iter()
        .map(|organisation| {
            let rules = organisation.rules();
            let known = &rules.latest().organisation;
            (known.jurisdiction.clone(), known.name.in_language(language).to_owned())
        })
        .collect();
    let mut response = Html(page(language, &base, &organisations)).into_response();
    let headers = response.headers_mut();
    in_language(headers, language);
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

fn page(language: Language, base: &str, organisations: &[(String, String)]) -> String {
    let say = |key| say(language, key);
    let base = escaped(base);
    let mut rows = String::new();
    for (jurisdiction, name) in organisations {
        let (jurisdiction, name) = (escaped(jurisdiction), escaped(name));
        let link = format!("/open311/v2/services.json?jurisdiction_id={jurisdiction}");
        let _ = writeln!(rows, "<li>{name}: <a href=\"{link}\"><code>{jurisdiction}</code></a></li>");
    }
    let example = organisations.first().map_or_else(String::new, |(jurisdiction, _)| {
        format!(
            "curl '{base}/open311/v2/requests.json?jurisdiction_id={}&amp;page=1&amp;page_size=5'",
            escaped(jurisdiction)
        )
    });
    format!(
        "<!doctype html>\n<html lang=\"{lang}\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Guichet</title>\n\
         <style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem}}\
         pre{{overflow:auto;padding:1rem;border:1px solid}}</style>\n\
         <h1>Guichet</h1>\n<p>{lead}</p>\n\
         <h2>{doors}</h2>\n<ul>\n\
         <li><a href=\"/open311/v2/discovery.json\"><code>/open311/v2/</code></a>: {open311}</li>\n\
         <li><code>/api/v1/</code>: {native}</li>\n\
         <li><a href=\"/healthz\"><code>/healthz</code></a>, <a href=\"/readyz\"><code>/readyz</code></a>, \
         <a href=\"/metrics\"><code>/metrics</code></a>: {health}</li>\n</ul>\n\
         <h2>{served}</h2>\n<ul>\n{rows}</ul>\n\
         <h2>{attempt}</h2>\n<pre><code>{example}</code></pre>\n</html>\n",
        lang = tag(language),
        lead = say("first.lead"),
        doors = say("first.doors"),
        open311 = say("first.open311"),
        native = say("first.native"),
        health = say("first.health"),
        served = say("first.organisations"),
        attempt = say("first.try"),
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_page_is_in_french_and_escapes() {
        let organisations = [("ville.quebec.qc.ca".to_owned(), "Ville de <Québec>".to_owned())];
        insta::assert_snapshot!(page(Language::Fr, "http://127.0.0.1:8311", &organisations));
    }
}
