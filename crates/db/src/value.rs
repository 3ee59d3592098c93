//! The closed set of values a statement may carry, and the one encoder of each database.
//!
//! SQLite knows no instants, days, ids or booleans, so they travel as fixed text and 0/1; PostgreSQL gets its native types.

use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};
use uuid::Uuid;

use crate::DbError;

/// One parameter, possibly null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Bool(Option<bool>),
    Int(Option<i64>),
    Text(Option<String>),
    Uuid(Option<Uuid>),
    At(Option<DateTime<Utc>>),
    Day(Option<NaiveDate>),
    /// Canonical text, made so by the caller.
    Json(Option<String>),
    Bytes(Option<Vec<u8>>),
}

/// `YYYY-MM-DDTHH:MM:SS.ffffffZ`: sorts as it reads. Written by hand: a bulk write spells several for each row, and
/// chrono's own formatter interprets its pattern each time.
pub(crate) fn instant_text(at: DateTime<Utc>) -> String {
    let (day, time) = (at.date_naive(), at.time());
    // Chrono keeps a leap second as a nanosecond beyond the thousand million.
    let (second, microsecond) =
        (time.second() + time.nanosecond() / 1_000_000_000, time.nanosecond() / 1_000 % 1_000_000);
    let mut text = day_text(day);
    text.reserve_exact("Thh:mm:ss.ffffffZ".len());
    for (mark, number, width) in
        [('T', time.hour(), 2), (':', time.minute(), 2), (':', second, 2), ('.', microsecond, 6)]
    {
        text.push(mark);
        push_digits(&mut text, number, width);
    }
    text.push('Z');
    text
}

pub(crate) fn day_text(day: NaiveDate) -> String {
    // PostgreSQL takes years that four digits cannot write; they are rare enough for the formatter.
    let Some(year) = u32::try_from(day.year()).ok().filter(|year| *year < 10_000) else {
        return format!("{:04}-{:02}-{:02}", day.year(), day.month(), day.day());
    };
    let mut text = String::with_capacity("YYYY-MM-DDThh:mm:ss.ffffffZ".len());
    push_digits(&mut text, year, 4);
    for number in [day.month(), day.day()] {
        text.push('-');
        push_digits(&mut text, number, 2);
    }
    text
}

fn push_digits(text: &mut String, number: u32, width: u32) {
    for place in (0..width).rev() {
        text.push(char::from(b'0' + (number / 10_u32.pow(place) % 10) as u8));
    }
}

/// Text with a longer year, or a sign, would sort wrongly and not read back: better that it is never written.
pub(crate) fn four_digits<T>(value: T, day: NaiveDate) -> Result<T, DbError> {
    if (0..=9999).contains(&day.year()) { Ok(value) } else { Err(DbError::Year) }
}

impl Value {
    /// As a cell of JSON, in the spelling both databases read.
    pub fn into_json(self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self {
            Self::Bool(value) => value.map_or(Json::Null, Json::from),
            Self::Int(value) => value.map_or(Json::Null, Json::from),
            // JSON as a string too: re-printing it here could change its bytes.
            Self::Text(value) | Self::Json(value) => value.map_or(Json::Null, Json::from),
            Self::Uuid(value) => value.map_or(Json::Null, |id| id.hyphenated().to_string().into()),
            Self::At(value) => value.map_or(Json::Null, |at| instant_text(at).into()),
            Self::Day(value) => value.map_or(Json::Null, |day| day_text(day).into()),
            Self::Bytes(value) => value.map_or(Json::Null, |bytes| bytea_text(&bytes).into()),
        }
    }
}

/// PostgreSQL's hex input of a `bytea`.
fn bytea_text(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::from("\\x"), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    })
}

macro_rules! from {
    ($($source:ty => $variant:ident),+ $(,)?) => {$(
        impl From<$source> for Value {
            fn from(value: $source) -> Self {
                Self::$variant(Some(value.into()))
            }
        }
        impl From<Option<$source>> for Value {
            fn from(value: Option<$source>) -> Self {
                Self::$variant(value.map(Into::into))
            }
        }
    )+};
}

from!(
    bool => Bool,
    i64 => Int,
    i32 => Int,
    u32 => Int,
    &str => Text,
    String => Text,
    Uuid => Uuid,
    DateTime<Utc> => At,
    NaiveDate => Day,
    Vec<u8> => Bytes,
    [u8; 32] => Bytes,
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_spelled_in_full_width() {
        for text in ["2026-11-22T05:06:07.000089Z", "0999-01-02T00:00:00.000000Z", "2016-12-31T23:59:60.500000Z"] {
            let at = DateTime::parse_from_rfc3339(text).expect("an instant").to_utc();
            assert_eq!(instant_text(at), text);
            assert_eq!(instant_text(at), at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string());
        }
    }
}
