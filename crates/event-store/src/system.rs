//! The store's own events: deletions are events too.
//!
//! A truncation is `$metadata` on the metastream `$$<stream>`, its payload `{"$tb":N}`; a tombstone is `$tombstone` on the stream
//! itself. Both hide events from stream reads and never from log reads.

use uuid::Uuid;

use crate::NewEvent;

pub(crate) const METADATA: &str = "$metadata";
pub(crate) const TOMBSTONE: &str = "$tombstone";

const SCHEMA: i32 = 1;

pub(crate) fn metastream(stream: &str) -> String {
    format!("$${stream}")
}

/// The stream that a metastream speaks of.
pub(crate) fn subject(metastream: &str) -> Option<&str> {
    metastream.strip_prefix("$$")
}

pub(crate) fn truncated(id: Uuid, before: i64, meta: Vec<u8>) -> NewEvent {
    let payload = format!(r#"{{"$tb":{before}}}"#).into_bytes();
    NewEvent { id, kind: METADATA.to_owned(), schema: SCHEMA, payload, meta }
}

pub(crate) fn tombstoned(id: Uuid, meta: Vec<u8>) -> NewEvent {
    NewEvent { id, kind: TOMBSTONE.to_owned(), schema: SCHEMA, payload: b"{}".to_vec(), meta }
}

/// The first revision that a truncation leaves visible.
pub(crate) fn truncation(payload: &[u8]) -> Option<i64> {
    let payload: serde_json::Value = serde_json::from_slice(payload).ok()?;
    payload.get("$tb")?.as_i64().filter(|before| *before >= 0)
}
