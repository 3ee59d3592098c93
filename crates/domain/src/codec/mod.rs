//! Events to bytes and back: `(kind, schema, payload)`. The only place that knows stored names.
//!
//! A kind is `<aggregate>.<past>`; its second half is the name of the enum's variant as serde writes it, and the
//! payload is that variant's fields. Decoding reads the bytes straight into the event: a replay decodes every
//! event of a log, so no intermediate tree is built. What changes a stored shape is told in
//! `docs/decisions/0007-event-evolution.md`; every kind is described in `docs/event-catalogue.md`.

#[cfg(test)]
mod examples;
#[cfg(test)]
mod samples;

use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, VariantAccess, Visitor},
};
use serde_json::de::SliceRead;
use uuid::Uuid;

use crate::{
    access, contact,
    declaration::Declaration,
    number, person, promise, request,
    time::{Instant, Local},
    words::Code,
};

/// Every event of a log.
#[expect(clippy::large_enum_variant, reason = "a person's events are few, and a box would stand in every pattern")]
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
        at: Local,
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
    pub id: Uuid,
    pub recorded_at: Instant,
    /// From the meta: `key_…` or `usr_…`.
    pub actor: String,
    pub body: Event,
}

/// What stands beside a payload: who wrote it, and because of what. Holds nothing personal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// `key_…` or `usr_…`, never a name.
    pub actor: String,
    /// The operation that wrote it, as the store knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// The event that led to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation: Option<Uuid>,
}

#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("unknown kind {kind} schema {schema}")]
    UnknownKind { kind: String, schema: i32 },
    #[error("payload of {kind} schema {schema} does not read")]
    Payload {
        kind: String,
        schema: i32,
        #[source]
        source: serde_json::Error,
    },
    #[error("meta of {kind} does not read")]
    Meta {
        kind: String,
        #[source]
        source: serde_json::Error,
    },
}

/// Every stored kind, sorted. Names are for ever: this list only grows.
pub const KINDS: [&str; 34] = [
    "access.opened",
    "contact.directed_to_911",
    "declaration.published",
    "number.reserved",
    "person.details_added",
    "person.merged",
    "person.registered",
    "person.unmerged",
    "promise.extended",
    "promise.kept",
    "promise.made",
    "promise.missed",
    "promise.paused",
    "promise.released",
    "promise.resumed",
    "request.answered",
    "request.assigned",
    "request.cancelled",
    "request.interim_answered",
    "request.linked_as_duplicate",
    "request.noted",
    "request.planned",
    "request.recategorised",
    "request.refused",
    "request.reopened",
    "request.resolved",
    "request.started",
    "request.submitted",
    "request.text_released",
    "request.transferred",
    "request.triaged",
    "request.unlinked",
    "request.waiting_ended",
    "request.waiting_started",
];

/// The stored shape's number; 1 for every kind today.
const SCHEMA: i32 = 1;

impl Event {
    /// The stored name: `request.submitted`, `promise.made`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Request(event) => event.kind(),
            Self::Contact(contact::Event::DirectedTo911 { .. }) => "contact.directed_to_911",
            Self::Number(number::Event::Reserved { .. }) => "number.reserved",
            Self::Person(event) => event.kind(),
            Self::Access(access::Event::Opened { .. }) => "access.opened",
            Self::Declaration(DeclarationEvent::Published { .. }) => "declaration.published",
        }
    }

    /// The stored shape's number.
    pub fn schema(&self) -> i32 {
        SCHEMA
    }

    /// The payload as JSON, personal fields as they are. Equal events have equal bytes.
    pub fn payload(&self) -> serde_json::Value {
        match self {
            Self::Request(request::Event::Promise(event)) => fields(event),
            Self::Request(event) => fields(event),
            Self::Contact(event) => fields(event),
            Self::Number(event) => fields(event),
            Self::Person(event) => fields(event),
            Self::Access(event) => fields(event),
            Self::Declaration(event) => fields(event),
        }
    }

    pub fn decode(kind: &str, schema: i32, payload: &[u8]) -> Result<Self, DecodeError> {
        let unknown = || DecodeError::UnknownKind { kind: kind.to_owned(), schema };
        if schema != SCHEMA || KINDS.binary_search(&kind).is_err() {
            return Err(unknown());
        }
        let (aggregate, variant) = kind.split_once('.').ok_or_else(unknown)?;
        match aggregate {
            "request" => read(variant, payload).map(Self::Request),
            "promise" => read(variant, payload).map(|event| Self::Request(request::Event::Promise(event))),
            "contact" => read(variant, payload).map(Self::Contact),
            "number" => read(variant, payload).map(Self::Number),
            "person" => read(variant, payload).map(Self::Person),
            "access" => read(variant, payload).map(Self::Access),
            "declaration" => read(variant, payload).map(Self::Declaration),
            _ => return Err(unknown()),
        }
        .map_err(|source| DecodeError::Payload { kind: kind.to_owned(), schema, source })
    }
}

impl Recorded {
    /// A stored record as the domain reads it.
    #[expect(clippy::too_many_arguments, reason = "they are the columns of a record, which only its caller names")]
    pub fn decode(
        position: i64,
        stream: String,
        revision: i64,
        id: Uuid,
        recorded_at: Instant,
        kind: &str,
        schema: i32,
        payload: &[u8],
        meta: &[u8],
    ) -> Result<Self, DecodeError> {
        let body = Event::decode(kind, schema, payload)?;
        let Meta { actor, .. } =
            serde_json::from_slice(meta).map_err(|source| DecodeError::Meta { kind: kind.to_owned(), source })?;
        Ok(Self { position, stream, revision, id, recorded_at, actor, body })
    }
}

impl Meta {
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and a UUID are always JSON")
    }
}

macro_rules! lift {
    ($($variant:ident($event:ty)),+ $(,)?) => {
        $(impl From<$event> for Event {
            fn from(event: $event) -> Self {
                Self::$variant(event)
            }
        })+
    };
}

lift!(
    Request(request::Event),
    Contact(contact::Event),
    Number(number::Event),
    Person(person::Event),
    Access(access::Event),
    Declaration(DeclarationEvent),
);

impl From<promise::Event> for request::Event {
    fn from(event: promise::Event) -> Self {
        Self::Promise(event)
    }
}

/// The fields of the variant: what serde writes as `{"<variant>": {…}}`, without the name, which is in the kind.
fn fields(event: &impl Serialize) -> serde_json::Value {
    match serde_json::to_value(event).expect("events hold nothing that JSON cannot say") {
        serde_json::Value::Object(tagged) => {
            tagged.into_iter().next().map_or(serde_json::Value::Null, |(_, body)| body)
        }
        other => other,
    }
}

/// Reads the variant named `variant` out of its fields alone.
fn read<T: DeserializeOwned>(variant: &str, payload: &[u8]) -> Result<T, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_slice(payload);
    let event = T::deserialize(Tagged { variant, json: &mut json })?;
    json.end()?;
    Ok(event)
}

/// An externally tagged enum whose tag stands outside the JSON. Asked for an enum, it offers `variant`, then the
/// payload as its content; it is asked for nothing else, since every event is an enum.
struct Tagged<'a, 'de> {
    variant: &'a str,
    json: &'a mut serde_json::Deserializer<SliceRead<'de>>,
}

impl<'de> Deserializer<'de> for Tagged<'_, 'de> {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_enum(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> EnumAccess<'de> for Tagged<'_, 'de> {
    type Error = serde_json::Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Self::Error> {
        Ok((seed.deserialize(self.variant.into_deserializer())?, self))
    }
}

impl<'de> VariantAccess<'de> for Tagged<'_, 'de> {
    type Error = serde_json::Error;

    fn unit_variant(self) -> Result<(), Self::Error> {
        Deserialize::deserialize(self.json)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Self::Error> {
        seed.deserialize(self.json)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Self::Error> {
        self.json.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.json.deserialize_struct("event", fields, visitor)
    }
}
