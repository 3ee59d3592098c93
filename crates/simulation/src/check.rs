//! What must hold at the end of every world, whatever befell it.
//!
//! The numbers are those of the invariants in `docs/reliability.md`. Nothing here asks the code under test: the log, the
//! ledger and what followers kept are compared with one another, and the chain is computed again from the format's page.

use std::collections::BTreeMap;

use event_store::Record;
use sha2::{Digest, Sha256};

use crate::client::{Entry, Kind, origin};
use crate::database::SLUG;
use crate::world::State;

pub(crate) fn violations(state: &State) -> Vec<String> {
    let mut found = vec![];
    chain(state, &mut found);
    streams(state, &mut found);
    let written = groups(state, &mut found);
    for (number, entry) in state.ledger.iter().enumerate() {
        answers(number, entry, written.get(&(number as u64)), &state.database.events, &mut found);
    }
    real_time(state, &written, &mut found);
    followers(state, &mut found);
    projection(state, &mut found);
    found
}

/// I5, I7: positions without a hole, instants that never go back, each hash over the one before.
fn chain(state: &State, found: &mut Vec<String>) {
    let log = &state.database;
    let mut previous: [u8; 32] = Sha256::new().chain_update(b"guichet-log-1\0").chain_update(SLUG).finalize().into();
    let mut at = None;
    for (event, position) in log.events.iter().zip(1..) {
        if event.position != position {
            found.push(format!("I5: {} stands where {position} should", event.position));
        }
        if event.hash != hash(&previous, event) {
            found.push(format!("I7: the hash of {position} is not over what stands before it"));
        }
        if at > Some(event.recorded_at) {
            found.push(format!("I5: {position} was recorded before its predecessor"));
        }
        (previous, at) = (event.hash, Some(event.recorded_at));
    }
    if (log.head.position, log.head.hash) != (log.events.len() as i64, previous) {
        found.push(format!("I7: the head says {}, the log ends at {}", log.head.position, log.events.len()));
    }
}

fn hash(previous: &[u8; 32], event: &Record) -> [u8; 32] {
    let mut header = vec![];
    header.extend(event.position.to_be_bytes());
    header.extend(event.revision.to_be_bytes());
    header.extend(event.id.as_bytes());
    header.extend(event.schema.to_be_bytes());
    header.extend(event.recorded_at.timestamp_micros().to_be_bytes());
    for word in [&event.stream, &event.kind] {
        header.extend((word.len() as u32).to_be_bytes());
        header.extend(word.as_bytes());
    }
    let digest = Sha256::new().chain_update(b"guichet-event-1\0").chain_update(previous);
    let digest = digest.chain_update((header.len() as u32).to_be_bytes()).chain_update(header);
    let digest = digest.chain_update(Sha256::digest(&event.payload)).chain_update(Sha256::digest(&event.meta));
    digest.finalize().into()
}

/// I4: revisions 0..n of each stream, and the stream's row says so.
fn streams(state: &State, found: &mut Vec<String>) {
    let mut next: BTreeMap<&str, i64> = BTreeMap::new();
    for event in &state.database.events {
        let revision = next.entry(&event.stream).or_default();
        if event.revision != *revision {
            found.push(format!("I4: {} has revision {} after {}", event.stream, event.revision, *revision - 1));
        }
        *revision += 1;
    }
    for (stream, state) in &state.database.streams {
        if next.remove(stream.as_str()) != Some(state.revision + 1) {
            found.push(format!("I4: the row of {stream} says {}", state.revision));
        }
    }
    found.extend(next.keys().map(|stream| format!("I4: {stream} has no row")));
}

/// I2, I3: every event was asked for; an entry's events lie together, whole, and once. By entry: first and last position.
fn groups(state: &State, found: &mut Vec<String>) -> BTreeMap<u64, (i64, i64)> {
    let mut written: BTreeMap<u64, Vec<(i64, u64, u64)>> = BTreeMap::new();
    for event in &state.database.events {
        let (entry, attempt, place) = origin(event.id);
        written.entry(entry).or_default().push((event.position, attempt, place));
    }
    let mut groups = BTreeMap::new();
    for (number, events) in written {
        let (first, attempt, _) = events[0];
        let Some(entry) = state.ledger.get(number as usize) else {
            found.push(format!("I3: nobody asked for event {first}"));
            continue;
        };
        let expected: Vec<_> = (0..entry.events() as i64).map(|n| (first + n, attempt, n as u64 + 1)).collect();
        if events != expected {
            found.push(format!("I2: entry {number} ({:?}) is in the log as {events:?}", entry.kind));
        }
        if entry.told.is_empty() && entry.refused.is_some() {
            found.push(format!("I3: entry {number} ({:?}) was refused and is in the log at {first}", entry.kind));
        }
        groups.insert(number, (first, first + entry.events() as i64 - 1));
    }
    groups
}

/// I1, I12: who was told that it is done finds it in the log, where it was told; and was always told the same.
fn answers(number: usize, entry: &Entry, written: Option<&(i64, i64)>, events: &[Record], found: &mut Vec<String>) {
    let kind = entry.kind;
    if entry.told.iter().any(|told| written != Some(&(told.first, told.last))) {
        found.push(format!("I1: entry {number} ({kind:?}) was told {:?} and is at {written:?}", entry.told));
    }
    // Two processes whose clocks were put back write the same events as the same bytes: nobody can say whose they are, and
    // each may call them new. What was decided anew at each try has other ids at each.
    if kind == Kind::Decided && entry.told.iter().filter(|told| !told.replayed).count() > 1 {
        found.push(format!("I12: entry {number} ({kind:?}) was told twice that it is new"));
    }
    for told in &entry.told {
        let own = events.iter().filter(|event| (told.first..=told.last).contains(&event.position));
        let last: BTreeMap<&str, i64> = own.map(|event| (event.stream.as_str(), event.revision)).collect();
        let said: BTreeMap<&str, i64> = told.revisions.iter().map(|(s, revision)| (s.as_str(), *revision)).collect();
        if last != said {
            found.push(format!("I12: entry {number} ({kind:?}) was told {said:?}, and wrote {last:?}"));
        }
    }
    let refusal = match kind {
        Kind::Reusing => Some("reused"),
        Kind::Poisoned => Some("storage"),
        Kind::Decided if entry.refused.is_some() => Some("conflict"),
        Kind::SameIds | Kind::Repeated | Kind::Created | Kind::Decided => None,
    };
    if entry.refused != refusal || matches!(kind, Kind::Reusing | Kind::Poisoned) && !entry.told.is_empty() {
        found.push(format!("I12: entry {number} ({kind:?}) was refused as {:?}, told {:?}", entry.refused, entry.told));
    }
}

/// I5: what was acknowledged before something was first asked for stands before it.
fn real_time(state: &State, written: &BTreeMap<u64, (i64, i64)>, found: &mut Vec<String>) {
    let entries =
        || state.ledger.iter().enumerate().filter_map(|(n, entry)| Some((n, entry, *written.get(&(n as u64))?)));
    for (before, entry, (_, last)) in entries() {
        let Some(told) = entry.told.iter().map(|told| told.at).min() else { continue };
        for (after, _, (first, _)) in entries().filter(|(_, later, _)| later.asked > Some(told)) {
            if first < last {
                found.push(format!("I5: entry {after} was asked after {before} was done, and stands before it"));
            }
        }
    }
}

/// I6: each follower was handed every event that it wants, once, in order, as it stands in the log.
fn followers(state: &State, found: &mut Vec<String>) {
    for (who, kept) in state.followers.iter().enumerate() {
        let wanted = state.database.events.iter().filter(|event| kept.filter.matches(event));
        let wanted: Vec<_> = wanted.map(|event| (event.position, event.hash)).collect();
        if kept.seen != wanted {
            let positions = |events: &[(i64, [u8; 32])]| events.iter().map(|event| event.0).collect::<Vec<_>>();
            let (seen, wanted) = (positions(&kept.seen), positions(&wanted));
            found.push(format!("I6: follower {who} was handed {seen:?} of {wanted:?}"));
        }
    }
}

/// I9: each event of the read model's category was folded in exactly once, and the checkpoint says so.
fn projection(state: &State, found: &mut Vec<String>) {
    let log = &state.database;
    let mut entries = BTreeMap::new();
    let mut cells: BTreeMap<String, i64> = BTreeMap::new();
    for event in log.events.iter().filter(|event| event.stream.starts_with("request-")) {
        entries.insert((event.stream.clone(), event.revision), 1);
        *cells.entry(event.stream.clone()).or_default() += 1;
    }
    if log.entries != entries {
        found.push(format!("I9: folded in are {:?}, in the log {:?}", log.entries, entries.keys()));
    }
    if log.cells != cells {
        found.push(format!("I9: the cells count {:?}, the log holds {cells:?}", log.cells));
    }
    let checkpoint = &log.checkpoint;
    if checkpoint.position != log.head.position || checkpoint.hash != log.hash_at(checkpoint.position) {
        found.push(format!("I9: the checkpoint stands at {} of {}", checkpoint.position, log.head.position));
    }
    found.extend(checkpoint.failure.iter().map(|why| format!("I9: the projection stopped: {why}")));
}
