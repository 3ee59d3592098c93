//! `GET /me`: whose key this is.

use axum::Json;
use serde_json::{Value, json};

use crate::policy::Actor;

/// `GET /me`: the key's own id, its role, its organisation.
pub(super) async fn me(Actor(caller): Actor) -> Json<Value> {
    let rules = caller.organisation.rules();
    let organisation = &rules.latest().organisation;
    Json(json!({
        "key": caller.key,
        "role": caller.role,
        "organisation": {
            "slug": organisation.slug,
            "jurisdiction": organisation.jurisdiction,
            "name": organisation.name,
        },
    }))
}
