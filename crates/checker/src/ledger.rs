//! What clients and the harness write down, one JSON object a line, before and after each thing they do.
//!
//! `invoke` stands in the file before the request is sent, so whatever the server did was announced. An attempt ends with
//! `ok` (a 2xx that arrived whole), `fail` (a definite refusal: nothing was done) or `unknown` (the connection broke, time ran
//! out, a 503): an operation that is unknown is repeated with the same key until it is definite.
//!
//! Instants are microseconds since the run began, of one monotonic clock that all ledgers of a run share.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Line {
    Invoke(Invoke),
    Ok(Answered),
    Fail(Refused),
    Unknown(Unknown),
    Read(Read),
    Resumed(Resumed),
    Saw(Saw),
    Planted(Planted),
    Checkpoint(Checkpoint),
    Compared(Compared),
    Ready(Ready),
    Ended(Ended),
    Residue(Residue),
    Fault(Fault),
}

/// A write is about to be sent. Its events carry `op` in clear: that is how the log tells which operation wrote them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoke {
    pub op: String,
    pub t: u64,
    /// The `Idempotency-Key`.
    pub key: String,
    /// SHA-256 of the body, in hexadecimal.
    pub body: String,
    /// The ETag that the write is conditional on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_match: Option<String>,
}

/// A 2xx arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    pub op: String,
    pub t: u64,
    pub status: u16,
    /// The stream that the answer names.
    pub stream: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// The token that stands for the position of the operation's last event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// SHA-256 of what must be the same each time the operation is answered, in hexadecimal.
    pub answer: String,
}

/// A definite refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    pub op: String,
    pub t: u64,
    pub status: u16,
    pub code: String,
}

/// Nobody knows, or the server says that it does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unknown {
    pub op: String,
    pub t: u64,
    /// Of the answer, if one came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(default)]
    pub retry_after: bool,
    pub why: String,
}

/// One matter was read over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    pub sent: u64,
    pub t: u64,
    pub stream: String,
    pub status: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// `<standard>/<ordinal>` to its due instant.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub due: BTreeMap<String, String>,
    /// What the public door says instead of an ETag: when the request last changed for the public, in whole seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<String>,
    #[serde(default)]
    pub retry_after: bool,
}

/// A reader of the log starts, or starts again, after a position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed {
    pub reader: String,
    pub after: i64,
}

/// A reader of the log was handed an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saw {
    pub reader: String,
    pub position: i64,
    pub id: Uuid,
    /// In hexadecimal.
    pub hash: String,
}

/// The harness wrote an event itself, past every door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planted {
    pub id: Uuid,
}

/// Where a read model stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    pub t: u64,
    pub model: String,
    pub generation: i64,
    pub position: i64,
}

/// Every row of a read model was compared with a fresh fold of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    pub model: String,
    pub position: i64,
    pub agrees: bool,
    /// Where this run expects the model to have stopped at an event that cannot be folded; absent: nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stops_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_at: Option<i64>,
    /// By table.
    pub digests: BTreeMap<String, String>,
}

/// A server answered `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    pub t: u64,
    pub server: String,
    pub millis: u64,
    /// The most that this run allows.
    pub limit: u64,
}

/// A process ended that nobody ended, or said that it panicked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    pub t: u64,
    pub server: String,
    pub how: String,
}

/// Something that must be back where it was, or at nothing, once the faults are over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Residue {
    pub of: String,
    pub before: f64,
    pub after: f64,
    /// The most that `after` may be.
    pub limit: f64,
}

/// A fault was injected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    pub t: u64,
    pub fault: String,
    pub detail: String,
}

/// Every line of a ledger. A last line that was cut off while it was written is left out: its request was never sent.
pub fn read(path: &Path) -> anyhow::Result<Vec<Line>> {
    let file = File::open(path).with_context(|| format!("open the ledger {}", path.display()))?;
    let mut lines = Vec::new();
    let mut reader = BufReader::new(file);
    let mut text = String::new();
    for number in 1.. {
        text.clear();
        if reader.read_line(&mut text).with_context(|| format!("read {}", path.display()))? == 0 {
            break;
        }
        if !text.ends_with('\n') {
            break;
        }
        let line = serde_json::from_str(&text).with_context(|| format!("{} line {number}", path.display()))?;
        lines.push(line);
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_reads_back_and_a_torn_last_line_is_left_out() {
        let line = Line::Fail(Refused { op: "op1".into(), t: 7, status: 412, code: "request.stale".into() });
        let text = serde_json::to_string(&line).expect("a line");
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), format!("{text}\n{text}\n{{\"what\":\"inv")).expect("written");
        assert_eq!(read(file.path()).expect("reads"), [line.clone(), line]);
    }

    #[test]
    fn a_damaged_line_in_the_middle_is_an_error() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "{\"what\":\"inv\n{}\n").expect("written");
        assert!(read(file.path()).is_err());
    }
}
