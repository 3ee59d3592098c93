//! Since when the public may know what it knows of a request, folded from the log alone.

use std::collections::HashMap;

use chrono::{DateTime, FixedOffset};
use serde::Deserialize;
use serde_json::Value;

use crate::deadlines::instant;

/// Of every stream, the latest instant of what is public, in Unix seconds, from each revision on: revisions ascend.
#[derive(Debug, Default)]
pub struct Updates(HashMap<u32, Vec<(i64, i64)>>);

#[derive(Deserialize)]
struct Public {
    at: Value,
    visibility: Option<String>,
}

impl Updates {
    pub(crate) fn follow(&mut self, stream: u32, revision: i64, kind: &str, payload: &[u8]) {
        if !kind.starts_with("request.") {
            return;
        }
        let Ok(Public { at, visibility }) = serde_json::from_slice(payload) else { return };
        // An internal note moves nothing that the public sees.
        let Some(at) = instant(&at).filter(|_| visibility.is_none_or(|seen| seen != "internal")) else { return };
        let known = self.0.entry(stream).or_default();
        let before = known.last().map_or(i64::MIN, |(_, before)| *before);
        known.push((revision, before.max(at.timestamp())));
    }

    /// Whether a request stood so at that revision or later. The public is told whole seconds.
    pub(crate) fn stood_since(&self, stream: u32, revision: i64, shown: DateTime<FixedOffset>) -> bool {
        let Some(known) = self.0.get(&stream) else { return false };
        let first = known.partition_point(|(known, _)| *known <= revision).saturating_sub(1);
        known[first..].iter().any(|(_, at)| *at == shown.timestamp())
    }
}
