//! A good log made by hand, and one damage after the other.

use super::*;

pub(crate) const EPOCH: &[u8] = b"00000000-0000-0000-0000-0000000000e0";

/// Gives events the hashes that they should have, and makes the head that belongs to them.
pub(crate) fn chain(slug: &str, events: &mut [EventRow]) -> HeadRow {
    let first = |row: &EventRow| Some((row.position, String::from_utf8(row.name.clone()?).ok()?));
    let names: HashMap<i64, String> = events.iter().filter_map(first).collect();
    let mut verifier = Verifier::new(slug);
    for row in &mut *events {
        let kind = String::from_utf8(row.kind.clone()).expect("UTF-8");
        let stream = names.get(&row.stream).cloned().unwrap_or_default();
        let (id, at) = (uuid(&row.id).unwrap_or_default(), instant(&row.recorded_at).unwrap_or_default());
        row.hash = verifier.hash(row, &stream, &kind, id, at).expect("its numbers fit").to_vec();
        verifier.previous.clone_from(&row.hash);
    }
    let last = events.last().expect("there are events");
    let (hash, recorded_at) = (last.hash.clone(), last.recorded_at.clone());
    HeadRow { epoch: EPOCH.to_vec(), position: last.position, hash, recorded_at }
}

/// The tables of a small log: two streams, one of them truncated and ended.
#[derive(Clone)]
struct Tables {
    directory: Vec<DirectoryRow>,
    heads: Vec<HeadRow>,
    events: Vec<EventRow>,
    streams: Vec<StreamRow>,
    operations: Vec<OperationRow>,
}

fn event(position: i64, stream: (i64, &str), revision: i64, kind: &str, payload: &str) -> EventRow {
    EventRow {
        position,
        stream: stream.0,
        name: (revision == 0).then(|| stream.1.into()),
        revision,
        id: format!("00000000-0000-0000-0000-{position:012}").into_bytes(),
        kind: kind.into(),
        schema: 1,
        payload: payload.into(),
        meta: b"{}".to_vec(),
        recorded_at: format!("2024-02-29T12:00:00.{position:06}Z").into_bytes(),
        hash: Vec::new(),
    }
}

impl Tables {
    fn good() -> Self {
        let events = vec![
            event(1, (1, "request-0"), 0, "request.submitted", "{}"),
            event(2, (2, "request-1"), 0, "request.submitted", "{}"),
            event(3, (1, "request-0"), 1, "request.started", "{}"),
            event(4, (4, "$$request-0"), 0, "$metadata", r#"{"$tb":1}"#),
            event(5, (2, "request-1"), 1, "$tombstone", "{}"),
        ];
        let row = |name: &str, first, truncated_before, tombstoned| StreamRow {
            name: name.into(),
            first,
            truncated_before,
            tombstoned,
        };
        let operation =
            |byte: u8, first, last| OperationRow { id: vec![byte; 32], fingerprint: Some(vec![7; 32]), first, last };
        let mut tables = Self {
            directory: vec![DirectoryRow { log: 1, epoch: EPOCH.to_vec() }],
            heads: vec![],
            events,
            streams: vec![row("request-0", 1, 1, false), row("request-1", 2, 0, true), row("$$request-0", 4, 0, false)],
            operations: vec![operation(1, 1, 1), operation(2, 2, 3)],
        };
        tables.chain();
        tables
    }

    /// Computes every hash again, as whoever may write to the tables could.
    fn chain(&mut self) {
        self.heads = vec![chain("quebec", &mut self.events)];
    }

    fn verified(self) -> Log {
        let mut verifier = Verifier::new("quebec");
        verifier.directory(self.directory, self.heads);
        self.events.into_iter().for_each(|row| verifier.event(row));
        self.streams.into_iter().for_each(|row| verifier.stream(row));
        self.operations.into_iter().for_each(|row| verifier.operation(row));
        verifier.finish()
    }
}

#[test]
fn the_worked_example_of_the_page_has_the_hash_of_the_page() {
    let mut row = event(1, (1, "request-0"), 0, "request.submitted", "{}");
    row.id = b"00000000-0000-0000-0000-000000000007".to_vec();
    let verifier = Verifier::new("quebec");
    assert_eq!(hex(&verifier.previous), "1339593334047fa60007ec0198aa578b2ba4a02ccb220d18d8438f6188b2420c");
    let (id, at) = (uuid(&row.id).expect("an id"), instant(&row.recorded_at).expect("an instant"));
    assert_eq!(at, 1_709_208_000_000_001);
    let hash = verifier.hash(&row, "request-0", "request.submitted", id, at).expect("its numbers fit");
    assert_eq!(hex(&hash), "69291b4b1dfc18b95a5c53b99528b351cb49d4095cd265dd1ab4c0a0b387a422");
}

#[test]
fn a_good_log_verifies() {
    let log = Tables::good().verified();
    assert_eq!(log.findings, Vec::<String>::new());
    assert_eq!(log.head(), 5);
    assert_eq!(log.stream_of(&log.events[2]).name, "request-0");
}

#[test]
fn an_empty_log_verifies() {
    let mut tables = Tables::good();
    let genesis = Verifier::new("quebec").previous;
    tables.heads[0] = HeadRow {
        epoch: EPOCH.to_vec(),
        position: 0,
        hash: genesis,
        recorded_at: b"1970-01-01T00:00:00.000000Z".to_vec(),
    };
    (tables.events, tables.streams, tables.operations) = (vec![], vec![], vec![]);
    assert_eq!(tables.verified().findings, Vec::<String>::new());
}

/// A damage, and whether whoever did it computed the chain again.
type Damage = (&'static str, fn(&mut Tables), bool);

#[test]
fn every_damage_is_found() {
    let damages: [Damage; 34] = [
        ("another log is named", |tables| tables.directory.clear(), false),
        ("there is no head", |tables| tables.heads.clear(), false),
        ("another epoch", |tables| tables.heads[0].epoch[0] = b'1', false),
        ("the head is behind", |tables| tables.heads[0].position = 4, false),
        ("the head has another hash", |tables| tables.heads[0].hash[0] ^= 1, false),
        ("the head has another instant", |tables| tables.heads[0].recorded_at[26 - 1] = b'9', false),
        ("the tail is cut and the head is not", |tables| drop(tables.events.pop()), false),
        ("a hole", |tables| drop(tables.events.remove(2)), true),
        ("two events change places", |tables| tables.events.swap(1, 2), true),
        ("a payload", |tables| tables.events[1].payload = b"{ }".to_vec(), false),
        ("a meta", |tables| tables.events[1].meta = b"{ }".to_vec(), false),
        ("a kind", |tables| tables.events[1].kind[0] = b'R', false),
        ("a schema", |tables| tables.events[1].schema = 2, false),
        ("an id", |tables| tables.events[1].id[35] = b'9', false),
        ("the case of an id", |tables| tables.events[1].id = b"00000000-0000-0000-0000-00000000000A".to_vec(), true),
        ("a hash", |tables| tables.events[1].hash[0] ^= 1, false),
        ("a short hash", |tables| tables.events[1].hash.truncate(31), false),
        ("the name of a stream", |tables| tables.events[1].name = Some(b"request-2".to_vec()), false),
        ("no name", |tables| tables.events[1].name = None, true),
        ("a name where none belongs", |tables| tables.events[2].name = Some(b"request-0".to_vec()), true),
        ("a stream that begins elsewhere", |tables| tables.events[1].stream = 1, true),
        ("a stream that begins nowhere", |tables| tables.events[2].stream = 9, true),
        ("a stream that begins twice", |tables| tables.events[1].name = Some(b"request-0".to_vec()), true),
        ("a revision too many", |tables| tables.events[2].revision = 2, true),
        ("time goes back", |tables| tables.events[2].recorded_at = tables.events[0].recorded_at.clone(), true),
        ("no such day", |tables| tables.events[2].recorded_at = b"2023-02-29T12:00:00.000003Z".to_vec(), true),
        ("an id twice in a stream", |tables| tables.events[2].id = tables.events[0].id.clone(), true),
        (
            "an event after a tombstone",
            |tables| {
                let mut late = event(6, (2, "request-1"), 2, "request.started", "{}");
                late.recorded_at = tables.events[4].recorded_at.clone();
                tables.events.push(late);
            },
            true,
        ),
        ("a reserved kind", |tables| tables.events[2].kind = b"$request".to_vec(), true),
        ("a truncation past the end", |tables| tables.events[3].payload = br#"{"$tb":3}"#.to_vec(), true),
        ("a stream without a row", |tables| drop(tables.streams.remove(0)), false),
        ("a stream's row that says another first event", |tables| tables.streams[0].first = 2, false),
        ("an operation past the log", |tables| tables.operations[1].last = 9, false),
        ("operations that overlap", |tables| tables.operations[0].last = 2, false),
    ];
    for (name, damage, again) in damages {
        let mut tables = Tables::good();
        damage(&mut tables);
        if again {
            tables.chain();
        }
        assert!(tables.verified().violations > 0, "{name} is not found");
    }
}

#[test]
fn an_event_tells_whose_operation_it_is() {
    let marker = "op0123456789abcdef01234567";
    let mut tables = Tables::good();
    tables.events[1].payload = format!(r#"{{"place":{{"address":"12, rue {marker}"}}}}"#).into_bytes();
    tables.events[1].meta = br#"{"actor":"key_1","operation":"ab"}"#.to_vec();
    tables.chain();
    let log = tables.verified();
    assert_eq!(log.violations, 0);
    assert_eq!(log.events[1].marker.as_deref(), Some(marker));
    assert_eq!(log.events[1].operation.as_deref(), Some("ab"));
}
