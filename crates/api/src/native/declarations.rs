//! `GET /declarations`: what the organisation has published (S2-33), version after version.

use axum::Json;
use domain::{declaration::Declaration, promise::Standard};
use serde_json::{Value, json};

use crate::policy::Actor;

/// `GET /declarations`: every version, the newest first, with its standards and who may be promised them.
pub(super) async fn list(Actor(caller): Actor) -> Json<Value> {
    let rules = caller.organisation.rules();
    let in_force = &rules.in_force(caller.organisation.now()).version;
    let items: Vec<Value> =
        rules.versions().iter().rev().map(|known| declaration(known, known.version == *in_force)).collect();
    Json(json!({ "items": items }))
}

fn declaration(known: &Declaration, in_force: bool) -> Value {
    let product = |product: &domain::declaration::Product| {
        json!({ "code": product.code, "label": product.label, "unit": product.unit, "standards": product.standards,
            "precisions": product.precisions })
    };
    json!({
        "version": known.version,
        "in_force": in_force,
        "effective_from": known.effective_from,
        "effective_until": known.effective_until,
        "source": known.source,
        "channels": known.channels,
        "units": known.units,
        "areas": known.areas,
        "standards": known.standards.iter().map(standard).collect::<Vec<_>>(),
        "products": known.products.iter().map(product).collect::<Vec<_>>(),
        "refusal_reasons": known.refusal_reasons,
        "programmes": known.programmes,
    })
}

fn standard(standard: &Standard) -> Value {
    json!({
        "code": standard.code,
        "label": standard.label,
        "matter": standard.matter,
        "milestone": standard.milestone,
        "duration": standard.duration,
        "pauses": standard.pauses,
        "extends": standard.extends,
        "target_percent": standard.target_percent,
        "source": standard.source,
    })
}
