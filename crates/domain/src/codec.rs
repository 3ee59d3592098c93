//! Events to bytes and back: `(kind, schema, payload)`. The only place that knows stored names.

use serde::{Deserialize, Serialize};

use crate::{access, contact, declaration::Declaration, ids::RequestId, number, person, promise, request, time::Instant, words::Code};

/// Every event of a log.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    Request(request::Event),
    Contact(contact::Event),
    Number(number::Event),
    Person(person::Event),
    Access(access::Event),
    Declaration(DeclarationEvent),
}

/// `declaration.*` in `declaration-<name>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeclarationEvent {
    Published {
        at: crate::time::Local,
        version: Code,
        /// Of the file's bytes, lowercase hexadecimal.
        sha256: String,
        text: String,
        rules: Box<Declaration>,
    },
}

/// A recorded event with where it stands: what projections and readers fold.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    pub position: i64,
    pub stream: String,
    pub revision: i64,
    pub id: uuid::Uuid,
    pub recorded_at: Instant,
    /// From the meta: `key_…` or `usr_…`.
    pub actor: String,
    pub body: Event,
}

#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("unknown kind {kind} schema {schema}")]
    UnknownKind { kind: String, schema: i32 },
    #[error("payload of {kind} schema {schema} does not read")]
    Payload { kind: String, schema: i32, #[source] source: serde_json::Error },
}

impl Event {
    /// The stored name: `request.submitted`, `promise.made`.
    pub fn kind(&self) -> &'static str {
        unimplemented!()
    }

    /// The stored shape's number; 1 for every kind today.
    pub fn schema(&self) -> i32 {
        1
    }

    /// The payload as JSON, personal fields as they are.
    pub fn payload(&self) -> serde_json::Value {
        unimplemented!()
    }

    pub fn decode(kind: &str, schema: i32, payload: &[u8]) -> Result<Self, DecodeError> {
        let _ = (kind, schema, payload);
        unimplemented!()
    }
}

impl From<promise::Event> for request::Event {
    fn from(event: promise::Event) -> Self {
        Self::Promise(event)
    }
}

#[allow(unused)]
fn _unused(_: RequestId) {}
