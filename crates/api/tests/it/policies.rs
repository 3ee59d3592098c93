//! Who may call what, written out a second time: every route of both doors in every role.
//!
//! The native door without a key: 401. With a key whose role may not: what an unknown address gets. Open311 has one
//! answer for no key, an unknown one and one whose role may not: 403. Ids are of nothing, so a role that may gets past
//! the guard and then something else.

use std::collections::BTreeSet;

use application::Role::{self, Admin, Agent, Analyst, Auditor, Portal};
use axum::{body::Body, http::Request};
use testkit::on_both_databases;

use crate::harness::House;

const ID: &str = "req_00000000000040008000000000000000";
const PERSON: &str = "per_00000000000040008000000000000000";

const WORKERS: &[Role] = &[Agent, Admin];
const SENDERS: &[Role] = &[Portal, Agent, Admin];
const READERS: &[Role] = &[Agent, Auditor, Admin];
const ANALYSTS: &[Role] = &[Agent, Analyst, Auditor, Admin];

/// Method, path and who may.
fn routes() -> Vec<(&'static str, String, &'static [Role])> {
    let mut routes = vec![
        ("POST", "/requests".to_owned(), WORKERS),
        ("GET", "/requests".to_owned(), READERS),
        ("GET", "/requests/{id}".to_owned(), READERS),
        ("GET", "/requests/{id}/timeline".to_owned(), READERS),
        ("GET", "/requests/{id}/personal".to_owned(), WORKERS),
        ("DELETE", "/requests/{id}/duplicate-of".to_owned(), WORKERS),
        ("POST", "/persons/search".to_owned(), WORKERS),
        ("GET", "/persons/{id}/history".to_owned(), WORKERS),
        ("POST", "/persons/{id}/merge".to_owned(), WORKERS),
        ("DELETE", "/persons/{id}/merge".to_owned(), WORKERS),
        ("GET", "/queue".to_owned(), READERS),
        ("GET", "/planning-base".to_owned(), READERS),
        ("GET", "/declarations".to_owned(), &Role::ALL),
        ("GET", "/me".to_owned(), &Role::ALL),
    ];
    let verbs = [
        "triage",
        "assignment",
        "transfer",
        "start",
        "waiting",
        "citizen-reply",
        "notes",
        "interim-answers",
        "answer",
        "resolution",
        "refusal",
        "reopening",
        "cancellation",
        "category",
        "duplicate-of",
        "programme",
        "released-text",
    ];
    routes.extend(verbs.map(|verb| ("POST", format!("/requests/{{id}}/{verb}"), WORKERS)));
    for figure in ["volume", "backlog", "promises", "delays", "cells"] {
        routes.push(("GET", format!("/statistics/{figure}"), ANALYSTS));
        routes.push(("GET", format!("/statistics/{figure}.csv"), ANALYSTS));
    }
    routes
}

on_both_databases! {
    async fn each_route_in_each_role(fresh: Fresh) {
        let house = House::open(&fresh).await;
        let unknown = house.call_as(Role::Portal, "GET", "/no-such-address", None, &[]).await.is(404).text;
        for (method, path, allowed) in routes() {
            let id = if path.starts_with("/persons") { PERSON } else { ID };
            let path = path.replace("{id}", id);
            let keyless = Request::builder().method(method).uri(format!("/api/v1{path}"));
            let keyless = house.send(keyless.body(Body::empty()).expect("a request")).await.is(401);
            assert_eq!(keyless.json()["code"], "key.missing", "{method} {path}");
            for role in Role::ALL {
                let answer = house.call_as(role, method, &path, None, &[]).await;
                assert_ne!(answer.status.as_u16(), 401, "{method} {path} as {role}");
                let forbidden = answer.status.as_u16() == 404 && answer.text == unknown;
                assert_eq!(forbidden, !allowed.contains(&role), "{method} {path} as {role}: {}", answer.text);
            }
        }
    }
}

/// Method, path, who may with a key, and whether anybody may without one.
const OPEN311: [(&str, &str, &[Role], bool); 11] = [
    ("GET", "/discovery.xml", &Role::ALL, true),
    ("GET", "/discovery.json", &Role::ALL, true),
    ("GET", "/services.xml", &Role::ALL, true),
    ("GET", "/services.json", &Role::ALL, true),
    ("GET", "/services/{file}", &Role::ALL, true),
    ("POST", "/requests.xml", SENDERS, false),
    ("POST", "/requests.json", SENDERS, false),
    ("GET", "/requests.xml", &Role::ALL, true),
    ("GET", "/requests.json", &Role::ALL, true),
    ("GET", "/requests/{file}", &Role::ALL, true),
    ("GET", "/tokens/{file}", &Role::ALL, true),
];

#[test]
fn the_tables_above_know_every_route() {
    let named = |routes: Vec<(axum::http::Method, &str)>| -> BTreeSet<_> {
        routes.iter().map(|(method, path)| format!("{method} {path}")).collect()
    };
    let native: BTreeSet<_> = routes().into_iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    assert_eq!(native, named(api::native_routes()));
    let open311: BTreeSet<_> = OPEN311.iter().map(|(method, path, ..)| format!("{method} {path}")).collect();
    assert_eq!(open311, named(api::open311_routes()));
}

on_both_databases! {
    async fn each_open311_route_in_each_role(fresh: Fresh) {
        let house = House::open(&fresh).await;
        for (method, path, allowed, keyless) in OPEN311 {
            let address = format!("/open311/v2{}?jurisdiction_id=ville.quebec.qc.ca", path.replace("{file}", "none.json"));
            let asked = async |key: Option<&str>| {
                let request = Request::builder().method(method).uri(&address);
                let request = request.header("content-type", "application/x-www-form-urlencoded");
                let request = key.into_iter().fold(request, |request, key| request.header("x-api-key", key));
                house.send(request.body(Body::empty()).expect("a request")).await.status.as_u16()
            };
            assert_eq!(asked(None).await != 403, keyless, "{method} {path} without a key");
            assert_eq!(asked(Some("gk_nothing_of_the_kind")).await, 403, "{method} {path} with an unknown key");
            for role in Role::ALL {
                let status = asked(Some(house.key("quebec", role))).await;
                assert_eq!(status != 403, allowed.contains(&role), "{method} {path} as {role}: {status}");
                assert_ne!(status, 500, "{method} {path} as {role}");
            }
            assert_eq!(asked(Some(house.key("levis", Admin))).await, 403, "{method} {path} with a key of another");
        }
    }

    async fn an_unknown_key_is_no_key(fresh: Fresh) {
        let house = House::open(&fresh).await;
        let request = Request::get("/api/v1/me").header("authorization", "Bearer gk_nothing_of_the_kind");
        let answer = house.send(request.body(Body::empty()).expect("a request")).await.is(401);
        assert_eq!(answer.json()["code"], "key.unknown");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }

    async fn another_organisation_sees_nothing(fresh: Fresh) {
        let house = House::open(&fresh).await;
        let id = house.submitted().await;
        let key = house.key("levis", Agent);
        let request = Request::get(format!("/api/v1/requests/{id}")).header("x-api-key", key);
        let of_another = house.send(request.body(Body::empty()).expect("a request")).await.is(404);
        let absent = house.call("GET", &format!("/requests/{ID}"), None, &[]).await.is(404);
        assert_eq!(of_another.text, absent.text, "absent and of another look alike");
    }
}
