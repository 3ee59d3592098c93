//! The one encoder of PostgreSQL: values in its binary format.

use std::error::Error;
use std::fmt;

use bytes::{BufMut, BytesMut};
use chrono::NaiveDate;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::error::Unsendable;
use crate::Value;
use crate::bulk::Kind;

/// PostgreSQL counts microseconds and days from 2000-01-01.
pub(super) const EPOCH_MICROSECONDS: i64 = 946_684_800_000_000;
pub(super) const EPOCH_DAY: NaiveDate = NaiveDate::from_ymd_opt(2000, 1, 1).expect("a day");

/// A value on its way to the server. Its `Debug` says nothing: the driver prints parameters into its own log.
pub(super) struct Parameter<'v>(pub(super) &'v Value);

impl fmt::Debug for Parameter<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("_")
    }
}

impl ToSql for Parameter<'_> {
    fn to_sql(&self, prepared: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        if *prepared != type_of(self.0) {
            return Err(Unsendable::OtherType.into());
        }
        Ok(if encode(self.0, out) { IsNull::No } else { IsNull::Yes })
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// One column of many rows, as an array.
pub(super) struct Cells<'r> {
    pub(super) rows: &'r [Vec<Value>],
    pub(super) column: usize,
}

impl fmt::Debug for Cells<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("_")
    }
}

impl ToSql for Cells<'_> {
    fn to_sql(&self, array: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let tokio_postgres::types::Kind::Array(member) = array.kind() else {
            return Err(Unsendable::OtherType.into());
        };
        out.put_i32(1); // dimensions
        out.put_i32(1); // there may be nulls
        out.put_u32(member.oid());
        out.put_i32(i32::try_from(self.rows.len()).map_err(|_| Unsendable::TooLarge)?);
        out.put_i32(1); // the first index
        for row in self.rows {
            let value = row.get(self.column).ok_or(Unsendable::ShortRow)?;
            if *member != type_of(value) {
                return Err(Unsendable::OtherType.into());
            }
            sized(value, out)?;
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// The value with its length before it, as arrays and `copy` want it.
pub(super) fn sized(value: &Value, out: &mut BytesMut) -> Result<(), Unsendable> {
    let at = out.len();
    out.put_i32(-1); // null
    if encode(value, out) {
        let length = i32::try_from(out.len() - at - 4).map_err(|_| Unsendable::TooLarge)?;
        out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

/// False where there is nothing to write: null.
fn encode(value: &Value, out: &mut BytesMut) -> bool {
    match value {
        Value::Bool(Some(yes)) => out.put_u8(u8::from(*yes)),
        Value::Int(Some(number)) => out.put_i64(*number),
        Value::Text(Some(text)) | Value::Json(Some(text)) => out.put_slice(text.as_bytes()),
        Value::Uuid(Some(id)) => out.put_slice(id.as_bytes()),
        Value::At(Some(at)) => out.put_i64(at.timestamp_micros() - EPOCH_MICROSECONDS),
        // Chrono's days are far fewer than an i32 holds.
        Value::Day(Some(day)) => out.put_i32((*day - EPOCH_DAY).num_days() as i32),
        Value::Bytes(Some(bytes)) => out.put_slice(bytes),
        _ => return false,
    }
    true
}

/// What PostgreSQL is told of each value: `$1 is null` alone would leave it guessing. `json`, not `jsonb`: kept as written.
pub(super) fn type_of(value: &Value) -> Type {
    match value {
        Value::Bool(_) => Type::BOOL,
        Value::Int(_) => Type::INT8,
        Value::Text(_) => Type::TEXT,
        Value::Uuid(_) => Type::UUID,
        Value::At(_) => Type::TIMESTAMPTZ,
        Value::Day(_) => Type::DATE,
        Value::Json(_) => Type::JSON,
        Value::Bytes(_) => Type::BYTEA,
    }
}

pub(super) fn array_of(kind: Kind) -> Type {
    match kind {
        Kind::Bool => Type::BOOL_ARRAY,
        Kind::Int => Type::INT8_ARRAY,
        Kind::Text => Type::TEXT_ARRAY,
        Kind::Uuid => Type::UUID_ARRAY,
        Kind::At => Type::TIMESTAMPTZ_ARRAY,
        Kind::Day => Type::DATE_ARRAY,
        Kind::Json => Type::JSON_ARRAY,
        Kind::Bytes => Type::BYTEA_ARRAY,
    }
}
