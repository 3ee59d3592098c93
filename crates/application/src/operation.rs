//! An operation: what makes a repeated request the same request.
//!
//! The store remembers keyed hashes alone, of door, API key and the client's own key, so that two portals never meet and
//! nothing of what they sent can be read back.

use event_store::Operation;
use vault::Vault;

/// How the caller names its operation.
#[derive(Clone)]
pub struct OperationKey {
    /// The door's name: the same key at two doors is two operations.
    pub door: &'static str,
    /// `Idempotency-Key`, `fixmystreet_id`, or the body where a door has neither.
    pub key: Vec<u8>,
    /// What was asked: the same key with another content is `operation_reused`. `None`: the key alone decides.
    pub content: Option<Vec<u8>>,
}

impl OperationKey {
    /// An `Idempotency-Key`, good for this content alone.
    pub fn idempotency(door: &'static str, key: &str, content: Vec<u8>) -> Self {
        Self { door, key: key.as_bytes().to_vec(), content: Some(content) }
    }

    /// A foreign system's own id of what it reports: whatever comes with it again, it was reported before.
    pub fn report(door: &'static str, id: &str) -> Self {
        Self { door, key: id.as_bytes().to_vec(), content: None }
    }

    pub(crate) fn hashed(&self, vault: &Vault, actor: &str) -> Operation {
        // What a report's id is compared with is not what an `Idempotency-Key` is compared with.
        let kind: &[u8] = if self.content.is_some() { b"key" } else { b"report" };
        let parts = [self.door.as_bytes(), actor.as_bytes(), kind, &self.key];
        Operation {
            id: vault.operation_hash(&[b"operation", parts[0], parts[1], parts[2], parts[3]]),
            fingerprint: self.content.as_ref().map(|content| vault.operation_hash(&[b"content", content])),
        }
    }
}
