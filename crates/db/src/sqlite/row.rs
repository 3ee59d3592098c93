//! Reading a column, strictly: what is stored must be of the kind that is asked for.

use chrono::{DateTime, NaiveDate, Utc};
use rusqlite::Row;
use rusqlite::types::ValueRef;
use uuid::Uuid;

use crate::DbError;

pub(crate) fn int(row: &Row<'_>, index: usize) -> Result<Option<i64>, DbError> {
    match row.get_ref(index)? {
        ValueRef::Null => Ok(None),
        ValueRef::Integer(value) => Ok(Some(value)),
        other => Err(unexpected(index, "an integer", other)),
    }
}

pub(crate) fn bool(row: &Row<'_>, index: usize) -> Result<Option<bool>, DbError> {
    Ok(int(row, index)?.map(|value| value != 0))
}

pub(crate) fn str<'r>(row: &'r Row<'_>, index: usize) -> Result<Option<&'r str>, DbError> {
    match row.get_ref(index)? {
        ValueRef::Null => Ok(None),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => {
                Err(DbError::Decode { column: index, wanted: "text", found: "bytes that are no UTF-8".to_owned() })
            }
        },
        other => Err(unexpected(index, "text", other)),
    }
}

pub(crate) fn bytes<'r>(row: &'r Row<'_>, index: usize) -> Result<Option<&'r [u8]>, DbError> {
    match row.get_ref(index)? {
        ValueRef::Null => Ok(None),
        ValueRef::Blob(bytes) => Ok(Some(bytes)),
        other => Err(unexpected(index, "bytes", other)),
    }
}

/// Names the kind, never the value: an error may be logged.
fn unexpected(column: usize, wanted: &'static str, found: ValueRef<'_>) -> DbError {
    DbError::Decode { column, wanted, found: found.data_type().to_string() }
}

fn parsed<'r, T>(
    row: &'r Row<'_>,
    index: usize,
    wanted: &'static str,
    parse: impl FnOnce(&'r str) -> Option<T>,
) -> Result<Option<T>, DbError> {
    let Some(text) = str(row, index)? else { return Ok(None) };
    parse(text).map(Some).ok_or_else(|| DbError::Decode { column: index, wanted, found: "other text".to_owned() })
}

pub(crate) fn uuid(row: &Row<'_>, index: usize) -> Result<Option<Uuid>, DbError> {
    parsed(row, index, "an id", |text| Uuid::try_parse(text).ok())
}

pub(crate) fn at(row: &Row<'_>, index: usize) -> Result<Option<DateTime<Utc>>, DbError> {
    parsed(row, index, "an instant", |text| {
        instant(text).or_else(|| DateTime::parse_from_rfc3339(text).ok().map(|at| at.with_timezone(&Utc)))
    })
}

pub(crate) fn day(row: &Row<'_>, index: usize) -> Result<Option<NaiveDate>, DbError> {
    parsed(row, index, "a day", |text| text.parse().ok())
}

/// The one spelling that this house writes, `YYYY-MM-DDTHH:MM:SS.ffffffZ`, read at a tenth of the cost of the general form.
/// None where it is anything else, a leap second included.
fn instant(text: &str) -> Option<DateTime<Utc>> {
    let bytes: &[u8; 27] = text.as_bytes().try_into().ok()?;
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (26, b'Z')];
    if marks.iter().any(|(place, mark)| bytes[*place] != *mark) {
        return None;
    }
    let number = |from: usize, until: usize| {
        bytes[from..until]
            .iter()
            .try_fold(0_u32, |number, byte| byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0')))
    };
    let day = NaiveDate::from_ymd_opt(number(0, 4)? as i32, number(5, 7)?, number(8, 10)?)?;
    let at = day.and_hms_micro_opt(number(11, 13)?, number(14, 16)?, number(17, 19)?, number(20, 26)?)?;
    Some(at.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::instant_text;

    #[test]
    fn the_short_way_reads_what_the_general_one_does() {
        for text in ["2026-11-22T05:06:07.000089Z", "0000-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z"] {
            let at = DateTime::parse_from_rfc3339(text).expect("an instant").to_utc();
            assert_eq!(instant(text), Some(at));
            assert_eq!(instant_text(at), text);
        }
        for other in [
            "2016-12-31T23:59:60.500000Z",
            "2026-02-29T00:00:00.000000Z",
            "2026-11-22T05:06:07.00008Z",
            "2026-11-22T05:06:07.000089+",
            "2026-11-22 05:06:07.000089Z",
            "+026-11-22T05:06:07.000089Z",
            "2026-11-22T24:00:00.000000Z",
        ] {
            assert_eq!(instant(other), None, "{other}");
        }
    }
}
