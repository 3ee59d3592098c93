//! A verifier of logs, written from `docs/log-format.md`; and what the invariants need of each event, kept on the way.
//!
//! It shares no line with the server, nor with the verifier that `guichet verify` runs.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    deadlines::Deadlines,
    log::{self, Database, DirectoryRow, EventRow, HeadRow, OperationRow, StreamRow, Visit},
    updates::Updates,
};

const TAG: &[u8; 16] = b"guichet-event-1\0";
const GENESIS: &[u8; 14] = b"guichet-log-1\0";
const LARGEST: usize = 1 << 20;
/// What names an operation in an event: `op` and 24 hexadecimal digits, anywhere in the payload.
const MARKER: usize = 26;
const FINDINGS: usize = 100;

/// A log as it was read, and what is wrong with it.
#[derive(Debug, Default)]
pub struct Log {
    /// By position, from 1.
    pub events: Vec<Event>,
    /// Names by the number that events carry.
    pub streams: Vec<Stream>,
    pub by_name: HashMap<String, u32>,
    pub operations: Vec<Written>,
    pub deadlines: Deadlines,
    pub updates: Updates,
    /// Rules of the page that do not hold.
    pub findings: Vec<String>,
    pub violations: u64,
}

#[derive(Debug)]
pub struct Stream {
    pub name: String,
    pub revision: i64,
    truncated_before: i64,
    tombstoned: bool,
}

#[derive(Debug)]
pub struct Event {
    pub stream: u32,
    pub revision: i64,
    pub id: Uuid,
    pub hash: [u8; 32],
    /// Whose operation it says it is of.
    pub marker: Option<String>,
    /// `meta.operation`, in hexadecimal.
    pub operation: Option<String>,
}

/// A row of `operation`.
#[derive(Debug)]
pub struct Written {
    pub id: String,
    pub first: i64,
    pub last: i64,
}

impl Log {
    pub fn head(&self) -> i64 {
        self.events.len() as i64
    }

    pub fn at(&self, position: i64) -> Option<&Event> {
        let index = usize::try_from(position.checked_sub(1)?).ok()?;
        self.events.get(index)
    }

    pub fn stream_of(&self, event: &Event) -> &Stream {
        &self.streams[event.stream as usize]
    }

    fn finding(&mut self, what: impl FnOnce() -> String) {
        self.violations += 1;
        if self.findings.len() < FINDINGS {
            self.findings.push(what());
        }
    }
}

/// Reads a log from its tables and verifies it.
pub async fn read_and_verify(database: &Database, slug: &str) -> anyhow::Result<Log> {
    let mut verifier = Verifier::new(slug);
    log::visit(database, slug, &mut verifier).await?;
    Ok(verifier.finish())
}

/// Is handed the rows in the order of [`Visit`].
pub struct Verifier {
    log: Log,
    head: Option<HeadRow>,
    /// Stored hash of the event before.
    previous: Vec<u8>,
    /// Microseconds, of the event before.
    recorded: i64,
    recorded_text: Vec<u8>,
    by_first: HashMap<i64, u32>,
    ids: HashSet<(u32, Uuid)>,
    listed: HashSet<u32>,
    last_operation: i64,
}

impl Verifier {
    pub fn new(slug: &str) -> Self {
        let mut genesis = Sha256::new();
        genesis.update(GENESIS);
        genesis.update(slug.as_bytes());
        Self {
            log: Log::default(),
            head: None,
            previous: genesis.finalize().to_vec(),
            recorded: 0,
            recorded_text: b"1970-01-01T00:00:00.000000Z".to_vec(),
            by_first: HashMap::new(),
            ids: HashSet::new(),
            listed: HashSet::new(),
            last_operation: 0,
        }
    }

    pub fn finish(mut self) -> Log {
        let position = self.log.head();
        if let Some(head) = self.head.take() {
            if head.position != position {
                self.log.finding(|| format!("the head stands at {} and the last event at {position}", head.position));
            }
            if head.hash != self.previous {
                self.log.finding(|| "the head's hash is not that of the last event".into());
            }
            if head.recorded_at != self.recorded_text {
                self.log.finding(|| "the head's instant is not that of the last event".into());
            }
        }
        for number in 0..self.log.streams.len() {
            if !self.listed.contains(&(number as u32)) {
                let name = self.log.streams[number].name.clone();
                self.log.finding(|| format!("stream {name} has events and no row"));
            }
        }
        self.log
    }

    /// The number of the event's stream, or why it has none.
    fn stream_of(&mut self, row: &EventRow) -> Result<u32, String> {
        if row.revision != 0 {
            if row.name.is_some() {
                return Err("names its stream and is not its first event".into());
            }
            let known = self.by_first.get(&row.stream).copied();
            return known.ok_or_else(|| format!("no stream begins at position {}", row.stream));
        }
        let name = row.name.as_ref().ok_or("is the first of its stream and does not name it")?;
        let name = word(name, 200).ok_or("has a stream's name that is none")?;
        if row.stream != row.position {
            return Err(format!("begins a stream and says that it began at {}", row.stream));
        }
        let number = self.log.streams.len() as u32;
        if self.log.by_name.contains_key(&name) {
            return Err(format!("begins stream {name} once more"));
        }
        self.log.by_name.insert(name.clone(), number);
        self.by_first.insert(row.position, number);
        self.log.streams.push(Stream { name, revision: -1, truncated_before: 0, tombstoned: false });
        Ok(number)
    }

    /// Reserved names stand where the page puts them, and nothing follows a tombstone.
    fn reserved(&mut self, number: u32, kind: &str, payload: &[u8]) -> Result<(), String> {
        let name = self.log.streams[number as usize].name.clone();
        if self.log.streams[number as usize].tombstoned {
            return Err(format!("follows the tombstone of {name}"));
        }
        let subject = name.strip_prefix("$$");
        let placed = match (kind, subject) {
            ("$metadata", Some(subject)) => !subject.is_empty() && !subject.starts_with("$$"),
            (kind, None) => (kind == "$tombstone" || !kind.starts_with('$')) && !name.starts_with('$'),
            (_, Some(_)) => false,
        };
        if !placed {
            return Err(format!("has the reserved kind or stream {kind} {name}"));
        }
        match subject {
            Some(subject) => {
                let known = self.log.by_name.get(subject).copied();
                let last = known.map_or(-1, |number| self.log.streams[number as usize].revision);
                let before = truncation(payload).filter(|before| (0..=last + 1).contains(before));
                let before = before.ok_or("does not say what it truncates")?;
                if let Some(number) = known {
                    self.log.streams[number as usize].truncated_before = before;
                }
            }
            None => self.log.streams[number as usize].tombstoned = kind == "$tombstone",
        }
        Ok(())
    }

    fn follow(&mut self, row: EventRow) -> Result<(), String> {
        let position = self.log.head() + 1;
        if row.position != position {
            return Err(format!("stands where {position} should"));
        }
        let number = self.stream_of(&row)?;
        let kind = word(&row.kind, 100).ok_or("has a kind that is none")?;
        let id = uuid(&row.id).ok_or("has an id that is none")?;
        let at = instant(&row.recorded_at).ok_or("has an instant that is none")?;
        let hash: [u8; 32] = row.hash.as_slice().try_into().map_err(|_| "has a hash of another length")?;
        let stream = &mut self.log.streams[number as usize];
        if row.revision != stream.revision + 1 {
            return Err(format!("has revision {} after {} in {}", row.revision, stream.revision, stream.name));
        }
        stream.revision = row.revision;
        let name = stream.name.clone();
        let computed = self.hash(&row, &name, &kind, id, at).ok_or("has a number that does not fit")?;

        // Kept even where a rule is broken, so that positions stay places in the list.
        let marker = marker(&row.payload);
        let operation = operation(&row.meta);
        self.log.events.push(Event { stream: number, revision: row.revision, id, hash, marker, operation });
        self.log.deadlines.follow(number, row.revision, &kind, &row.payload);
        self.log.updates.follow(number, row.revision, &kind, &row.payload);
        let (before, at_text) = (self.recorded, row.recorded_at);
        (self.previous, self.recorded, self.recorded_text) = (row.hash, at, at_text);
        if computed != hash {
            return Err("does not have the hash that it should".into());
        }
        if at < before {
            return Err("was recorded before the event before it".into());
        }
        if row.payload.len() + row.meta.len() > LARGEST {
            return Err("is larger than an event may be".into());
        }
        if !self.ids.insert((number, id)) {
            return Err(format!("has an id that {name} holds already"));
        }
        self.reserved(number, &kind, &row.payload)
    }

    fn hash(&self, row: &EventRow, stream: &str, kind: &str, id: Uuid, at: i64) -> Option<[u8; 32]> {
        let mut header = Vec::with_capacity(64 + stream.len() + kind.len());
        header.extend(u64::try_from(row.position).ok()?.to_be_bytes());
        header.extend(u64::try_from(row.revision).ok()?.to_be_bytes());
        header.extend(id.as_bytes());
        header.extend(u32::from(u16::try_from(row.schema).ok().filter(|schema| *schema < 1 << 15)?).to_be_bytes());
        header.extend(at.to_be_bytes());
        for word in [stream, kind] {
            header.extend(u32::try_from(word.len()).ok()?.to_be_bytes());
            header.extend(word.as_bytes());
        }
        let mut hash = Sha256::new();
        hash.update(TAG);
        hash.update(&self.previous);
        hash.update(u32::try_from(header.len()).ok()?.to_be_bytes());
        hash.update(&header);
        hash.update(Sha256::digest(&row.payload));
        hash.update(Sha256::digest(&row.meta));
        Some(hash.finalize().into())
    }
}

impl Visit for Verifier {
    fn directory(&mut self, rows: Vec<DirectoryRow>, mut heads: Vec<HeadRow>) {
        if rows.len() != 1 || heads.len() != 1 {
            let (rows, heads) = (rows.len(), heads.len());
            self.log.finding(|| format!("{rows} rows of the directory and {heads} heads where one of each belongs"));
        } else if rows[0].epoch != heads[0].epoch || uuid(&rows[0].epoch).is_none() {
            self.log.finding(|| "directory and head name different epochs".into());
        }
        self.head = heads.pop();
    }

    fn event(&mut self, row: EventRow) {
        let position = row.position;
        if let Err(why) = self.follow(row) {
            self.log.finding(|| format!("the event at position {position} {why}"));
        }
    }

    fn stream(&mut self, row: StreamRow) {
        let name = String::from_utf8_lossy(&row.name).into_owned();
        let Some(number) = self.log.by_name.get(&name).copied() else {
            self.log.finding(|| format!("stream {name} has a row and no event"));
            return;
        };
        let first = self.by_first.get(&row.first).copied();
        let stream = &self.log.streams[number as usize];
        let same = first == Some(number)
            && row.truncated_before == stream.truncated_before
            && row.tombstoned == stream.tombstoned;
        if !same {
            self.log.finding(|| format!("the row of stream {name} does not say what its events say"));
        }
        if !self.listed.insert(number) {
            self.log.finding(|| format!("stream {name} has two rows"));
        }
    }

    fn operation(&mut self, row: OperationRow) {
        let OperationRow { id, fingerprint, first, last } = row;
        let formed = id.len() == 32 && fingerprint.is_none_or(|fingerprint| fingerprint.len() == 32);
        let placed = self.last_operation < first && first <= last && last <= self.log.head();
        let id = hex(&id);
        if !formed || !placed {
            self.log.finding(|| format!("operation {id} ({first} to {last}) is badly formed or placed"));
        }
        self.last_operation = self.last_operation.max(last);
        self.log.operations.push(Written { id, first, last });
    }
}

fn word(bytes: &[u8], longest: usize) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let fits = (1..=longest).contains(&text.len()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}

/// 36 characters, lower case, hyphenated.
fn uuid(bytes: &[u8]) -> Option<Uuid> {
    let text = std::str::from_utf8(bytes).ok()?;
    let id = Uuid::try_parse(text).ok()?;
    (id.hyphenated().to_string() == text).then_some(id)
}

/// Microseconds of `YYYY-MM-DDTHH:MM:SS.ffffffZ`, spelled exactly so.
fn instant(bytes: &[u8]) -> Option<i64> {
    const FORM: &[u8; 27] = b"0000-00-00T00:00:00.000000Z";
    let form = |(byte, form): (&u8, &u8)| if *form == b'0' { byte.is_ascii_digit() } else { byte == form };
    if bytes.len() != FORM.len() || !bytes.iter().zip(FORM).all(form) {
        return None;
    }
    let number = |from: usize, to: usize| std::str::from_utf8(&bytes[from..to]).ok()?.parse::<u32>().ok();
    let day = NaiveDate::from_ymd_opt(number(0, 4)? as i32, number(5, 7)?, number(8, 10)?)?;
    let second = number(17, 19).filter(|second| *second < 60)?;
    let at: NaiveDateTime = day.and_hms_micro_opt(number(11, 13)?, number(14, 16)?, second, number(20, 26)?)?;
    (number(0, 4)? >= 1 && at >= DateTime::UNIX_EPOCH.naive_utc()).then(|| at.and_utc().timestamp_micros())
}

/// `$tb`, an integer without fraction or exponent.
fn truncation(payload: &[u8]) -> Option<i64> {
    serde_json::from_slice::<serde_json::Value>(payload).ok()?.get("$tb")?.as_i64()
}

fn marker(payload: &[u8]) -> Option<String> {
    let found = payload.windows(MARKER).find(|window| {
        window.starts_with(b"op") && window[2..].iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })?;
    String::from_utf8(found.to_vec()).ok()
}

fn operation(meta: &[u8]) -> Option<String> {
    let meta: serde_json::Value = serde_json::from_slice(meta).ok()?;
    Some(meta.get("operation")?.as_str()?.to_owned())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    })
}

#[cfg(test)]
#[path = "verify_tests.rs"]
pub(crate) mod tests;
