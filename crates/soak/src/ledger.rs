//! The ledgers: one file for each client, a line written whole before the next thing happens.
//!
//! Lines go to the file at once and are not synced: a soak kills servers and databases, never the machine that it runs on.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use anyhow::Context;
use checker::ledger::Line;

/// The one clock of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Microseconds since the run began.
    pub(crate) fn now(self) -> u64 {
        self.0.elapsed().as_micros() as u64
    }
}

/// A folder of ledgers.
#[derive(Clone)]
pub(crate) struct Ledgers(PathBuf);

impl Ledgers {
    pub(crate) fn new(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    pub(crate) fn open(&self, name: &str) -> anyhow::Result<Ledger> {
        let path = self.0.join(format!("{name}.jsonl"));
        let file = File::options().create(true).append(true).open(&path);
        let file = file.with_context(|| format!("open the ledger {}", path.display()))?;
        Ok(Ledger(Arc::new(Mutex::new(file))))
    }

    /// Every line of every ledger.
    pub(crate) fn lines(&self) -> anyhow::Result<Vec<Line>> {
        let mut lines = Vec::new();
        let mut paths: Vec<PathBuf> =
            std::fs::read_dir(&self.0)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
        paths.sort();
        for path in paths {
            lines.extend(checker::ledger::read(&path)?);
        }
        Ok(lines)
    }
}

/// Cheap to clone; clones write to the same file.
#[derive(Clone)]
pub(crate) struct Ledger(Arc<Mutex<File>>);

impl Ledger {
    /// The line is in the file when this returns: what it announces may then be done.
    pub(crate) fn write(&self, line: &Line) -> anyhow::Result<()> {
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(text.as_bytes()).context("write to the ledger")
    }
}

/// As ledgers spell bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    })
}
