//! Who may call what, written out a second time: every route of the native door in every role.
//!
//! Without a key: 401. With a key whose role may not: what an unknown address gets. Ids are of nothing, so a role that
//! may gets past the guard and then something else.

use std::collections::BTreeSet;

use application::Role::{self, Admin, Agent, Analyst, Auditor};
use axum::{body::Body, http::Request};

use crate::harness::house;

const ID: &str = "req_00000000000040008000000000000000";
const PERSON: &str = "per_00000000000040008000000000000000";

const WORKERS: &[Role] = &[Agent, Admin];
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

#[test]
fn each_route_in_each_role() {
    house(async |house| {
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
    });
}

#[test]
fn the_table_above_knows_every_route() {
    let known: BTreeSet<_> = routes().into_iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    let served: BTreeSet<_> = api::native_routes().iter().map(|(method, path)| format!("{method} {path}")).collect();
    assert_eq!(known, served);
}

#[test]
fn an_unknown_key_is_no_key() {
    house(async |house| {
        let request = Request::get("/api/v1/me").header("authorization", "Bearer gk_nothing_of_the_kind");
        let answer = house.send(request.body(Body::empty()).expect("a request")).await.is(401);
        assert_eq!(answer.json()["code"], "key.unknown");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    });
}

#[test]
fn another_organisation_sees_nothing() {
    house(async |house| {
        let id = house.submitted().await;
        let key = house.key("levis", Agent);
        let request = Request::get(format!("/api/v1/requests/{id}")).header("x-api-key", key);
        let of_another = house.send(request.body(Body::empty()).expect("a request")).await.is(404);
        let absent = house.call("GET", &format!("/requests/{ID}"), None, &[]).await.is(404);
        assert_eq!(of_another.text, absent.text, "absent and of another look alike");
    });
}
