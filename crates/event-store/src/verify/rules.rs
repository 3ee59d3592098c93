//! What must hold, as the page numbers it, checked row by row without a database.
//!
//! Rows come in this order: heads, events by position, twins, streams, operations by range. After a violation the check
//! goes on from what is stored, so that one damaged row is one or two findings and not a thousand.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::rows::{EventRow, HeadRow, OperationRow, StreamRow, TwinRow};
use super::{Anchor, FINDINGS, Finding, Progress, Report};

const TAG: &[u8; 16] = b"guichet-event-1\0";
const GENESIS: &[u8; 14] = b"guichet-log-1\0";
const INSTANT: &str = "%Y-%m-%dT%H:%M:%S%.6fZ";
const LONGEST_STREAM: usize = 200;
const LONGEST_KIND: usize = 100;
const LARGEST_EVENT: usize = 1_048_576;

/// A verification under way.
pub struct Verification {
    epoch: Uuid,
    heads: Vec<HeadRow>,
    events: i64,
    last_position: i64,
    last_hash: [u8; 32],
    /// Whole microseconds since 1970.
    last_at: i64,
    /// By the position of the first event.
    streams: HashMap<i64, Stream>,
    /// Where each name was given; emptied by the rows of `stream`.
    numbers: HashMap<Arc<[u8]>, i64>,
    /// Streams that begin in an event.
    begun: usize,
    last_operation: i64,
    findings: Vec<Finding>,
    violations: u64,
}

struct Stream {
    name: Arc<[u8]>,
    revision: i64,
    truncated_before: i64,
    tombstoned: bool,
}

impl Verification {
    pub fn new(slug: &str, epoch: Uuid) -> Self {
        Self {
            epoch,
            heads: Vec::new(),
            events: 0,
            last_position: 0,
            last_hash: Sha256::new().chain_update(GENESIS).chain_update(slug).finalize().into(),
            last_at: 0,
            streams: HashMap::new(),
            numbers: HashMap::new(),
            begun: 0,
            last_operation: 0,
            findings: Vec::new(),
            violations: 0,
        }
    }

    pub fn progress(&self) -> Progress {
        Progress { events: self.events, announced: self.announced() }
    }

    /// The page's *n*; without a head row, what the events say.
    fn announced(&self) -> i64 {
        self.heads.first().map_or(self.last_position, |head| head.position)
    }

    /// Judged at the end, against the last event.
    pub fn head(&mut self, row: HeadRow) {
        self.heads.push(row);
    }

    pub fn event(&mut self, row: &EventRow) {
        self.events += 1;
        self.check_position(row);
        self.check_words(row);
        let stream = self.check_beginning(row);
        self.check_chain(row, stream.as_ref().map(|(_, name)| &**name));
        if let Some((number, name)) = stream {
            self.check_stream(row, number, &name);
            if row.kind == b"$metadata" {
                self.check_metadata(row, &name);
            }
        }
        self.last_position = row.position;
    }

    /// Rule 2.
    fn check_position(&mut self, row: &EventRow) {
        let due = self.last_position.saturating_add(1);
        if row.position != due {
            self.found(Some(row.position), format!("stands where position {due} was due"));
        }
    }

    /// Rule 7, and what a column may hold.
    fn check_words(&mut self, row: &EventRow) {
        let mut refuse = |wrong: bool, what: &str| {
            if wrong {
                self.found(Some(row.position), what.to_owned());
            }
        };
        let named = row.stream_name.is_empty() || is_word(&row.stream_name, LONGEST_STREAM);
        refuse(!named, "the stream's name is not 1–200 bytes of printable UTF-8");
        refuse(!is_word(&row.kind, LONGEST_KIND), "the kind is not 1–100 bytes of printable UTF-8");
        refuse(row.payload.len() + row.meta.len() > LARGEST_EVENT, "payload and meta exceed 1,048,576 bytes");
        refuse(!(0..=i64::from(i16::MAX)).contains(&row.schema), "the schema is not a number of 15 bits");
        refuse(row.hash.len() != 32, "the stored hash has not 32 bytes");
    }

    /// Rule 4, where it speaks of numbers and names: the stream that an event says it is of, or none.
    fn check_beginning(&mut self, row: &EventRow) -> Option<(i64, Arc<[u8]>)> {
        if row.stream_name.is_empty() == (row.revision == 0) {
            let what =
                if row.revision == 0 { "begins a stream without a name" } else { "names a stream it does not begin" };
            self.found(Some(row.position), what.to_owned());
        }
        if row.stream_name.is_empty() {
            let begun = self.streams.get(&row.stream).map(|stream| (row.stream, Arc::clone(&stream.name)));
            if begun.is_none() {
                let what =
                    format!("is of the stream that begins at position {}, where none begins before it", row.stream);
                self.found(Some(row.position), what);
            }
            return begun;
        }
        if row.stream != row.position {
            self.found(Some(row.position), format!("begins a stream and says that position {} does", row.stream));
        }
        let name: Arc<[u8]> = row.stream_name.as_slice().into();
        if let Some(before) = self.numbers.get(&name) {
            let what = format!("names stream {}, which began at position {before}", shown(&name));
            self.found(Some(row.position), what);
        }
        let stream = Stream { name: Arc::clone(&name), revision: -1, truncated_before: 0, tombstoned: false };
        self.streams.insert(row.position, stream);
        self.begun += 1;
        self.numbers.entry(Arc::clone(&name)).or_insert(row.position);
        Some((row.position, name))
    }

    /// Rules 3 and 6. The hash covers the name: of an event whose stream has none it cannot be computed.
    fn check_chain(&mut self, row: &EventRow, stream: Option<&[u8]>) {
        let (id, at) = (canonical_id(&row.id), canonical_instant(&row.recorded_at));
        if id.is_none() {
            self.found(Some(row.position), "the id is not 36 characters of a lower-case uuid".to_owned());
        }
        match at {
            None => {
                self.found(Some(row.position), "recorded_at is not an instant of the form the page gives".to_owned());
            }
            Some(at) if at < self.last_at => {
                let what = if self.events == 1 { "is before 1970" } else { "is before that of the event before" };
                self.found(Some(row.position), format!("recorded_at {what}"));
            }
            Some(_) => {}
        }
        if let (Some(id), Some(at), Some(stream)) = (id, at, stream)
            && hash_of(&self.last_hash, row, stream, id, at).as_slice() != row.hash
        {
            self.found(Some(row.position), "the hash of what is stored is not the stored hash".to_owned());
        }
        self.last_at = at.unwrap_or(self.last_at);
        self.last_hash = row.hash.as_slice().try_into().unwrap_or(self.last_hash);
    }

    /// Rule 4, and of rule 8 what events alone can break.
    fn check_stream(&mut self, row: &EventRow, number: i64, name: &[u8]) {
        let Some(stream) = self.streams.get_mut(&number) else { return };
        let ends = row.kind == b"$tombstone";
        let (due, ended) = (stream.revision.saturating_add(1), stream.tombstoned);
        stream.revision = row.revision;
        stream.tombstoned |= ends;
        if row.revision != due {
            self.found(
                Some(row.position),
                format!("revision {} of stream {} where {due} was due", row.revision, shown(name)),
            );
        }
        if ended {
            self.found(Some(row.position), format!("follows the tombstone of stream {}", shown(name)));
        }
        if name.starts_with(b"$$$$") {
            self.found(Some(row.position), format!("{} is the metastream of a metastream", shown(name)));
        }
        if ends && name.starts_with(b"$$") {
            self.found(Some(row.position), format!("a tombstone ends the metastream {}", shown(name)));
        }
    }

    /// The last `$tb` counts, judged by the stream as it stood then.
    fn check_metadata(&mut self, row: &EventRow, name: &[u8]) {
        let Some(target) = name.strip_prefix(b"$$") else {
            return self.found(Some(row.position), "$metadata outside of a metastream".to_owned());
        };
        let payload: Option<serde_json::Value> = serde_json::from_slice(&row.payload).ok();
        let truncated_before =
            payload.as_ref().and_then(|payload| payload.get("$tb")).and_then(serde_json::Value::as_i64);
        let stream = self.numbers.get(target).and_then(|number| self.streams.get_mut(number));
        let most = stream.as_ref().map_or(0, |stream| stream.revision.saturating_add(1));
        match (truncated_before, stream) {
            (Some(before), Some(stream)) if (0..=most).contains(&before) => stream.truncated_before = before,
            (Some(0), None) => {}
            _ => self.found(Some(row.position), format!("the payload of $metadata has no $tb from 0 to {most}")),
        }
    }

    /// Rule 5. The database looked for them.
    pub fn twin(&mut self, row: &TwinRow) {
        self.found(
            None,
            format!("the stream of position {} holds the id {} more than once", row.stream, shown(&row.id)),
        );
    }

    /// Rule 8.
    pub fn stream(&mut self, row: &StreamRow) {
        let name = shown(&row.name);
        let number = self.numbers.remove(row.name.as_slice());
        let Some((number, stream)) = number.and_then(|number| Some((number, self.streams.remove(&number)?))) else {
            return self.found(None, format!("stream row {name} has no event"));
        };
        let mut compare = |column: &str, stored: i64, told: i64| {
            if stored != told {
                self.found(None, format!("stream row {name} has {column} {stored}, its events say {told}"));
            }
        };
        compare("first_position", row.first_position, number);
        compare("truncated_before", row.truncated_before, stream.truncated_before);
        compare("tombstoned", row.tombstoned, i64::from(stream.tombstoned));
    }

    /// Rule 9.
    pub fn operation(&mut self, row: &OperationRow) {
        let (first, last) = (row.first_position, row.last_position);
        let name = format!("operation row of positions {first} to {last}");
        if row.id.len() != 32 || row.fingerprint.as_ref().is_some_and(|fingerprint| fingerprint.len() != 32) {
            self.found(None, format!("{name} has an id or a fingerprint that is not 32 bytes"));
        }
        if first < 1 || last < first || last > self.announced() {
            self.found(None, format!("{name} is no range within the log"));
        }
        if first <= self.last_operation {
            self.found(None, format!("{name} overlaps another one"));
        }
        self.last_operation = self.last_operation.max(last);
    }

    pub fn finish(mut self) -> Report {
        self.check_head();
        let mut without_row: Vec<_> = std::mem::take(&mut self.numbers).into_keys().collect();
        without_row.sort_unstable();
        for name in without_row {
            self.found(None, format!("stream {} has events and no stream row", shown(&name)));
        }
        Report {
            events: self.events,
            streams: self.begun,
            head: Anchor { epoch: self.epoch, position: self.last_position, hash: self.last_hash },
            findings: self.findings,
            violations: self.violations,
        }
    }

    /// Rules 1, 2, 3 and 6, where they speak of the head.
    fn check_head(&mut self) {
        let heads = std::mem::take(&mut self.heads);
        let [head] = heads.as_slice() else {
            return self.found(None, format!("the log has {} head rows", heads.len()));
        };
        if canonical_id(&head.epoch) != Some(self.epoch) {
            self.found(None, "the head row has another epoch than the directory".to_owned());
        }
        if head.position != self.last_position {
            let (said, found) = (head.position, self.last_position);
            self.found(None, format!("the head row has position {said}, the last event {found}"));
        }
        if head.hash != self.last_hash {
            self.found(None, "the head row has another hash than the last event".to_owned());
        }
        if canonical_instant(&head.recorded_at) != Some(self.last_at) {
            self.found(None, "the head row has another recorded_at than the last event".to_owned());
        }
    }

    fn found(&mut self, position: Option<i64>, what: String) {
        self.violations += 1;
        if self.findings.len() < FINDINGS {
            self.findings.push(Finding { position, what });
        }
    }
}

/// The page's hash. A number out of range was found before; here it only has to differ.
fn hash_of(previous: &[u8; 32], row: &EventRow, stream: &[u8], id: Uuid, at: i64) -> [u8; 32] {
    let length = |bytes: &[u8]| (bytes.len() as u32).to_be_bytes();
    let mut header = Vec::with_capacity(52 + stream.len() + row.kind.len());
    header.extend(row.position.to_be_bytes());
    header.extend(row.revision.to_be_bytes());
    header.extend(id.as_bytes());
    header.extend((row.schema as u32).to_be_bytes());
    header.extend(at.to_be_bytes());
    header.extend(length(stream));
    header.extend(stream);
    header.extend(length(&row.kind));
    header.extend(&row.kind);
    Sha256::new()
        .chain_update(TAG)
        .chain_update(previous)
        .chain_update(length(&header))
        .chain_update(&header)
        .chain_update(Sha256::digest(&row.payload))
        .chain_update(Sha256::digest(&row.meta))
        .finalize()
        .into()
}

/// Only the spelling of the page: another one of the same id is a changed row too.
fn canonical_id(text: &[u8]) -> Option<Uuid> {
    let id = Uuid::try_parse_ascii(text).ok()?;
    (id.hyphenated().to_string().as_bytes() == text).then_some(id)
}

/// Microseconds since 1970, of the spelling of the page only; a leap second has none.
fn canonical_instant(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let at = NaiveDateTime::parse_from_str(text, INSTANT).ok()?.and_utc().timestamp_micros();
    let again = DateTime::from_timestamp_micros(at)?.format(INSTANT).to_string();
    (again == text && text.len() == 27).then_some(at)
}

fn is_word(bytes: &[u8], longest: usize) -> bool {
    (1..=longest).contains(&bytes.len())
        && std::str::from_utf8(bytes).is_ok_and(|text| !text.contains(char::is_control))
}

/// A name that may be damaged, fit for a terminal.
fn shown(bytes: &[u8]) -> String {
    format!("`{}`", String::from_utf8_lossy(bytes).escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(hash: [u8; 32]) -> String {
        Anchor { epoch: Uuid::nil(), position: 0, hash }.hash_in_hex()
    }

    #[test]
    fn the_worked_example_of_the_page() {
        let verification = Verification::new("quebec", Uuid::nil());
        assert_eq!(hex(verification.last_hash), "1339593334047fa60007ec0198aa578b2ba4a02ccb220d18d8438f6188b2420c");
        let row = EventRow {
            position: 1,
            stream: 1,
            revision: 0,
            stream_name: b"request-0".to_vec(),
            id: b"00000000-0000-0000-0000-000000000007".to_vec(),
            kind: b"request.submitted".to_vec(),
            schema: 1,
            payload: b"{}".to_vec(),
            meta: b"{}".to_vec(),
            recorded_at: b"2024-02-29T12:00:00.000001Z".to_vec(),
            hash: vec![],
        };
        let at = canonical_instant(&row.recorded_at).expect("an instant");
        assert_eq!(at, 1_709_208_000_000_001);
        let hash = hash_of(&verification.last_hash, &row, b"request-0", canonical_id(&row.id).expect("an id"), at);
        assert_eq!(hex(hash), "69291b4b1dfc18b95a5c53b99528b351cb49d4095cd265dd1ab4c0a0b387a422");
    }

    #[test]
    fn another_spelling_of_the_same_value_is_refused() {
        assert!(canonical_id(b"0000000a-0000-0000-0000-000000000007").is_some());
        for id in ["0000000A-0000-0000-0000-000000000007", "0000000a000000000000000000000007", ""] {
            assert_eq!(canonical_id(id.as_bytes()), None, "{id}");
        }
        assert!(canonical_instant(b"2024-02-29T23:59:59.000000Z").is_some());
        for at in [
            "2024-02-29t23:59:59.000000Z",
            "2024-02-29T23:59:59.000000z",
            "2024-02-29T23:59:59.00000Z",
            "2024-02-29T23:59:60.000000Z",
            "2023-02-29T23:59:59.000000Z",
            "2024-02-29 23:59:59.000000Z",
            "+2024-02-29T23:59:59.00000Z",
        ] {
            assert_eq!(canonical_instant(at.as_bytes()), None, "{at}");
        }
    }
}
