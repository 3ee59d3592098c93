//! Rows out of a file: CSV or one JSON array of flat objects, packed or not, read as they come.
//!
//! A row that does not read is handed on as such and the next one follows. What the cells mean is the mapping's matter.

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

use anyhow::Context;
use flate2::read::MultiGzDecoder;
use indicatif::ProgressBar;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::mapping::{Format, Mapping};

/// One row as published: column and cell, spaces around it left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// The line it starts on in a CSV file; its place in a JSON array, from 1.
    pub line: u64,
    cells: BTreeMap<String, String>,
}

impl Row {
    pub(crate) fn new(line: u64, cells: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { line, cells: cells.into_iter().collect() }
    }

    /// Empty too where a JSON object leaves the name out, as cities do for what they do not know.
    pub(crate) fn cell(&self, column: &str) -> &str {
        self.cells.get(column).map_or("", String::as_str)
    }

    /// What the row says, whatever the order of its columns: equal rows have equal fingerprints.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for text in self.cells.iter().flat_map(|(column, cell)| [column, cell]) {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        hash.finalize().into()
    }
}

/// A row, or the line of one that does not read and why.
pub(crate) type RowRead = Result<Row, (u64, String)>;

/// Opens a file, or standard input as `-`; a name that ends in `.gz` is unpacked. The bar follows the bytes read.
pub(crate) fn open(path: &Path, bar: &ProgressBar) -> anyhow::Result<Box<dyn Read + Send>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    bar.set_length(file.metadata().map_or(0, |metadata| metadata.len()));
    let file = BufReader::new(bar.wrap_read(file));
    let packed = path.extension().is_some_and(|extension| extension == "gz");
    Ok(if packed { Box::new(BufReader::new(MultiGzDecoder::new(file))) } else { Box::new(file) })
}

/// Hands over each row in file order until `take` says stop (`false`) or the file ends.
///
/// Fails when the file itself does not read: it is not what the mapping says, or it is cut off.
pub(crate) fn rows(source: impl Read, mapping: &Mapping, take: &mut dyn FnMut(RowRead) -> bool) -> anyhow::Result<()> {
    match mapping.format {
        Format::Csv => csv_rows(source, mapping, take),
        Format::Json => json_rows(source, take),
    }
}

fn csv_rows(source: impl Read, mapping: &Mapping, take: &mut dyn FnMut(RowRead) -> bool) -> anyhow::Result<()> {
    let delimiter = u8::try_from(mapping.delimiter).context("the delimiter of a CSV file is an ASCII character")?;
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).trim(csv::Trim::All).from_reader(source);
    let columns: Vec<String> = reader.headers().context("read the first line")?.iter().map(str::to_owned).collect();
    for column in mapping.columns() {
        anyhow::ensure!(columns.iter().any(|known| known == column), "the file has no column {column}");
    }
    let mut record = csv::StringRecord::new();
    loop {
        let read = match reader.read_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) => {
                let line = record.position().map_or(0, csv::Position::line);
                Ok(Row::new(line, columns.iter().cloned().zip(record.iter().map(str::to_owned))))
            }
            Err(error) => {
                Err((bad_line(&error).ok_or(error).context("read the file")?, "not a row of this file".into()))
            }
        };
        if !take(read) {
            return Ok(());
        }
    }
}

/// The line of a row that has another number of fields or is not UTF-8; nothing when the file itself fails.
fn bad_line(error: &csv::Error) -> Option<u64> {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { pos, .. } | csv::ErrorKind::Utf8 { pos, .. } => {
            Some(pos.as_ref().map_or(0, csv::Position::line))
        }
        _ => None,
    }
}

fn json_rows(source: impl Read, take: &mut dyn FnMut(RowRead) -> bool) -> anyhow::Result<()> {
    let mut json = serde_json::Deserializer::from_reader(BufReader::new(source));
    let mut stopped = false;
    match json.deserialize_seq(Objects { take, stopped: &mut stopped }) {
        Err(_) if stopped => Ok(()),
        read => read.context("read the file as one array"),
    }
}

/// Visits an array without ever holding it.
struct Objects<'a> {
    take: &'a mut dyn FnMut(RowRead) -> bool,
    stopped: &'a mut bool,
}

impl<'de> Visitor<'de> for Objects<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut objects: A) -> Result<(), A::Error> {
        let mut line = 0;
        while let Some(value) = objects.next_element::<Value>()? {
            line += 1;
            if !(self.take)(flat(line, value)) {
                *self.stopped = true;
                return Ok(());
            }
        }
        Ok(())
    }
}

fn flat(line: u64, value: Value) -> RowRead {
    let Value::Object(fields) = value else { return Err((line, "not an object".into())) };
    let cells = fields.into_iter().map(|(column, value)| {
        let text = match value {
            Value::Null => String::new(),
            Value::String(text) => text.trim().to_owned(),
            other => other.to_string(),
        };
        (column, text)
    });
    Ok(Row::new(line, cells))
}
