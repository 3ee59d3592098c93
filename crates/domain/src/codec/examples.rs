//! Stored shapes never change. `golden/<kind>.<schema>.json` holds one of each; those files are only added, never
//! edited: what was once written is read for ever.

use std::{collections::BTreeSet, fs, path::PathBuf};

use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{DecodeError, Event, KINDS, Meta, Recorded, samples::samples};
use crate::arbitrary;

fn golden() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "golden"].iter().collect()
}

fn bytes(event: &Event) -> Vec<u8> {
    event.payload().to_string().into_bytes()
}

fn decode(event: &Event) -> Event {
    Event::decode(event.kind(), event.schema(), &bytes(event)).expect("what was written reads")
}

/// Whether everything in `old` stands in `new`: a shape may gain fields that default.
fn contains(new: &Value, old: &Value) -> bool {
    match (new, old) {
        (Value::Object(new), Value::Object(old)) => {
            old.iter().all(|(key, old)| new.get(key).is_some_and(|new| contains(new, old)))
        }
        (Value::Array(new), Value::Array(old)) => {
            new.len() == old.len() && new.iter().zip(old).all(|(new, old)| contains(new, old))
        }
        (new, old) => new == old,
    }
}

#[test]
fn there_is_a_sample_and_a_golden_file_of_every_kind() {
    assert!(KINDS.is_sorted(), "kinds are found by bisection");
    let kinds: BTreeSet<_> = samples().iter().map(Event::kind).collect();
    assert_eq!(kinds, BTreeSet::from(KINDS));
    for sample in samples() {
        let file = golden().join(format!("{}.{}.json", sample.kind(), sample.schema()));
        let stored = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let stored: Value = serde_json::from_str(&stored).expect("JSON");
        assert!(contains(&sample.payload(), &stored), "{} is no longer written as before", sample.kind());
    }
}

#[test]
fn every_golden_file_reads_for_ever() {
    for file in fs::read_dir(golden()).expect("the golden files") {
        let path = file.expect("a golden file").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        let (kind, schema) = name.rsplit_once('.').expect("<kind>.<schema>.json");
        let stored = fs::read(&path).expect("a golden file");
        let event = Event::decode(kind, schema.parse().expect("a number"), &stored)
            .unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(event.kind(), kind);
        assert!(samples().contains(&event), "{name} reads as something else");
    }
}

#[test]
fn a_kind_is_its_aggregate_and_the_variant_s_stored_name() {
    for sample in samples() {
        assert_eq!(decode(&sample), sample);
    }
}

#[test]
fn what_is_not_known_is_an_error_with_its_name() {
    for (kind, schema) in
        [("request.eaten", 1), ("request", 1), ("request.started", 2), ("request.promise", 1), ("", 1)]
    {
        let unknown = Event::decode(kind, schema, b"{}");
        assert!(matches!(unknown, Err(DecodeError::UnknownKind { kind: k, schema: s }) if k == kind && s == schema));
    }
}

#[test]
fn a_payload_that_does_not_read_is_an_error() {
    let at = r#"{"at":"2026-11-18T10:00:00-05:00""#;
    for payload in [String::new(), "{}".to_owned(), "null".to_owned(), at.to_owned(), format!("{at}}} {{}}")] {
        let payload = payload.as_bytes();
        assert!(matches!(Event::decode("request.started", 1, payload), Err(DecodeError::Payload { .. })));
    }
    let later = format!("{at},\"added_later\":1}}");
    assert!(Event::decode("request.started", 1, later.as_bytes()).is_ok(), "an older program skips a newer field");
}

#[test]
fn a_record_reads_with_who_wrote_it() {
    let sample = &samples()[1];
    let meta = Meta { actor: "usr_1".to_owned(), operation: None, causation: Some(Uuid::nil()) };
    let stored = json!({ "actor": "usr_1", "causation": Uuid::nil() });
    assert_eq!(serde_json::from_slice::<Value>(&meta.to_bytes()).expect("JSON"), stored);
    let recorded = |meta: &[u8]| {
        let (id, at) = (Uuid::nil(), "2026-11-18T15:00:00Z".parse().expect("an instant"));
        Recorded::decode(7, "request-1".to_owned(), 0, id, at, sample.kind(), 1, &bytes(sample), meta)
    };
    let record = recorded(&meta.to_bytes()).expect("a record");
    assert_eq!((record.position, record.actor.as_str(), &record.body), (7, "usr_1", sample));
    assert!(matches!(recorded(b"{}"), Err(DecodeError::Meta { .. })));
}

#[test]
fn the_catalogue_describes_every_kind_and_every_field() {
    let catalogue = include_str!("../../../../docs/event-catalogue.md");
    let fields_of = |kind: &str, schema: i32| -> Option<&str> {
        let mut rows = catalogue.lines().map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
        let row = rows.find(|row| row.get(1..3) == Some(&[&*format!("`{kind}`"), &*schema.to_string()]))?;
        row.get(3).copied()
    };
    for sample in samples() {
        let described = fields_of(sample.kind(), sample.schema()).unwrap_or_else(|| panic!("no {}", sample.kind()));
        let described: BTreeSet<_> =
            described.split('`').skip(1).step_by(2).map(|field| field.trim_end_matches('?').to_owned()).collect();
        let Value::Object(payload) = sample.payload() else { panic!("{} is no object", sample.kind()) };
        assert_eq!(described, payload.keys().cloned().collect(), "{}", sample.kind());
    }
}

proptest! {
    #[test]
    fn whatever_is_written_reads_back(event in arbitrary::event()) {
        prop_assert_eq!(decode(&event), event);
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(kind in proptest::sample::select(KINDS.to_vec()), payload: Vec<u8>) {
        let _ = Event::decode(kind, 1, &payload);
    }
}
