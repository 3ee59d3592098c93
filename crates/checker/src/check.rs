//! The invariants, each as one function of the history and the log. Their numbers are those of `docs/reliability.md`.

use std::collections::{HashMap, HashSet};

use chrono::DateTime;

use crate::{
    deadlines,
    history::{History, Operation, Seen},
    ledger::{Answered, Compared},
    report::{Invariant, Report},
    verify::{Log, hex},
};

/// Holds every invariant against what was told and what is there.
pub fn check(history: &History, log: &Log) -> Report {
    let placed = Placed::of(history, log);
    Report {
        events: log.events.len() as u64,
        operations: history.operations.len() as u64,
        invariants: vec![
            durable(history, log, &placed),
            exactly_once(history, log, &placed),
            no_phantom(history, log, &placed),
            streams(history, log, &placed),
            total_order(history, log, &placed),
            no_skip(history, log),
            chain(log),
            read_models(history, log),
            determinism(history),
            deadlines(history, log, &placed),
            idempotency(history),
            no_residue(history),
            honest_errors(history),
            recovery(history),
        ],
    }
}

/// Where each operation lies in the log.
struct Placed {
    /// By operation of the history: the rows of table `operation` whose events name it.
    groups: Vec<Vec<usize>>,
    /// By position less one: the row of table `operation` that covers it.
    covering: Vec<Option<usize>>,
    /// By stream and ETag: the revision it stands for, as the answers of operations say.
    etags: HashMap<(u32, String), i64>,
}

impl Placed {
    fn of(history: &History, log: &Log) -> Self {
        let mut covering = vec![None; log.events.len()];
        for (row, written) in log.operations.iter().enumerate() {
            for position in written.first.max(1)..=written.last.min(log.head()) {
                covering[position as usize - 1] = Some(row);
            }
        }
        let mut groups = vec![Vec::new(); history.operations.len()];
        for (event, row) in log.events.iter().zip(&covering) {
            let named = event.marker.as_deref().and_then(|marker| history.index_of(marker));
            if let (Some(named), Some(row)) = (named, row)
                && groups[named].last() != Some(row)
            {
                groups[named].push(*row);
            }
        }
        let mut placed = Self { groups, covering, etags: HashMap::new() };
        for (index, operation) in history.operations.iter().enumerate() {
            for answer in &operation.answers {
                if let (Some(etag), Some((stream, revision))) = (&answer.etag, placed.reached(index, answer, log)) {
                    placed.etags.entry((stream, etag.clone())).or_insert(revision);
                }
            }
        }
        placed
    }

    /// The stream that an answer names, and the last revision that its operation wrote there.
    fn reached(&self, index: usize, answer: &Answered, log: &Log) -> Option<(u32, i64)> {
        let stream = *log.by_name.get(&answer.stream)?;
        let written = &log.operations[*self.groups[index].first()?];
        let mut events = (written.first..=written.last).rev().filter_map(|position| log.at(position));
        events.find(|event| event.stream == stream).map(|event| (stream, event.revision))
    }

    /// The positions of an operation, first and last.
    fn positions(&self, index: usize, log: &Log) -> Option<(i64, i64)> {
        let written = &log.operations[*self.groups[index].first()?];
        Some((written.first, written.last))
    }
}

fn durable(history: &History, log: &Log, placed: &Placed) -> Invariant {
    let mut invariant = Invariant::new("I1", "what was acknowledged is in the log");
    for (index, operation) in history.operations.iter().enumerate() {
        for answer in &operation.answers {
            invariant.hold(placed.reached(index, answer, log).is_some(), || {
                format!("{} was acknowledged in {} and its events are not there", operation.op, answer.stream)
            });
        }
    }
    invariant
}

fn exactly_once(history: &History, log: &Log, placed: &Placed) -> Invariant {
    let mut invariant = Invariant::new("I2", "an operation happens once, with its row, in one append");
    for (operation, groups) in history.operations.iter().zip(&placed.groups) {
        invariant.hold(groups.len() <= 1, || format!("{} is in the log {} times", operation.op, groups.len()));
    }
    for written in &log.operations {
        let same = |position| log.at(position).is_some_and(|event| event.operation.as_deref() == Some(&written.id));
        invariant.hold((written.first..=written.last).all(same), || {
            format!("positions {} to {} are not all of operation {}", written.first, written.last, written.id)
        });
    }
    for (event, position) in log.events.iter().zip(1..) {
        if let Some(id) = &event.operation {
            let row = placed.covering[position as usize - 1].map(|row| &log.operations[row].id);
            invariant
                .hold(row == Some(id), || format!("position {position} is of operation {id}, whose row it is not in"));
        }
    }
    invariant
}

fn no_phantom(history: &History, log: &Log, placed: &Placed) -> Invariant {
    let mut invariant = Invariant::new("I3", "every event was asked for, none was refused, none that was seen is gone");
    let announced: HashSet<usize> = placed.groups.iter().flatten().copied().collect();
    for (event, position) in log.events.iter().zip(1..) {
        // Only what a door wrote has an operation; declarations and accesses have none.
        let Some(row) = placed.covering[position as usize - 1] else { continue };
        let known = announced.contains(&row) || history.planted.contains(&event.id);
        invariant
            .hold(known, || format!("position {position} in {} was asked for by nobody", log.stream_of(event).name));
    }
    for (operation, groups) in history.operations.iter().zip(&placed.groups) {
        if let (Some(refusal), true) = (operation.refusals.first(), operation.answers.is_empty()) {
            invariant.hold(groups.is_empty(), || {
                format!("{} was refused ({} {}) and is in the log", operation.op, refusal.status, refusal.code)
            });
        }
    }
    for op in &history.unannounced {
        invariant.hold(false, || format!("{op} was answered and never announced: the ledger is not whole"));
    }
    for (reader, steps) in &history.readers {
        for step in steps {
            let Seen::Event(saw) = step else { continue };
            let there = log.at(saw.position).is_some_and(|event| event.id == saw.id && hex(&event.hash) == saw.hash);
            invariant.hold(there, || format!("{reader} saw an event at position {} that is not there", saw.position));
        }
    }
    // What a matter was read as is a state that some append left, never the middle of one.
    for read in history.reads.iter().filter(|read| read.status == 200 && read.updated.is_none()) {
        let known = read_revision(read.etag.as_deref(), &read.stream, log, placed);
        invariant.hold(known.is_some(), || format!("{} was read with an ETag that no operation left", read.stream));
    }
    invariant
}

fn streams(history: &History, log: &Log, placed: &Placed) -> Invariant {
    let mut invariant = Invariant::new("I4", "a conditional write follows what it names: no update is lost");
    let mut revisions: HashMap<(u32, i64), &str> = HashMap::new();
    let mut etags: HashMap<(u32, &str), i64> = HashMap::new();
    for (index, operation) in history.operations.iter().enumerate() {
        for answer in &operation.answers {
            let (Some(etag), Some((stream, revision))) = (&answer.etag, placed.reached(index, answer, log)) else {
                continue;
            };
            let one = *revisions.entry((stream, revision)).or_insert(etag) == etag
                && *etags.entry((stream, etag)).or_insert(revision) == revision;
            invariant.hold(one, || format!("ETags and revisions of {} are not one to one", answer.stream));
        }
    }
    for (index, operation) in history.operations.iter().enumerate() {
        let (Some(condition), Some(answer)) = (&operation.if_match, operation.answers.first()) else { continue };
        let Some((stream, last)) = placed.reached(index, answer, log) else { continue };
        let Some((first, end)) = placed.positions(index, log) else { continue };
        let begins = (first..=end).filter_map(|position| log.at(position)).find(|event| event.stream == stream);
        let before = begins.map_or(last, |event| event.revision) - 1;
        let named = placed.etags.get(&(stream, condition.clone())).copied();
        invariant.hold(named == Some(before), || {
            format!("{} was conditional on revision {named:?} of {} and follows {before}", operation.op, answer.stream)
        });
    }
    invariant
}

fn total_order(history: &History, log: &Log, placed: &Placed) -> Invariant {
    let mut invariant = Invariant::new("I5", "what was acknowledged before another was sent stands before it");
    let mut operations: Vec<(usize, &Operation)> = history.operations.iter().enumerate().collect();
    operations.sort_by_key(|(_, operation)| operation.invoked);
    let mut acknowledged: Vec<(u64, i64)> = history
        .operations
        .iter()
        .enumerate()
        .filter_map(|(index, operation)| Some((operation.acknowledged()?, placed.positions(index, log)?.1)))
        .collect();
    acknowledged.sort_unstable();
    let mut acknowledged = acknowledged.into_iter().peekable();
    let mut before = 0;
    for (index, operation) in operations {
        while let Some((_, last)) = acknowledged.next_if(|(t, _)| *t < operation.invoked) {
            before = before.max(last);
        }
        if let Some((first, _)) = placed.positions(index, log) {
            invariant.hold(before < first, || {
                format!("{} stands at position {first} and was sent after {before} was acknowledged", operation.op)
            });
        }
    }
    let mut tokens: HashMap<&str, i64> = HashMap::new();
    let mut positions: HashMap<i64, &str> = HashMap::new();
    for (index, operation) in history.operations.iter().enumerate() {
        let Some((_, last)) = placed.positions(index, log) else { continue };
        for after in operation.answers.iter().filter_map(|answer| answer.after.as_deref()) {
            let one = *tokens.entry(after).or_insert(last) == last && *positions.entry(last).or_insert(after) == after;
            invariant.hold(one, || format!("the token of {} stands for another position than {last}", operation.op));
        }
    }
    // A read that began after an acknowledgement shows it.
    let mut told: HashMap<&str, Vec<(u64, i64)>> = HashMap::new();
    for (index, operation) in history.operations.iter().enumerate() {
        for answer in &operation.answers {
            if let Some((_, revision)) = placed.reached(index, answer, log) {
                told.entry(&answer.stream).or_default().push((answer.t, revision));
            }
        }
    }
    for told in told.values_mut() {
        told.sort_unstable();
        let mut most = 0;
        for (_, revision) in told {
            most = most.max(*revision);
            *revision = most;
        }
    }
    for read in &history.reads {
        let told = told.get(read.stream.as_str()).map_or(&[][..], Vec::as_slice);
        let earlier = told.partition_point(|(t, _)| *t < read.sent);
        let Some(least) = earlier.checked_sub(1).map(|index| told[index].1) else { continue };
        match (read.status, read_revision(read.etag.as_deref(), &read.stream, log, placed)) {
            (200, Some(revision)) => invariant.hold(least <= revision, || {
                format!("{} was read at revision {revision} after {least} had been acknowledged", read.stream)
            }),
            (404, _) => {
                invariant.hold(false, || format!("{} was not found after it had been acknowledged", read.stream));
            }
            (200, None) if read.updated.is_some() => {
                let shown = read.updated.as_deref().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
                let stream = log.by_name.get(&read.stream);
                let stood =
                    stream.zip(shown).is_some_and(|(stream, shown)| log.updates.stood_since(*stream, least, shown));
                invariant.hold(stood, || {
                    format!("{} was shown as of {shown:?} after revision {least} had been acknowledged", read.stream)
                });
            }
            _ => {}
        }
    }
    invariant
}

fn read_revision(etag: Option<&str>, stream: &str, log: &Log, placed: &Placed) -> Option<i64> {
    let stream = *log.by_name.get(stream)?;
    placed.etags.get(&(stream, etag?.to_owned())).copied()
}

fn no_skip(history: &History, log: &Log) -> Invariant {
    let mut invariant = Invariant::new("I6", "every reader of the log was handed each event once, in order");
    for (reader, steps) in &history.readers {
        let mut at = 0;
        for step in steps {
            match step {
                Seen::Resumed { after } => {
                    invariant.hold(*after <= at, || format!("{reader} resumed after {after} having seen {at}"));
                    at = *after;
                }
                Seen::Event(saw) => {
                    invariant.hold(saw.position == at + 1, || {
                        format!("{reader} was handed position {} after {at}", saw.position)
                    });
                    at = saw.position;
                }
            }
        }
        invariant.hold(at == log.head(), || format!("{reader} was handed {at} of {} events", log.head()));
    }
    invariant
}

fn chain(log: &Log) -> Invariant {
    let mut invariant = Invariant::new("I7", "the log verifies, by the written format alone");
    invariant.checked = log.events.len() as u64;
    invariant.violations = log.violations;
    invariant.told.clone_from(&log.findings);
    invariant
}

fn read_models(history: &History, log: &Log) -> Invariant {
    let mut invariant = Invariant::new("I9", "read models are a fold of the log; checkpoints only advance");
    for compared in &history.compared {
        let Compared { model, position, agrees, stops_at, stopped_at, .. } = compared;
        // One that had to stop holds what stands before the event that stopped it, and says so.
        let holds = match stops_at {
            None => *agrees && stopped_at.is_none(),
            Some(at) => stopped_at == stops_at && *position == at - 1,
        };
        invariant.hold(holds, || {
            format!("{model} at position {position}: agrees {agrees}, stopped at {stopped_at:?}, expected {stops_at:?}")
        });
        invariant.hold(*position <= log.head(), || format!("{model} stands at {position}, past the log"));
    }
    let mut latest: HashMap<&str, (i64, i64)> = HashMap::new();
    for checkpoint in &history.checkpoints {
        let place = (checkpoint.generation, checkpoint.position);
        let before = latest.insert(&checkpoint.model, place);
        invariant.hold(before.is_none_or(|before| before <= place), || {
            format!("{} went from {before:?} back to {place:?}", checkpoint.model)
        });
    }
    invariant
}

fn determinism(history: &History) -> Invariant {
    let mut invariant = Invariant::new("I10", "the same position has the same rows, whoever folded them");
    let mut digests: HashMap<(&str, i64, &str), &str> = HashMap::new();
    for compared in &history.compared {
        for (table, digest) in &compared.digests {
            let known = digests.entry((&compared.model, compared.position, table)).or_insert(digest);
            invariant.hold(known == digest, || format!("{table} at position {} has two digests", compared.position));
        }
    }
    invariant
}

fn deadlines(history: &History, log: &Log, placed: &Placed) -> Invariant {
    let mut invariant =
        Invariant::new("I11", "a due instant moves by an event alone, and is answered as the log has it");
    invariant.checked = log.deadlines.followed;
    invariant.violations = log.deadlines.violations.len() as u64;
    invariant.told = log.deadlines.violations.iter().take(20).cloned().collect();
    for read in history.reads.iter().filter(|read| read.status == 200) {
        let Some(revision) = read_revision(read.etag.as_deref(), &read.stream, log, placed) else { continue };
        let stream = log.by_name[&read.stream];
        for (promise, due) in &read.due {
            let shown = deadlines::instant(&serde_json::Value::String(due.clone()));
            let stood = log.deadlines.at(stream, revision, promise);
            invariant.hold(shown.is_some() && shown == stood, || {
                format!("{promise} of {} was answered as due {due} and is due {stood:?}", read.stream)
            });
        }
    }
    invariant
}

fn idempotency(history: &History) -> Invariant {
    let mut invariant = Invariant::new("I12", "the same key is answered alike, each operation becomes definite");
    let mut done: HashMap<&str, &Operation> = HashMap::new();
    for operation in &history.operations {
        let mut answers = operation.answers.iter();
        if let Some(first) = answers.next() {
            for other in answers {
                let alike = (&other.answer, &other.stream, &other.etag, &other.after, other.status)
                    == (&first.answer, &first.stream, &first.etag, &first.after, first.status);
                invariant.hold(alike, || format!("{} was answered in two ways", operation.op));
            }
            let shared = done.insert(&operation.key, operation);
            invariant.hold(shared.is_none_or(|other| other.body == operation.body), || {
                format!("{} was done under a key that had another body", operation.op)
            });
        }
        let refused = operation.refusals.first();
        invariant.hold(refused.is_none() || operation.answers.is_empty(), || {
            let code = refused.map_or("", |refusal| &refusal.code);
            format!("{} was both done and refused ({code})", operation.op)
        });
        invariant.hold(refused.is_some() || !operation.answers.is_empty(), || {
            let why = operation.unknown.last().map_or("never answered", |unknown| &unknown.why);
            format!("{} never became definite: {why}", operation.op)
        });
    }
    invariant
}

fn no_residue(history: &History) -> Invariant {
    let mut invariant = Invariant::new("I16", "nothing is left behind: transactions, connections, files, memory");
    for residue in &history.residue {
        invariant.hold(residue.after <= residue.limit, || {
            let crate::ledger::Residue { of, before, after, limit } = residue;
            format!("{of}: {before} before, {after} after, at most {limit}")
        });
    }
    invariant
}

fn honest_errors(history: &History) -> Invariant {
    let mut invariant = Invariant::new("I17", "no server error but a 503 that says when to come back; no panic");
    for operation in &history.operations {
        for unknown in &operation.unknown {
            let honest = match unknown.status {
                Some(503) => unknown.retry_after,
                Some(status) => status < 500,
                None => true,
            };
            invariant.hold(honest, || format!("{} was answered {:?}: {}", operation.op, unknown.status, unknown.why));
        }
    }
    for read in &history.reads {
        let honest = read.status < 500 || (read.status == 503 && read.retry_after);
        invariant.hold(honest, || format!("a read of {} was answered {}", read.stream, read.status));
    }
    for ended in &history.ended {
        invariant.hold(false, || format!("{}: {}", ended.server, ended.how));
    }
    invariant
}

fn recovery(history: &History) -> Invariant {
    let mut invariant = Invariant::new("I18", "ready again in time after each fault");
    for ready in &history.ready {
        invariant.hold(ready.millis <= ready.limit, || {
            format!("{} took {} ms until ready, at most {}", ready.server, ready.millis, ready.limit)
        });
    }
    invariant
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
