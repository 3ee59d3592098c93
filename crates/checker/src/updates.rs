//! Since when the public may know what it knows of a request, folded from the log alone.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, FixedOffset};
use serde_json::Value;

use crate::deadlines::instant;

/// Of every stream, the latest instant of what is public, in Unix seconds, from each revision on.
#[derive(Debug, Default)]
pub struct Updates(HashMap<u32, BTreeMap<i64, i64>>);

impl Updates {
    pub(crate) fn follow(&mut self, stream: u32, revision: i64, kind: &str, payload: &[u8]) {
        // An internal note moves nothing that the public sees, and no soak writes notes.
        if !kind.starts_with("request.") || kind == "request.noted" {
            return;
        }
        let Some(at) = serde_json::from_slice(payload).ok().and_then(|payload: Value| instant(&payload["at"])) else {
            return;
        };
        let known = self.0.entry(stream).or_default();
        let before = known.last_key_value().map_or(i64::MIN, |(_, before)| *before);
        known.insert(revision, before.max(at.timestamp()));
    }

    /// Whether a request stood so at that revision or later. The public is told whole seconds.
    pub(crate) fn stood_since(&self, stream: u32, revision: i64, shown: DateTime<FixedOffset>) -> bool {
        let Some(known) = self.0.get(&stream) else { return false };
        let stood = known.range(..=revision).next_back().into_iter().chain(known.range(revision + 1..));
        stood.into_iter().any(|(_, at)| *at == shown.timestamp())
    }
}
