//! What every fuzz target starts from: documents that are nearly right.
//!
//! A parser refuses random bytes at the first of them, so that nothing behind its first line is ever run. A target
//! therefore takes documents that are right and edits them: words where no word was expected, pieces left out, said
//! twice or taken from another document; and now and then no document at all.
//!
//! Targets are ordinary tests, `fuzz::…!` or `bolero::check!()` over [`Nearly`]: `cargo test` gives each a second of
//! random edits. The same tests follow coverage under libFuzzer, for as long as one likes; `docs/reliability.md` has
//! the command. What either finds becomes an example beside the parser, in words, and not a file of bytes.

use std::fmt;

use bolero::{Driver, ValueGenerator};

pub use bolero::check;

/// Edits of one document. A handful keeps most of it right, which is where the deep branches are.
const MOST_EDITS: u8 = 6;
const LONGEST_NOISE: u8 = 64;
const LONGEST_PIECE: u16 = 256;

/// What parsers have stumbled over: other programs' and ours.
const WORDS: &[&str] = &[
    "",
    "\0",
    " ",
    "\r\n",
    "\"",
    "'",
    "\\",
    "\\u0000",
    "\\ud800",
    "{",
    "}",
    "[",
    "]",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    ":",
    ",",
    "&",
    "=",
    "%00",
    "%ff",
    "+",
    "-",
    "null",
    "true",
    "0",
    "-0",
    "-1",
    "1.5",
    "1e400",
    "NaN",
    "inf",
    "127",
    "2147483648",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "0001-01-01",
    "9999-12-31",
    "10000-01-01",
    "-262143-01-01",
    "+262142-12-31",
    "2026-02-30",
    "2026-03-08T02:30:00-05:00",
    "2026-11-22T23:59:60Z",
    "9999-12-31T23:59:59.999999999-23:59",
    "24:00",
    "00:00",
    "America/Toronto",
    "$plain",
    "$sealed",
    "{\"$plain\":1}",
    "../../etc/passwd",
    "<!ENTITY x SYSTEM \"file:///\">",
    "é",
    "e\u{301}",
    "ﬁ",
    "İ",
    "\u{202e}",
    "\u{feff}",
    "\u{10ffff}",
    "👩‍👩‍👧‍👦",
];

/// A document to hand to a parser. Shows itself as text when a target fails.
#[derive(Clone, PartialEq, Eq)]
pub struct Document(Vec<u8>);

impl Document {
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// As text, for parsers that are only ever given text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// Makes documents that are nearly one of the samples.
pub struct Nearly {
    samples: Vec<Vec<u8>>,
}

impl Nearly {
    /// Panics without a sample: there is nothing to start from.
    pub fn of(samples: impl IntoIterator<Item = impl Into<Vec<u8>>>) -> Self {
        let samples: Vec<Vec<u8>> = samples.into_iter().map(Into::into).collect();
        assert!(!samples.is_empty(), "a target starts from samples");
        Self { samples }
    }

    fn sample<D: Driver>(&self, driver: &mut D) -> Option<&[u8]> {
        Some(&self.samples[(0..self.samples.len()).generate(driver)?])
    }

    fn edit<D: Driver>(&self, document: &mut Vec<u8>, driver: &mut D) -> Option<()> {
        match (0..7_u8).generate(driver)? {
            0 => {
                let at = place(document, driver)?;
                document.splice(at..at, word(driver)?.bytes());
            }
            1 => {
                let piece = piece(document, driver)?;
                document.drain(piece);
            }
            2 => {
                let piece = piece(document, driver)?;
                let said = document[piece.clone()].to_vec();
                document.splice(piece.end..piece.end, said);
            }
            3 => {
                let other = self.sample(driver)?;
                let taken = other[piece(other, driver)?].to_vec();
                let at = place(document, driver)?;
                document.splice(at..at, taken);
            }
            4 => {
                let at = place(document, driver)?;
                let byte = driver.produce::<u8>()?;
                if let Some(old) = document.get_mut(at) {
                    *old = byte;
                }
            }
            // A value in place of a value: most often what gets past a grammar.
            _ => {
                let values = values(document);
                if !values.is_empty() {
                    let value = values[(0..values.len()).generate(driver)?].clone();
                    document.splice(value, word(driver)?.bytes());
                }
            }
        }
        Some(())
    }
}

impl ValueGenerator for Nearly {
    type Output = Document;

    fn generate<D: Driver>(&self, driver: &mut D) -> Option<Document> {
        if (0..16_u8).generate(driver)? == 0 {
            let length = (0..=LONGEST_NOISE).generate(driver)?;
            let noise: Option<Vec<u8>> = (0..length).map(|_| driver.produce()).collect();
            return noise.map(Document);
        }
        let mut document = self.sample(driver)?.to_vec();
        for _ in 0..(0..=MOST_EDITS).generate(driver)? {
            self.edit(&mut document, driver)?;
        }
        Some(Document(document))
    }
}

fn word<D: Driver>(driver: &mut D) -> Option<&'static str> {
    Some(WORDS[(0..WORDS.len()).generate(driver)?])
}

fn place<D: Driver>(document: &[u8], driver: &mut D) -> Option<usize> {
    (0..=document.len()).generate(driver)
}

fn piece<D: Driver>(document: &[u8], driver: &mut D) -> Option<std::ops::Range<usize>> {
    let start = place(document, driver)?;
    let length = usize::from((0..=LONGEST_PIECE).generate(driver)?);
    Some(start..(start + length).min(document.len()))
}

/// Where the values of a document may stand: runs of what words, numbers and dates are made of.
fn values(document: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut start = None;
    for (at, byte) in document.iter().enumerate() {
        let within = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | 0x80..);
        match (within, start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                found.push(from..at);
                start = None;
            }
            _ => {}
        }
    }
    found.extend(start.map(|from| from..document.len()));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_between_punctuation() {
        let document = br#"{"lat": -46.8, "on":"2026-01-01"}"#;
        let found: Vec<_> = values(document).into_iter().map(|at| &document[at]).collect();
        assert_eq!(found, [&b"lat"[..], b"-46.8", b"on", b"2026-01-01"]);
        let word: Vec<_> = values(b"a").into_iter().map(|at| (at.start, at.end)).collect();
        assert_eq!(word, [(0, 1)]);
        assert_eq!(values(b""), []);
    }

    #[test]
    fn a_document_is_nearly_a_sample() {
        check!().with_generator(Nearly::of(["a=1&b=2"])).for_each(|document: &Document| {
            let most = usize::from(MOST_EDITS) * usize::from(LONGEST_PIECE) + 7;
            assert!(document.bytes().len() <= most.max(usize::from(LONGEST_NOISE)));
        });
    }
}
