//! Reading a column from PostgreSQL's binary format. Its declared type is not looked at: typed columns hold what was declared,
//! and what does not decode is an error of its own.

use std::error::Error;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};
use uuid::Uuid;

use super::value::{EPOCH_DAY, EPOCH_MICROSECONDS};
use crate::DbError;

struct Received<'r>(&'r [u8]);

impl<'r> FromSql<'r> for Received<'r> {
    fn from_sql(_: &Type, raw: &'r [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

pub(crate) fn bytes(row: &Row, index: usize) -> Result<Option<&[u8]>, DbError> {
    let received: Option<Received<'_>> = row.try_get(index).map_err(|_| DbError::Decode {
        column: index,
        wanted: "a column",
        found: format!("a row of {}", row.len()),
    })?;
    Ok(received.map(|Received(raw)| raw))
}

pub(crate) fn bool(row: &Row, index: usize) -> Result<Option<bool>, DbError> {
    read(row, index, "a boolean", |raw| Some(<[u8; 1]>::try_from(raw).ok()? != [0]))
}

/// `smallint` and `integer` read as well.
pub(crate) fn int(row: &Row, index: usize) -> Result<Option<i64>, DbError> {
    read(row, index, "an integer", |raw| match *raw {
        [a, b] => Some(i16::from_be_bytes([a, b]).into()),
        [a, b, c, d] => Some(i32::from_be_bytes([a, b, c, d]).into()),
        _ => Some(i64::from_be_bytes(raw.try_into().ok()?)),
    })
}

pub(crate) fn str(row: &Row, index: usize) -> Result<Option<&str>, DbError> {
    read(row, index, "text", |raw| std::str::from_utf8(raw).ok())
}

pub(crate) fn uuid(row: &Row, index: usize) -> Result<Option<Uuid>, DbError> {
    read(row, index, "an id", |raw| Uuid::from_slice(raw).ok())
}

pub(crate) fn at(row: &Row, index: usize) -> Result<Option<DateTime<Utc>>, DbError> {
    read(row, index, "an instant", |raw| {
        let microseconds = i64::from_be_bytes(raw.try_into().ok()?).checked_add(EPOCH_MICROSECONDS)?;
        DateTime::from_timestamp_micros(microseconds)
    })
}

pub(crate) fn day(row: &Row, index: usize) -> Result<Option<NaiveDate>, DbError> {
    read(row, index, "a day", |raw| {
        let days = i32::from_be_bytes(raw.try_into().ok()?);
        EPOCH_DAY.checked_add_signed(TimeDelta::days(days.into()))
    })
}

fn read<'r, T>(
    row: &'r Row,
    index: usize,
    wanted: &'static str,
    decode: impl FnOnce(&'r [u8]) -> Option<T>,
) -> Result<Option<T>, DbError> {
    let Some(raw) = bytes(row, index)? else { return Ok(None) };
    let found = || DbError::Decode { column: index, wanted, found: format!("{} other bytes", raw.len()) };
    decode(raw).map(Some).ok_or_else(found)
}
