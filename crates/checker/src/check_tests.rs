//! One good run, and for each invariant the histories that break it.

use std::collections::BTreeMap;

use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::{
    ledger::{Checkpoint, Ended, Invoke, Line, Planted, Read, Ready, Refused, Residue, Resumed, Saw, Unknown},
    log::{DirectoryRow, EventRow, OperationRow, StreamRow, Visit},
    verify::{
        Verifier,
        tests::{EPOCH, chain},
    },
};

const STREAM: &str = "request-1";

/// Three operations on one request, the second of which nobody was answered at first, one refused, one read, one reader.
#[derive(Clone)]
struct Run {
    lines: Vec<Line>,
    /// Each append: its operation's number, its events' kinds, and whether its operation's row and meta stand.
    appends: Vec<(usize, Vec<&'static str>)>,
    rows: Vec<OperationRow>,
    deadline: &'static str,
}

fn op(number: usize) -> String {
    format!("op{number:024x}")
}

fn invoke(number: usize, t: u64, if_match: Option<&str>) -> Line {
    let (op, key, body) = (op(number), format!("key-{number}"), format!("body-{number}"));
    Line::Invoke(Invoke { op, t, key, body, if_match: if_match.map(str::to_owned) })
}

fn ok(number: usize, t: u64, etag: &str, after: &str) -> Line {
    Line::Ok(Answered {
        op: op(number),
        t,
        status: 200,
        stream: STREAM.into(),
        etag: Some(etag.into()),
        after: Some(after.into()),
        answer: format!("answer-{number}"),
    })
}

fn unknown(number: usize, t: u64, status: Option<u16>) -> Line {
    Line::Unknown(Unknown { op: op(number), t, status, retry_after: false, why: "reset".into() })
}

fn refused(number: usize, t: u64, code: &str) -> Line {
    Line::Fail(Refused { op: op(number), t, status: 412, code: code.into() })
}

fn read(sent: u64, etag: &str) -> Line {
    let due = BTreeMap::from([("answer/0".into(), "2026-01-10T00:00:00-05:00".into())]);
    Line::Read(Read {
        sent,
        t: sent + 1,
        stream: STREAM.into(),
        status: 200,
        etag: Some(etag.into()),
        due,
        updated: None,
        retry_after: false,
    })
}

fn shown(sent: u64, updated: &str) -> Line {
    let Line::Read(read) = read(sent, "") else { unreachable!() };
    Line::Read(Read { etag: None, due: BTreeMap::new(), updated: Some(updated.into()), ..read })
}

fn compared(position: i64, agrees: bool, digest: &str) -> Line {
    Line::Compared(Compared {
        model: "deadline_queue".into(),
        position,
        agrees,
        stops_at: None,
        stopped_at: None,
        digests: BTreeMap::from([("owed".into(), digest.into())]),
    })
}

fn checkpoint(t: u64, generation: i64, position: i64) -> Line {
    Line::Checkpoint(Checkpoint { t, model: "deadline_queue".into(), generation, position })
}

impl Run {
    fn good() -> Self {
        let row = |byte: u8, first, last| OperationRow { id: vec![byte; 32], fingerprint: None, first, last };
        let mut run = Self {
            lines: vec![
                invoke(1, 10, None),
                ok(1, 20, "e1", "a1"),
                invoke(2, 30, Some("e1")),
                unknown(2, 40, None),
                invoke(2, 50, Some("e1")),
                ok(2, 60, "e2", "a2"),
                ok(2, 61, "e2", "a2"),
                invoke(3, 70, Some("e1")),
                refused(3, 80, "request.stale"),
                read(65, "e2"),
                shown(55, "2026-01-01T05:00:01Z"),
                shown(55, "2026-01-01T05:00:03Z"),
                shown(65, "2026-01-01T05:00:03Z"),
                Line::Ready(Ready { t: 45, server: "a".into(), millis: 200, limit: 1_000 }),
                Line::Residue(Residue { of: "open files".into(), before: 20.0, after: 21.0, limit: 22.0 }),
                checkpoint(90, 1, 2),
                checkpoint(91, 1, 3),
                checkpoint(92, 2, 1),
                compared(3, true, "d"),
                compared(3, true, "d"),
            ],
            appends: vec![(1, vec!["request.submitted", "promise.made"]), (2, vec!["request.assigned"])],
            rows: vec![row(1, 1, 2), row(2, 3, 3)],
            deadline: "2026-01-10T05:00:00Z",
        };
        run.see([1, 2]);
        run.lines.push(Line::Resumed(Resumed { reader: "tail".into(), after: 2 }));
        run.see([3]);
        run
    }

    fn see<const N: usize>(&mut self, positions: [i64; N]) {
        let log = self.log();
        for position in positions {
            let event = log.at(position).expect("it is in the log");
            let (id, hash) = (event.id, hex(&event.hash));
            self.lines.push(Line::Saw(Saw { reader: "tail".into(), position, id, hash }));
        }
    }

    fn log(&self) -> Log {
        let appended = self.appends.iter().flat_map(|(number, kinds)| kinds.iter().map(|kind| (*number, *kind)));
        let mut events: Vec<EventRow> =
            appended.zip(1..).map(|((number, kind), at)| self.event(number, kind, at)).collect();
        let head = chain("quebec", &mut events);
        let mut verifier = Verifier::new("quebec");
        verifier.directory(vec![DirectoryRow { log: 1, epoch: EPOCH.to_vec() }], vec![head]);
        for row in events {
            verifier.event(row);
        }
        let stream = StreamRow { name: STREAM.into(), first: 1, truncated_before: 0, tombstoned: false };
        verifier.stream(stream);
        self.rows.iter().cloned().for_each(|row| verifier.operation(row));
        verifier.finish()
    }

    fn event(&self, number: usize, kind: &str, position: i64) -> EventRow {
        let payload = json!({
            "at": format!("2026-01-01T00:00:{position:02}-05:00"),
            "agent": format!("usr_{}", op(number)),
            "id": { "standard": "answer", "ordinal": 0 },
            "due": { "due_at": self.deadline },
        });
        let meta = json!({ "operation": format!("{number:02x}").repeat(32) });
        EventRow {
            position,
            stream: 1,
            name: (position == 1).then(|| STREAM.into()),
            revision: position - 1,
            id: Uuid::from_u128(position as u128).to_string().into_bytes(),
            kind: kind.into(),
            schema: 1,
            payload: payload.to_string().into_bytes(),
            meta: meta.to_string().into_bytes(),
            recorded_at: b"2026-01-01T00:00:00.000000Z".to_vec(),
            hash: Vec::new(),
        }
    }

    fn checked(&self) -> Report {
        check(&History::of(self.lines.clone()), &self.log())
    }
}

#[track_caller]
fn violates(id: &str, break_it: impl FnOnce(&mut Run)) {
    let mut run = Run::good();
    break_it(&mut run);
    let report = run.checked();
    let found = report.invariants.iter().find(|invariant| invariant.id == id).expect("an invariant");
    assert!(found.violations > 0 && !found.told.is_empty(), "{id} holds:\n{report}");
}

#[test]
fn a_good_run_holds_and_every_invariant_was_met() {
    let report = Run::good().checked();
    assert!(report.ok(), "{report}");
    for invariant in &report.invariants {
        assert!(invariant.checked > 0, "{} was not met", invariant.id);
    }
}

#[test]
fn an_acknowledged_operation_that_is_not_there_is_a_loss() {
    violates("I1", |run| {
        run.lines.push(invoke(4, 100, None));
        run.lines.push(ok(4, 110, "e4", "a4"));
    });
}

#[test]
fn an_operation_that_is_there_twice_is_told() {
    violates("I2", |run| {
        run.appends.push((2, vec!["request.assigned"]));
        run.rows.push(OperationRow { id: vec![9; 32], fingerprint: None, first: 4, last: 4 });
    });
}

#[test]
fn events_without_the_row_of_their_operation_are_told() {
    violates("I2", |run| drop(run.rows.pop()));
}

#[test]
fn a_row_that_covers_the_events_of_another_operation_is_told() {
    violates("I2", |run| (run.rows[0].last, run.rows[1].first) = (1, 2));
}

#[test]
fn events_that_nobody_asked_for_are_phantoms() {
    violates("I3", |run| {
        run.appends.push((4, vec!["request.assigned"]));
        run.rows.push(OperationRow { id: vec![4; 32], fingerprint: None, first: 4, last: 4 });
    });
    // What the harness planted itself is none.
    let mut run = Run::good();
    run.appends.push((4, vec!["request.assigned"]));
    run.rows.push(OperationRow { id: vec![4; 32], fingerprint: None, first: 4, last: 4 });
    run.see([4]);
    run.lines.push(Line::Planted(Planted { id: Uuid::from_u128(4) }));
    assert!(run.checked().ok(), "{}", run.checked());
}

#[test]
fn a_refused_operation_that_is_in_the_log_is_told() {
    violates("I3", |run| {
        run.lines.retain(|line| !matches!(line, Line::Ok(answer) if answer.op == op(2)));
        run.lines.push(refused(2, 100, "request.stale"));
    });
}

#[test]
fn an_answer_to_what_was_never_announced_is_told() {
    violates("I3", |run| run.lines.push(ok(9, 100, "e2", "a2")));
}

#[test]
fn an_event_that_a_reader_saw_and_that_is_gone_is_told() {
    violates("I3", |run| {
        let hash = "00".repeat(32);
        run.lines.push(Line::Saw(Saw { reader: "tail".into(), position: 4, id: Uuid::from_u128(4), hash }));
    });
    violates("I3", |run| {
        for line in &mut run.lines {
            if let Line::Saw(saw) = line {
                saw.hash = "00".repeat(32);
            }
        }
    });
}

#[test]
fn a_read_of_half_an_append_is_told() {
    violates("I3", |run| run.lines.push(read(100, "between")));
}

#[test]
fn a_write_that_did_not_follow_what_it_was_conditional_on_is_a_lost_update() {
    violates("I4", |run| {
        run.lines.push(invoke(4, 100, Some("e1")));
        run.lines.push(ok(4, 110, "e4", "a4"));
        run.appends.push((4, vec!["request.assigned"]));
        run.rows.push(OperationRow { id: vec![4; 32], fingerprint: None, first: 4, last: 4 });
    });
}

#[test]
fn an_etag_of_two_revisions_is_told() {
    violates("I4", |run| run.lines.push(ok(2, 100, "e1", "a2")));
}

#[test]
fn an_operation_that_stands_before_one_acknowledged_earlier_is_told() {
    violates("I5", |run| {
        // The first is sent only after the second, which stands behind it, was acknowledged.
        for line in &mut run.lines {
            match line {
                Line::Invoke(invoke) if invoke.op == op(1) => invoke.t = 100,
                Line::Ok(answer) if answer.op == op(1) => answer.t = 110,
                _ => {}
            }
        }
    });
}

#[test]
fn a_token_of_two_positions_is_told() {
    violates("I5", |run| run.lines.push(ok(2, 100, "e2", "a1")));
}

#[test]
fn a_read_that_shows_less_than_what_was_acknowledged_is_told() {
    violates("I5", |run| run.lines.push(read(100, "e1")));
    violates("I5", |run| {
        let Line::Read(read) = read(100, "e1") else { return };
        run.lines.push(Line::Read(Read { status: 404, etag: None, ..read }));
    });
}

#[test]
fn a_public_page_that_shows_less_than_what_was_acknowledged_is_told() {
    violates("I5", |run| run.lines.push(shown(100, "2026-01-01T00:00:01-05:00")));
    violates("I5", |run| run.lines.push(shown(100, "2026-01-01T00:00:09-05:00")));
}

#[test]
fn a_reader_that_skips_repeats_or_stays_behind_is_told() {
    violates("I6", |run| run.lines.retain(|line| !matches!(line, Line::Saw(saw) if saw.position == 2)));
    violates("I6", |run| run.see([3]));
    violates("I6", |run| run.lines.retain(|line| !matches!(line, Line::Saw(saw) if saw.position == 3)));
    violates("I6", |run| run.lines.push(Line::Resumed(Resumed { reader: "tail".into(), after: 7 })));
}

#[test]
fn a_log_that_does_not_verify_is_told() {
    violates("I7", |run| run.rows[1].last = 7);
}

#[test]
fn a_read_model_that_differs_or_stopped_is_told() {
    violates("I9", |run| run.lines.push(compared(3, false, "d")));
    let stopped = |position, stops_at, stopped_at| {
        Line::Compared(Compared {
            model: "deadline_queue".into(),
            position,
            agrees: false,
            stops_at,
            stopped_at,
            digests: BTreeMap::new(),
        })
    };
    violates("I9", |run| run.lines.push(stopped(2, None, Some(3))));
    // One that should have stopped went past the event, or stopped elsewhere.
    violates("I9", |run| run.lines.push(stopped(3, Some(3), None)));
    violates("I9", |run| run.lines.push(stopped(1, Some(3), Some(2))));
    let mut run = Run::good();
    run.lines.push(stopped(2, Some(3), Some(3)));
    assert!(run.checked().ok(), "{}", run.checked());
}

#[test]
fn a_checkpoint_that_goes_back_is_told() {
    violates("I9", |run| run.lines.push(checkpoint(100, 1, 3)));
}

#[test]
fn two_digests_of_one_position_are_told() {
    violates("I10", |run| run.lines.push(compared(3, true, "other")));
}

#[test]
fn a_deadline_that_is_answered_as_the_log_does_not_have_it_is_told() {
    violates("I11", |run| run.deadline = "2026-01-11T05:00:00Z");
}

#[test]
fn two_answers_to_one_operation_are_told() {
    violates("I12", |run| {
        let Line::Ok(answer) = ok(2, 100, "e2", "a2") else { return };
        run.lines.push(Line::Ok(Answered { answer: "other".into(), ..answer }));
    });
}

#[test]
fn an_operation_that_is_done_and_refused_is_told() {
    violates("I12", |run| run.lines.push(refused(2, 100, "request.stale")));
}

#[test]
fn an_operation_that_never_becomes_definite_is_told() {
    violates("I12", |run| {
        run.lines.push(invoke(4, 100, None));
        run.lines.push(unknown(4, 110, None));
    });
}

#[test]
fn a_key_that_was_good_for_two_bodies_is_told() {
    violates("I12", |run| {
        for line in &mut run.lines {
            if let Line::Invoke(invoke) = line {
                invoke.key = "key-1".into();
            }
        }
    });
}

#[test]
fn what_is_left_behind_is_told() {
    violates("I16", |run| {
        let of = "idle in transaction".into();
        run.lines.push(Line::Residue(Residue { of, before: 0.0, after: 1.0, limit: 0.0 }));
    });
}

#[test]
fn a_server_error_that_is_no_honest_503_is_told() {
    violates("I17", |run| run.lines.push(unknown(2, 41, Some(500))));
    violates("I17", |run| run.lines.push(unknown(2, 41, Some(503))));
    violates("I17", |run| {
        let how = "panicked at src/main.rs".into();
        run.lines.push(Line::Ended(Ended { t: 100, server: "a".into(), how }));
    });
    violates("I17", |run| {
        let Line::Read(read) = read(100, "e2") else { return };
        run.lines.push(Line::Read(Read { status: 500, etag: None, ..read }));
    });
}

#[test]
fn a_server_that_is_late_again_is_told() {
    let late = Ready { t: 100, server: "a".into(), millis: 1_001, limit: 1_000 };
    violates("I18", |run| run.lines.push(Line::Ready(late)));
}
