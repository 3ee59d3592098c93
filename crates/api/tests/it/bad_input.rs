//! What no caller should send is an error of the caller's, and is never repeated.

use application::Role;
use axum::{body::Body, http::Request};
use serde_json::json;
use testkit::on_both_databases;

use crate::harness::House;

const CANARY: &str = "ZQXCANARYZQX";

async fn raw(house: &House, method: &str, uri: &str, media: &str, body: impl Into<Body>) -> (u16, String) {
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header("content-type", media)
        .header("x-api-key", house.key("quebec", Role::Agent));
    let answer = house.send(request.body(body.into()).expect("a request")).await;
    (answer.status.as_u16(), answer.text)
}

on_both_databases! {
    async fn bad_input_is_refused_and_not_repeated(fresh: Fresh) {
        let house = House::open(&fresh).await;
        let json = "application/json";
        let form = "application/x-www-form-urlencoded";
        let broken = format!("{{\"product\": {CANARY}");
        let typed = json!({ "channel": "phone", "product": { CANARY: 1 } }).to_string();
        let extra = json!({ "channel": "phone", "product": "graffiti", "status": CANARY }).to_string();
        let huge = CANARY.repeat(1024 * 1024 / CANARY.len() + 1);
        let xml = format!("<!DOCTYPE r [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><r>{CANARY}&x;</r>");
        let form_bad = format!("service_code={CANARY}&lat={CANARY}&long=1");
        let requests = "/api/v1/requests";
        let open311 = "/open311/v2/requests.json";
        for (method, uri, media, body, status) in [
            ("POST", requests.to_owned(), json, broken, 400),
            ("POST", requests.to_owned(), json, typed, 422),
            ("POST", requests.to_owned(), json, extra, 422),
            ("POST", requests.to_owned(), "text/plain", CANARY.to_owned(), 415),
            ("POST", requests.to_owned(), json, huge.clone(), 413),
            ("PUT", requests.to_owned(), json, String::new(), 405),
            ("GET", format!("{requests}/{CANARY}"), json, String::new(), 404),
            ("GET", format!("{requests}/%ff%fe"), json, String::new(), 404),
            ("GET", format!("{requests}?limit={CANARY}"), json, String::new(), 422),
            ("GET", format!("{requests}?{CANARY}=1"), json, String::new(), 422),
            ("GET", format!("/api/v1/{CANARY}"), json, String::new(), 404),
            ("POST", open311.to_owned(), form, form_bad, 400),
            ("POST", open311.to_owned(), form, huge, 413),
            ("POST", open311.to_owned(), "text/xml", xml, 415),
            ("PUT", open311.to_owned(), form, String::new(), 405),
            ("GET", format!("{open311}?status={CANARY}"), form, String::new(), 400),
            ("GET", format!("/open311/v2/requests/{CANARY}.xml"), form, String::new(), 404),
            ("GET", "/open311/v2/requests/%ff.json".to_owned(), form, String::new(), 400),
        ] {
            let (found, text) = raw(&house, method, &uri, media, body).await;
            assert_eq!(found, status, "{method} {uri}: {text}");
            let allowed = uri.contains(&format!("?{CANARY}"));
            assert!(allowed || !text.contains(CANARY), "{method} {uri} repeats its input: {text}");
            assert!(!text.is_empty(), "{method} {uri} has no body");
        }
    }

    async fn every_answer_has_the_headers_of_the_house(fresh: Fresh) {
        let house = House::open(&fresh).await;
        for path in ["/", "/healthz", "/readyz", "/metrics", "/api/v1/me", "/open311/v2/discovery.xml", "/nothing"] {
            let answer = house.get(path).await;
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
            assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
            assert_eq!(answer.header("x-request-id").len(), 32, "{path}");
        }
        let first = house.get("/").await.is(200);
        assert!(first.text.contains("<html lang=\"fr\">"), "{}", first.text);
        assert!(first.text.contains("ville.quebec.qc.ca"), "{}", first.text);
        assert!(first.header("content-security-policy").starts_with("default-src 'none'"), "{:?}", first.headers);
    }
}
