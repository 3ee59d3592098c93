//! Personal fields on their way into the log and out of it.
//!
//! An event is written as JSON in which each personal value reads `{"$plain": …}`. Sealing replaces every one of them
//! by `{"$sealed": …}` under the key of its subject; an event in which one remains is never appended. Pure but for the
//! key, which arrives as an argument.

use base64::{Engine, engine::general_purpose::STANDARD};
use domain::personal::Sealed;
use serde_json::{Map, Value};
use uuid::Uuid;
use vault::{Envelope, Place, SubjectKey};

const PLAIN: &str = "$plain";
const SEALED: &str = "$sealed";

/// A personal value would have been written in clear.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a personal value at {path} is not sealed")]
pub struct Unsealed {
    pub path: String,
}

/// The sealed value does not read, was altered, or was moved from where it was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed value was altered")]
pub struct Altered;

/// Whether the event holds anything that has to be sealed.
pub fn holds_plain(payload: &Value) -> bool {
    match payload {
        Value::Object(fields) => fields.contains_key(PLAIN) || fields.values().any(holds_plain),
        Value::Array(items) => items.iter().any(holds_plain),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Seals every plain value of an event's payload, where it stands.
pub fn seal(payload: &mut Value, key: &SubjectKey, stream: &str, event: Uuid) {
    walk(payload, &mut String::new(), &mut |path, plain| {
        let place = Place { stream, event, path };
        let envelope = key.seal(place, plain.to_string().as_bytes());
        sealed_json(stream, event, path, &envelope)
    });
}

/// The bytes to append; refused while a plain value remains.
pub fn bytes(payload: &Value) -> Result<Vec<u8>, Unsealed> {
    let mut remaining = None;
    find_plain(payload, &mut String::new(), &mut remaining);
    match remaining {
        Some(path) => Err(Unsealed { path }),
        None => Ok(payload.to_string().into_bytes()),
    }
}

/// The value that was sealed, with the key it names.
pub fn open(sealed: &Sealed, key: &SubjectKey) -> Result<Value, Altered> {
    let nonce = STANDARD.decode(&sealed.nonce).map_err(|_| Altered)?.try_into().map_err(|_| Altered)?;
    let ciphertext = STANDARD.decode(&sealed.ciphertext).map_err(|_| Altered)?;
    let place = Place { stream: &sealed.stream, event: sealed.event, path: &sealed.path };
    let plain = key.open(place, &Envelope { key: sealed.key, nonce, ciphertext }).map_err(|_| Altered)?;
    serde_json::from_slice(&plain).map_err(|_| Altered)
}

fn sealed_json(stream: &str, event: Uuid, path: &str, envelope: &Envelope) -> Value {
    let sealed = Sealed {
        key: envelope.key,
        stream: stream.to_owned(),
        event,
        path: path.to_owned(),
        nonce: STANDARD.encode(envelope.nonce),
        ciphertext: STANDARD.encode(&envelope.ciphertext),
    };
    let sealed = serde_json::to_value(sealed).expect("text and ids are always JSON");
    Value::Object(Map::from_iter([(SEALED.to_owned(), sealed)]))
}

/// Calls `replace` for each `{"$plain": value}`, with its path, and puts there what it gives.
fn walk(value: &mut Value, path: &mut String, replace: &mut impl FnMut(&str, &Value) -> Value) {
    match value {
        Value::Object(fields) if fields.len() == 1 && fields.contains_key(PLAIN) => {
            *value = replace(path, &fields[PLAIN]);
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                step(path, name, |path| walk(field, path, replace));
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                step(path, &index.to_string(), |path| walk(item, path, replace));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn find_plain(value: &Value, path: &mut String, found: &mut Option<String>) {
    match value {
        Value::Object(fields) if fields.contains_key(PLAIN) => *found = Some(path.clone()),
        Value::Object(fields) => {
            for (name, field) in fields {
                step(path, name, |path| find_plain(field, path, found));
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                step(path, &index.to_string(), |path| find_plain(item, path, found));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn step(path: &mut String, name: &str, then: impl FnOnce(&mut String)) {
    let length = path.len();
    path.push('/');
    path.push_str(name);
    then(path);
    path.truncate(length);
}
