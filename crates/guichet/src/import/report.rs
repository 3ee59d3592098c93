//! What an import did, and the rows that it could not take.

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::{BufWriter, ErrorKind},
    path::{Path, PathBuf},
};

use anyhow::Context;
use domain::words::Code;
use serde::Serialize;

/// The figures of one import.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    pub organisation: Code,
    pub source: Code,
    pub rows: u64,
    /// Rows that made a request now.
    pub imported: u64,
    /// Rows that an earlier run had imported.
    pub already: u64,
    /// Rows opened outside the asked days.
    pub left_out: u64,
    pub rejected: u64,
    pub events: u64,
    /// How many events a row made, and how many rows made that many.
    pub events_per_row: BTreeMap<usize, u64>,
    pub seconds: f64,
    /// Where the rejected rows are told, if there are any.
    pub rejects: Option<PathBuf>,
}

impl Report {
    pub(crate) fn new(organisation: Code, source: Code) -> Self {
        Self {
            organisation,
            source,
            rows: 0,
            imported: 0,
            already: 0,
            left_out: 0,
            rejected: 0,
            events: 0,
            events_per_row: BTreeMap::new(),
            seconds: 0.0,
            rejects: None,
        }
    }

    pub(crate) fn count(&mut self, events: usize, replayed: bool) {
        if replayed {
            self.already += 1;
            return;
        }
        self.imported += 1;
        self.events += events as u64;
        *self.events_per_row.entry(events).or_default() += 1;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} into {}: {} rows in {:.1} s", self.source, self.organisation, self.rows, self.seconds)?;
        writeln!(f, "  {:>8} imported", self.imported)?;
        writeln!(f, "  {:>8} already there", self.already)?;
        if self.left_out > 0 {
            writeln!(f, "  {:>8} outside the asked days", self.left_out)?;
        }
        match &self.rejects {
            Some(path) => writeln!(f, "  {:>8} rejected: see {}", self.rejected, path.display())?,
            None => writeln!(f, "  {:>8} rejected", self.rejected)?,
        }
        let per_second = self.events as f64 / self.seconds.max(f64::EPSILON);
        write!(f, "  {:>8} events, {per_second:.0} a second", self.events)?;
        for (events, rows) in &self.events_per_row {
            write!(f, "\n  {rows:>8} rows of {events} events")?;
        }
        Ok(())
    }
}

/// A CSV file of `line,reason`, made with its first row; one that an earlier run left is removed.
///
/// It repeats nothing of the row but a word that the declaration does not know: whoever may read the source finds the
/// line there.
pub(crate) struct Rejects {
    path: PathBuf,
    file: Option<csv::Writer<BufWriter<File>>>,
}

impl Rejects {
    pub(crate) fn new(path: PathBuf) -> anyhow::Result<Self> {
        // Only a file of ours goes: `--rejects /dev/null` names something that is not to be removed.
        match std::fs::symlink_metadata(&path) {
            Ok(found) if found.is_file() => {
                std::fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
            }
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("look for {}", path.display()));
            }
            _ => {}
        }
        Ok(Self { path, file: None })
    }

    pub(crate) fn add(&mut self, line: u64, reason: &str) -> anyhow::Result<()> {
        let writer = match &mut self.file {
            Some(writer) => writer,
            None => self.file.insert(create(&self.path)?),
        };
        writer.write_record([&line.to_string(), reason]).with_context(|| format!("write {}", self.path.display()))
    }

    /// Where they are, once they are all on disk.
    pub(crate) fn finish(self) -> anyhow::Result<Option<PathBuf>> {
        let Some(mut writer) = self.file else { return Ok(None) };
        writer.flush().with_context(|| format!("write {}", self.path.display()))?;
        Ok(Some(self.path))
    }
}

fn create(path: &Path) -> anyhow::Result<csv::Writer<BufWriter<File>>> {
    let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
    let mut writer = csv::Writer::from_writer(BufWriter::new(file));
    writer.write_record(["line", "reason"]).with_context(|| format!("write {}", path.display()))?;
    Ok(writer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_written_to_and_never_removed() {
        let dir = tempfile::tempdir().expect("a folder");
        let (target, link) = (dir.path().join("kept"), dir.path().join("link"));
        std::fs::write(&target, "kept").expect("a file");
        std::os::unix::fs::symlink(&target, &link).expect("a link");
        drop(Rejects::new(link.clone()).expect("a link is left alone"));
        assert!(link.is_symlink() && target.exists());
        drop(Rejects::new(target.clone()).expect("a file of an earlier run goes"));
        assert!(!target.exists());
    }
}
