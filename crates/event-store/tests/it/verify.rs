//! Both verifiers, the Rust one and `tests/verify_log.py`, against logs made by hand and by the store: they agree on what
//! holds, and find every flipped bit.

mod hand_made;

use std::process::Stdio;

use db::{Dialect, Location, LogEntry};
use event_store::verify::{self, Report};
use event_store::{Append, EventStore, Expected, NewEvent, Operation, Write};
use fuzz::{Document, Nearly};
use hand_made::HandMade;
use testkit::{Fresh, on_both_databases};
use tokio::process::Command;
use uuid::Uuid;

fn entry() -> LogEntry {
    LogEntry { id: 1, slug: "quebec".to_owned(), epoch: Uuid::from_u128(0xabcd_ef01 << 96), location: None }
}

/// A change that a test makes to a log, and its name.
type Damage = (&'static str, fn(&mut HandMade));

/// Each breaks one rule with the chain intact: whoever could rewrite every hash is still found.
const REWRITTEN: [Damage; 23] = [
    ("a position is left out", |log| log.events[7].position = 9),
    ("a revision is left out", |log| log.events[5].revision = 3),
    ("a stream begins at revision 1", |log| log.events[6].revision = 1),
    ("a stream begins without a name", |log| log.events[6].stream_name.clear()),
    ("a stream is named again by its second event", |log| log.events[2].stream_name = b"request-1".to_vec()),
    ("two streams have one name", |log| {
        log.events[6].stream_name = b"request-1".to_vec();
        log.streams.remove(1);
    }),
    ("a first event says that another began its stream", |log| log.events[6].stream = 3),
    ("an event is of a stream that began nowhere", |log| log.events[5].stream = 99),
    ("an event is of a stream that begins after it", |log| log.events[5].stream = 7),
    ("an event is of a stream that one in its middle began", |log| log.events[5].stream = 3),
    ("the clock runs backwards", |log| log.events[4].recorded_at = b"2024-02-29T11:59:59.999999Z".to_vec()),
    ("the clock stands before 1970", |log| log.events[0].recorded_at = b"1969-12-31T23:59:59.999999Z".to_vec()),
    ("a stream's name is too long", |log| rename(log, 6, &[b'x'; 201])),
    ("a stream's name holds a control character", |log| rename(log, 6, "a\u{85}".as_bytes())),
    ("a kind is too long", |log| log.events[2].kind = vec![b'x'; 101]),
    ("an event is too large", |log| log.events[2].payload = vec![0; 1_048_576]),
    ("something follows a tombstone", |log| log.events[1].kind = b"$tombstone".to_vec()),
    ("a metastream has a metastream", |log| rename(log, 6, b"$$$$request-1")),
    ("a metastream ends", |log| log.events[4].kind = b"$tombstone".to_vec()),
    ("metadata stands outside of a metastream", |log| log.events[6].kind = b"$metadata".to_vec()),
    ("a truncation goes too far", |log| log.events[4].payload = br#"{"$tb":3}"#.to_vec()),
    ("a truncation is no number", |log| log.events[4].payload = br#"{"$tb":"2"}"#.to_vec()),
    ("a truncation is no JSON", |log| log.events[4].payload = b"2".to_vec()),
];

/// Each leaves the events alone, or takes whole rows.
const AROUND: [Damage; 15] = [
    ("an event is missing", |log| drop(log.events.remove(3))),
    ("the last event is missing", |log| drop(log.events.pop())),
    ("two events changed places", |log| {
        (log.events[1].position, log.events[6].position) = (7, 2);
    }),
    ("two payloads changed places", |log| {
        let payload = std::mem::take(&mut log.events[0].payload);
        log.events[0].payload = std::mem::replace(&mut log.events[5].payload, payload);
    }),
    ("the head row is missing", |log| log.heads.clear()),
    ("a stream row is missing", |log| drop(log.streams.pop())),
    ("a stream row has no event", |log| log.streams[0].name = b"request-3".to_vec()),
    ("a stream row has another first position", |log| log.streams[1].first_position = 6),
    ("a stream row has another truncation", |log| log.streams[2].truncated_before = 1),
    ("a stream row has no tombstone", |log| log.streams[3].tombstoned = 0),
    ("a stream row has a tombstone", |log| log.streams[2].tombstoned = 1),
    ("operations overlap", |log| log.operations[1].first_position = 2),
    ("an operation leaves the log", |log| log.operations[1].last_position = 9),
    ("an operation is empty", |log| log.operations[1].last_position = 2),
    ("an operation's fingerprint is short", |log| log.operations[1].fingerprint = Some(vec![9; 31])),
];

fn rename(log: &mut HandMade, event: usize, name: &[u8]) {
    let before = std::mem::replace(&mut log.events[event].stream_name, name.to_vec());
    for row in log.streams.iter_mut().filter(|row| row.name == before) {
        row.name = name.to_vec();
    }
    log.streams.sort_by(|one, other| one.name.cmp(&other.name));
}

/// Something stored that has bits.
enum Cell<'a> {
    Number(&'a mut i64),
    Bytes(&'a mut Vec<u8>),
}

impl Cell<'_> {
    fn bits(&self) -> usize {
        match self {
            Self::Number(_) => 64,
            Self::Bytes(bytes) => bytes.len() * 8,
        }
    }

    fn flip(self, bit: usize) {
        match self {
            Self::Number(number) => *number ^= 1 << bit,
            Self::Bytes(bytes) => bytes[bit / 8] ^= 1 << (bit % 8),
        }
    }
}

/// The row a cell stands in: `Event` with its position, the others by their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Head,
    Event(i64),
    Stream(usize),
}

/// Every column of the head row, of the events and of the stream rows.
fn cells(log: &mut HandMade) -> Vec<(Of, &'static str, Cell<'_>)> {
    let heads = log.heads.iter_mut().flat_map(|row| {
        [
            (Of::Head, "epoch", Cell::Bytes(&mut row.epoch)),
            (Of::Head, "position", Cell::Number(&mut row.position)),
            (Of::Head, "hash", Cell::Bytes(&mut row.hash)),
            (Of::Head, "recorded_at", Cell::Bytes(&mut row.recorded_at)),
        ]
    });
    let events = log.events.iter_mut().flat_map(|row| {
        let of = Of::Event(row.position);
        [
            (of, "position", Cell::Number(&mut row.position)),
            (of, "stream", Cell::Number(&mut row.stream)),
            (of, "revision", Cell::Number(&mut row.revision)),
            (of, "stream_name", Cell::Bytes(&mut row.stream_name)),
            (of, "id", Cell::Bytes(&mut row.id)),
            (of, "kind", Cell::Bytes(&mut row.kind)),
            (of, "schema", Cell::Number(&mut row.schema)),
            (of, "payload", Cell::Bytes(&mut row.payload)),
            (of, "meta", Cell::Bytes(&mut row.meta)),
            (of, "recorded_at", Cell::Bytes(&mut row.recorded_at)),
            (of, "hash", Cell::Bytes(&mut row.hash)),
        ]
    });
    let streams = log.streams.iter_mut().enumerate().flat_map(|(n, row)| {
        let of = Of::Stream(n);
        [
            (of, "name", Cell::Bytes(&mut row.name)),
            (of, "first_position", Cell::Number(&mut row.first_position)),
            (of, "truncated_before", Cell::Number(&mut row.truncated_before)),
            (of, "tombstoned", Cell::Number(&mut row.tombstoned)),
        ]
    });
    heads.chain(events).chain(streams).collect()
}

fn flipped(log: &HandMade, cell: usize, bit: usize) -> HandMade {
    let mut log = log.clone();
    cells(&mut log).swap_remove(cell).2.flip(bit);
    log
}

/// The cells of a log with the number of their bits.
fn widths(log: &HandMade) -> Vec<(Of, &'static str, usize)> {
    cells(&mut log.clone()).iter().map(|(of, column, cell)| (*of, *column, cell.bits())).collect()
}

#[test]
fn every_flipped_bit_is_found() {
    let good = HandMade::new(entry());
    assert!(good.verify().ok(), "{:?}", good.verify());
    for (cell, (of, column, bits)) in widths(&good).into_iter().enumerate() {
        for bit in 0..bits {
            let report = flipped(&good, cell, bit).verify();
            assert!(!report.ok(), "bit {bit} of {column}, {of:?}");
            // A changed position is reported where it now stands, every other change of an event at that event.
            if let Of::Event(position) = of
                && column != "position"
            {
                let there = report.findings.iter().any(|finding| finding.position == Some(position));
                assert!(there, "bit {bit} of {column}, {of:?}: {report:?}");
            }
        }
    }
}

/// Every column of every event, and not by one bit but by whatever else could stand there.
#[test]
fn whatever_stands_in_a_column_is_found() {
    fn column(log: &mut HandMade, event: usize, column: usize) -> Option<&mut Vec<u8>> {
        let row = log.events.get_mut(event)?;
        match column {
            0 => Some(&mut row.stream_name),
            1 => Some(&mut row.id),
            2 => Some(&mut row.kind),
            3 => Some(&mut row.payload),
            4 => Some(&mut row.meta),
            5 => Some(&mut row.recorded_at),
            _ => Some(&mut row.hash),
        }
    }
    let made = HandMade::new(entry());
    let events = made.events.len();
    let mut sound = made.clone();
    let places = (0..events).flat_map(|event| (0..7).map(move |column| (event, column)));
    let values: Vec<Vec<u8>> = places.filter_map(|(event, at)| column(&mut sound, event, at).cloned()).collect();
    let damage = (0..events, 0..7_usize, Nearly::of(values));
    fuzz::check!().with_generator(damage).for_each(|(event, at, document): &(usize, usize, Document)| {
        let mut log = made.clone();
        let Some(value) = column(&mut log, *event, *at) else { return };
        let unchanged = value == document.bytes();
        *value = document.bytes().to_vec();
        assert_eq!(log.verify().ok(), unchanged);
    });
}

#[test]
fn every_rule_is_found_broken_even_where_the_chain_holds() {
    for (name, damage) in REWRITTEN {
        let mut log = HandMade::new(entry());
        damage(&mut log);
        log.chain();
        assert!(!log.verify().ok(), "{name}");
        assert!(!log.verify().findings.iter().any(|finding| finding.what.contains("hash")), "{name}");
    }
    for (name, damage) in AROUND {
        let mut log = HandMade::new(entry());
        damage(&mut log);
        assert!(!log.verify().ok(), "{name}");
    }
}

#[test]
fn a_report_spells_out_the_first_findings_and_counts_the_others() {
    let mut log = HandMade::new(entry());
    for event in &mut log.events {
        event.payload.push(b' ');
        event.schema = -1;
        event.revision += 10;
    }
    let report = log.verify();
    assert_eq!(report.findings.len(), verify::FINDINGS);
    assert!(report.violations > verify::FINDINGS as u64);
}

/// Exit code and output of the Python verifier.
async fn python(fresh: &Fresh, slug: &str) -> (Option<i32>, String) {
    let database = match fresh.location() {
        Location::Sqlite(directory) => format!("sqlite:{}", directory.display()),
        Location::Postgres(url) => url.clone(),
    };
    let output = Command::new("python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/verify_log.py"))
        .args([&database, slug])
        .stdin(Stdio::null())
        .output()
        .await
        .expect("python3 is on PATH: the second verifier is written in it");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

/// What both verifiers say, once they agree.
async fn agreed(fresh: &Fresh, log: &LogEntry, name: &str) -> Report {
    let db = fresh.log(log).await.expect("open the log");
    let report = verify::verify(&db, log, |_| {}).await.expect("read the log");
    let (code, output) = python(fresh, &log.slug).await;
    assert_eq!(code, Some(if report.ok() { 0 } else { 3 }), "{name}\n{report:#?}\n{output}");
    let hash = report.head.hash_in_hex();
    let head = format!("{} events, {} streams, head {} {hash}", report.events, report.streams, report.head.position);
    assert!(!report.ok() || output.contains(&head), "{head}\n{output}");
    report
}

on_both_databases! {
    async fn both_verifiers_accept_a_log_made_by_hand(fresh: Fresh) {
        // Another log beside it: on PostgreSQL they share the tables.
        let other = fresh.create_log("autre").await.expect("a log");
        let log = fresh.create_log("quebec").await.expect("a log");
        let db = fresh.log(&log).await.expect("open the log");
        HandMade::new(other.clone()).write(&fresh.log(&other).await.expect("open")).await.expect("write");
        assert!(!agreed(&fresh, &log, "never opened: no head row").await.ok());
        HandMade::empty(log.clone()).write(&db).await.expect("write");
        assert!(agreed(&fresh, &log, "empty").await.ok());
        HandMade::new(log.clone()).write(&db).await.expect("write");
        let report = agreed(&fresh, &log, "by hand").await;
        assert!(report.ok(), "{report:#?}");
        assert_eq!((report.events, report.streams, report.head.epoch), (8, 4, log.epoch));
        assert!(agreed(&fresh, &other, "the other").await.ok());
    }

    async fn both_verifiers_find_a_flipped_bit_of_every_column(fresh: Fresh) {
        let log = fresh.create_log("quebec").await.expect("a log");
        let db = fresh.log(&log).await.expect("open the log");
        let good = HandMade::new(log.clone());
        let mut tried = 0;
        for (cell, (of, column, bits)) in widths(&good).into_iter().enumerate() {
            // Few rows of each table: each bit of every row is flipped in memory, above.
            if !matches!(of, Of::Head | Of::Event(1 | 3) | Of::Stream(0)) {
                continue;
            }
            // The types and keys of the database refuse some bits; the first that it takes is tried.
            for bit in 0..bits {
                if flipped(&good, cell, bit).write(&db).await.is_ok() {
                    assert!(!agreed(&fresh, &log, &format!("bit {bit} of {column}, {of:?}")).await.ok());
                    tried += 1;
                    break;
                }
            }
        }
        assert_eq!(tried, 4 + 11 + 10 + 4, "every column, of an event that begins a stream and of one that does not");
    }

    async fn both_verifiers_find_every_rule_broken(fresh: Fresh) {
        let log = fresh.create_log("quebec").await.expect("a log");
        let db = fresh.log(&log).await.expect("open the log");
        let rewritten = REWRITTEN.into_iter().map(|damage| (damage, true));
        for ((name, damage), chained) in rewritten.chain(AROUND.into_iter().map(|damage| (damage, false))) {
            let mut bad = HandMade::new(log.clone());
            damage(&mut bad);
            if chained {
                bad.chain();
            }
            bad.write(&db).await.expect(name);
            assert!(!agreed(&fresh, &log, name).await.ok(), "{name}");
        }
    }

    async fn another_spelling_of_the_same_value_is_found(fresh: Fresh) {
        // PostgreSQL keeps ids and instants natively: there is no other spelling.
        if fresh.dialect() == Dialect::Sqlite {
            let log = fresh.create_log("quebec").await.expect("a log");
            let db = fresh.log(&log).await.expect("open the log");
            let spellings: [Damage; 4] = [
                ("upper-case id", |log| log.events[2].id.make_ascii_uppercase()),
                ("lower-case instant", |log| log.events[2].recorded_at.make_ascii_lowercase()),
                ("upper-case epoch", |log| log.heads[0].epoch.make_ascii_uppercase()),
                ("no UTF-8", |log| log.events[2].kind[0] |= 0x80),
            ];
            for (name, damage) in spellings {
                let mut bad = HandMade::new(log.clone());
                damage(&mut bad);
                bad.write(&db).await.expect(name);
                assert!(!agreed(&fresh, &log, name).await.ok(), "{name}");
            }
        }
    }

    async fn an_id_that_stands_twice_in_a_stream_is_found(fresh: Fresh) {
        let log = fresh.create_log("quebec").await.expect("a log");
        let db = fresh.log(&log).await.expect("open the log");
        let mut bad = HandMade::new(log.clone());
        let id = bad.events[0].id.clone();
        bad.events[2].id = id;
        bad.chain();
        db.script("drop index event_id").await.expect("no key is in the way");
        bad.write(&db).await.expect("write");
        let report = agreed(&fresh, &log, "twins").await;
        assert_eq!(report.violations, 1, "{report:#?}");
    }

    /// The page says so: nothing inside a log can tell. What was kept elsewhere can.
    async fn a_tail_cut_off_with_its_head_shows_only_against_an_anchor(fresh: Fresh) {
        let log = fresh.create_log("quebec").await.expect("a log");
        let db = fresh.log(&log).await.expect("open the log");
        let mut cut = HandMade::new(log.clone());
        cut.write(&db).await.expect("write");
        let anchor = agreed(&fresh, &log, "whole").await.head;

        cut.events.pop();
        cut.streams[3].tombstoned = 0;
        cut.chain();
        cut.write(&db).await.expect("write");
        let report = agreed(&fresh, &log, "cut").await;
        assert!(report.ok(), "{report:#?}");
        assert_ne!(report.head, anchor);
    }

    async fn both_verifiers_accept_what_the_store_writes(fresh: Fresh) {
        let log = fresh.create_log("quebec").await.expect("a log");
        let db = fresh.log(&log).await.expect("open the log");
        let store = EventStore::open(db, &log).await.expect("open the store");
        assert!(agreed(&fresh, &log, "nothing yet").await.ok());
        for n in 0..20_u8 {
            let event = |k: u8| NewEvent {
                id: Uuid::from_u128(u128::from(n) << 8 | u128::from(k)),
                kind: "request.noted".to_owned(),
                schema: 1,
                payload: vec![n; usize::from(n) * 10],
                meta: b"{}".to_vec(),
            };
            let write = |stream: String, k| Write { stream, expected: Expected::Any, events: vec![event(k), event(k + 1)] };
            let append = Append {
                writes: vec![write(format!("request-{}", n % 5), 0), write("été".to_owned(), 2)],
                checks: vec![],
                operation: Some(Operation { id: [n; 32], fingerprint: (n % 2 == 0).then_some([n; 32]) }),
            };
            store.append(append).await.expect("append");
        }
        let id = |n: u128| Uuid::from_u128(n << 64);
        store.truncate("request-1", 3, id(1), b"{}".to_vec()).await.expect("truncate");
        store.delete("request-2", Expected::Exists, id(2), b"{}".to_vec()).await.expect("delete");
        store.tombstone("request-3", Expected::Any, id(3), b"{}".to_vec()).await.expect("end");
        let event = NewEvent { id: id(4), kind: "request.noted".to_owned(), schema: 1, payload: vec![], meta: vec![] };
        let write = Write { stream: "request-2".to_owned(), expected: Expected::NoStream, events: vec![event] };
        store.append(Append { writes: vec![write], checks: vec![], operation: None }).await.expect("go on");
        let report = agreed(&fresh, &log, "by the store").await;
        assert!(report.ok(), "{report:#?}");
        let head = store.head().await.expect("the head");
        assert_eq!((report.head.epoch, report.head.position, report.head.hash), (head.epoch, head.position, head.hash));
    }
}
