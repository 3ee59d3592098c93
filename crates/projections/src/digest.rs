//! Whether two fillings of a read model are the same: each row as one canonical line, the lines' digests sorted here.
//!
//! Sorted in Rust, so that neither database's idea of order matters; by digest, so that a billion rows need no more
//! memory than their digests.

use db::Value;
use sha2::{Digest as _, Sha256};

use crate::Shape;

/// One row, reduced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// As a person reads it in a report.
    pub key: String,
    pub digest: [u8; 32],
}

impl Line {
    pub fn of(shape: &Shape, values: &[Value]) -> Self {
        Self { key: shape.key_text(values), digest: Sha256::digest(shape.line(values)).into() }
    }
}

/// The digest of a set of rows, in lowercase hexadecimal.
pub(crate) fn of_lines(mut digests: Vec<[u8; 32]>) -> String {
    digests.sort_unstable();
    let mut whole = Sha256::new();
    for digest in &digests {
        whole.update(digest);
    }
    hexadecimal(&whole.finalize())
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    })
}
