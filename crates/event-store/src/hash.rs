//! The chain: `docs/log-format.md`, in code. The verifier is written from that page and shares nothing with this file.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use crate::NewEvent;

const EVENT_TAG: &[u8; 16] = b"guichet-event-1\0";
const LOG_TAG: &[u8; 14] = b"guichet-log-1\0";

/// What the first event of a log is chained to. It binds the chain to its organisation.
pub fn genesis(slug: &str) -> [u8; 32] {
    Sha256::new().chain_update(LOG_TAG).chain_update(slug).finalize().into()
}

/// Where an event stands, for its hash.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) position: i64,
    pub(crate) stream: &'a str,
    pub(crate) revision: i64,
    pub(crate) recorded_at: DateTime<Utc>,
}

/// The hash of an event, from the digests of its payload and meta.
pub(crate) fn event_hash(
    previous: &[u8; 32],
    place: Place<'_>,
    event: &NewEvent,
    [payload, meta]: &[[u8; 32]; 2],
) -> [u8; 32] {
    let (stream, kind) = (place.stream.as_bytes(), event.kind.as_bytes());
    let mut header = Vec::with_capacity(52 + stream.len() + kind.len());
    header.extend_from_slice(&place.position.to_be_bytes());
    header.extend_from_slice(&place.revision.to_be_bytes());
    header.extend_from_slice(event.id.as_bytes());
    header.extend_from_slice(&event.schema.to_be_bytes());
    header.extend_from_slice(&place.recorded_at.timestamp_micros().to_be_bytes());
    for word in [stream, kind] {
        header.extend_from_slice(&(word.len() as u32).to_be_bytes());
        header.extend_from_slice(word);
    }
    Sha256::new()
        .chain_update(EVENT_TAG)
        .chain_update(previous)
        .chain_update((header.len() as u32).to_be_bytes())
        .chain_update(header)
        .chain_update(payload)
        .chain_update(meta)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn hex(bytes: &[u8]) -> String {
        use std::fmt::Write;
        bytes.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
            text
        })
    }

    #[test]
    fn the_worked_example_of_the_format_page_holds() {
        let event = NewEvent {
            id: Uuid::from_u128(7),
            kind: "request.submitted".to_owned(),
            schema: 1,
            payload: b"{}".to_vec(),
            meta: b"{}".to_vec(),
        };
        let recorded_at = DateTime::from_timestamp_micros(1_709_208_000_000_001).expect("in range");
        let place = Place { position: 1, stream: "request-0", revision: 0, recorded_at };
        let digest: [u8; 32] = Sha256::digest(b"{}").into();
        let hash = event_hash(&genesis("quebec"), place, &event, &[digest, digest]);

        let page = include_str!("../../../docs/log-format.md");
        assert!(page.contains(&format!("genesis        {}\n", hex(&genesis("quebec")))));
        assert!(page.contains(&format!("hash           {}\n", hex(&hash))));
    }
}
