//! Small words that are parsed once and then trusted.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A stable code of a declaration or of the program: `[A-Za-z0-9_-]`, 1 to 64 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Code(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a code is 1 to 64 of the characters A-Z a-z 0-9 _ -")]
pub struct NotACode;

impl Code {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Code {
    type Err = NotACode;

    fn from_str(text: &str) -> Result<Self, NotACode> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for Code {
    type Error = NotACode;

    fn try_from(text: String) -> Result<Self, NotACode> {
        let fits =
            (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if fits { Ok(Self(text)) } else { Err(NotACode) }
    }
}

impl From<Code> for String {
    fn from(code: Code) -> Self {
        code.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The two languages of every label. French is the default everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    #[default]
    Fr,
    En,
}

/// A label that a person reads, in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    pub fr: String,
    pub en: String,
}

impl Label {
    pub fn in_language(&self, language: Language) -> &str {
        match language {
            Language::Fr => &self.fr,
            Language::En => &self.en,
        }
    }
}

/// Why typed text is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAText {
    #[error("the text is blank")]
    Blank,
    #[error("the text has more than {most} characters")]
    TooLong { most: usize },
    #[error("the text holds a NUL character")]
    Nul,
}

impl NotAText {
    /// Names the words to show: `refusal.text.too_long`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Blank => "text.blank",
            Self::TooLong { .. } => "text.too_long",
            Self::Nul => "text.nul",
        }
    }
}

/// Text as typed, of at most `most` characters; blank text is no text.
pub fn optional_text(text: Option<String>, most: usize) -> Result<Option<String>, NotAText> {
    match text {
        Some(text) if !text.trim().is_empty() => required_text(text, most).map(Some),
        _ => Ok(None),
    }
}

/// Text as typed, of at most `most` characters, that says something.
pub fn required_text(text: String, most: usize) -> Result<String, NotAText> {
    if text.trim().is_empty() {
        return Err(NotAText::Blank);
    }
    if text.contains('\0') {
        return Err(NotAText::Nul);
    }
    if text.chars().nth(most).is_some() {
        return Err(NotAText::TooLong { most });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_short_and_plain() {
        for good in ["a", "Eau-potable_2", &"x".repeat(64)] {
            assert_eq!(good.parse::<Code>().map(String::from), Ok(good.to_owned()));
        }
        for bad in ["", "é", "a b", "a.b", "a/b", &"x".repeat(65)] {
            assert_eq!(bad.parse::<Code>(), Err(NotACode), "{bad}");
        }
    }

    #[test]
    fn text_is_counted_in_characters_and_kept_as_typed() {
        assert_eq!(required_text(" né\r\n".to_owned(), 5), Ok(" né\r\n".to_owned()));
        assert_eq!(required_text("éé".to_owned(), 1), Err(NotAText::TooLong { most: 1 }));
        assert_eq!(required_text("a\0".to_owned(), 9), Err(NotAText::Nul));
        assert_eq!(required_text(" \t".to_owned(), 9), Err(NotAText::Blank));
        assert_eq!(optional_text(Some(" ".to_owned()), 9), Ok(None));
    }
}
