//! Payloads of the log. They were written by this program, by an older one, or by whoever may write to the tables.

use std::{fs, path::Path};

use domain::{
    codec::{Event, KINDS, Recorded},
    decider::Decider,
    request::Request,
};
use fuzz::{Document, Nearly};
use uuid::Uuid;

/// The golden file of every kind, its kind on the line before it.
fn golden() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../domain/golden");
    let sample = |kind: &&str| {
        let payload = fs::read(folder.join(format!("{kind}.1.json"))).expect("a golden file of every kind");
        [kind.as_bytes(), b"\n", &payload].concat()
    };
    KINDS.iter().map(sample).collect()
}

fn parts(document: &Document) -> (String, &[u8]) {
    let bytes = document.bytes();
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    (String::from_utf8_lossy(&bytes[..end]).into_owned(), bytes.get(end + 1..).unwrap_or_default())
}

#[test]
fn a_payload_that_reads_is_written_as_it_reads() {
    fuzz::check!().with_generator(Nearly::of(golden())).for_each(|document: &Document| {
        let (kind, payload) = parts(document);
        let Ok(event) = Event::decode(&kind, 1, payload) else { return };
        assert_eq!(event.kind(), kind);
        let written = event.payload().to_string();
        let again = Event::decode(&kind, event.schema(), written.as_bytes()).expect("what was written reads");
        assert_eq!(again, event);
        assert_eq!(again.payload().to_string(), written, "equal events have equal bytes");
        assert!(Event::decode(&kind, 2, payload).is_err(), "a shape that nobody knows");
    });
}

#[test]
fn whatever_reads_can_be_folded() {
    let submitted =
        golden().into_iter().find_map(|sample| sample.strip_prefix(b"request.submitted\n").map(<[u8]>::to_vec));
    let submitted = submitted.expect("a submission");
    let submitted = Event::decode("request.submitted", 1, &submitted).expect("a golden file reads");
    fuzz::check!().with_generator(Nearly::of(golden())).for_each(|document: &Document| {
        let (kind, payload) = parts(document);
        let (Event::Request(first), Ok(Event::Request(event))) = (&submitted, Event::decode(&kind, 1, payload)) else {
            return;
        };
        let state = Request::evolve(Request::initial(), &event);
        let state = Request::evolve(state, first);
        let _ = Request::evolve(Request::evolve(state, &event), &event);
    });
}

#[test]
fn a_record_reads_or_says_why_not() {
    let meta = r#"{"actor":"usr_1","operation":"00","causation":"00000000-0000-0000-0000-000000000000"}"#;
    fuzz::check!().with_generator(Nearly::of([meta])).for_each(|document: &Document| {
        let read = |meta: &[u8]| {
            let at = chrono::DateTime::UNIX_EPOCH;
            let payload = br#"{"at":"2026-11-18T10:00:00-05:00"}"#;
            Recorded::decode(1, String::new(), 0, Uuid::nil(), at, "request.started", 1, payload, meta)
        };
        if let Ok(record) = read(document.bytes()) {
            let meta = domain::codec::Meta { actor: record.actor.clone(), operation: None, causation: None };
            assert_eq!(read(&meta.to_bytes()).expect("what was written reads").actor, record.actor);
        }
    });
}
