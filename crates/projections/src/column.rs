//! What a column may hold, and the one encoding of each: the same value is bound, written to JSON and digested.
//!
//! Ids are stored as the name of their stream, so that a row's id is its scope, joins any other read model and
//! finds the log. Words of the domain are stored as the domain writes them. Coordinates are integers of 1e-7 degree.

use chrono::NaiveDate;
use db::{DbError, Kind, Row, Value};
use domain::{
    declaration::Priority,
    ids::{PersonId, RequestId},
    number::Number,
    personal::Personal,
    promise::{Basis, Milestone, Release},
    request::{Status, Visibility},
    time::Instant,
    words::Code,
};
use serde::{Serialize, de::DeserializeOwned};

use uuid::Uuid;

use crate::{State, statistics::Owing};

/// A type that a read model may keep in a column.
pub trait Column: Sized {
    const KIND: Kind;
    const NULLABLE: bool = false;
    /// Holds sealed values: analysts' views leave the column out.
    const PERSONAL: bool = false;

    fn value(&self) -> Value;
    fn read(row: &Row<'_>, index: usize) -> Result<Self, DbError>;
}

impl<T: Column> Column for Option<T> {
    const KIND: Kind = T::KIND;
    const NULLABLE: bool = true;
    const PERSONAL: bool = T::PERSONAL;

    fn value(&self) -> Value {
        self.as_ref().map_or_else(|| null(T::KIND), Column::value)
    }

    fn read(row: &Row<'_>, index: usize) -> Result<Self, DbError> {
        if is_null::<T>(row, index)? { Ok(None) } else { T::read(row, index).map(Some) }
    }
}

fn is_null<T: Column>(row: &Row<'_>, index: usize) -> Result<bool, DbError> {
    Ok(match T::KIND {
        Kind::Bool => row.opt_bool(index)?.is_none(),
        Kind::Int => row.opt_int(index)?.is_none(),
        Kind::Text | Kind::Json => row.opt_str(index)?.is_none(),
        Kind::Uuid => row.opt_uuid(index)?.is_none(),
        Kind::At => row.opt_at(index)?.is_none(),
        Kind::Day => row.opt_day(index)?.is_none(),
        Kind::Bytes => row.opt_bytes(index)?.is_none(),
    })
}

fn null(kind: Kind) -> Value {
    match kind {
        Kind::Bool => Value::Bool(None),
        Kind::Int => Value::Int(None),
        Kind::Text => Value::Text(None),
        Kind::Uuid => Value::Uuid(None),
        Kind::At => Value::At(None),
        Kind::Day => Value::Day(None),
        Kind::Json => Value::Json(None),
        Kind::Bytes => Value::Bytes(None),
    }
}

fn unreadable(column: usize, wanted: &'static str) -> DbError {
    DbError::Decode { column, wanted, found: "something else".to_owned() }
}

/// A value of the domain in one column, as JSON, hidden from analysts because parts of it are sealed.
#[derive(Debug, Clone, PartialEq)]
pub struct Sealing<T>(pub T);

macro_rules! native {
    ($($type:ty => $kind:ident, $read:ident);+ $(;)?) => {
        $(impl Column for $type {
            const KIND: Kind = Kind::$kind;

            fn value(&self) -> Value {
                Value::$kind(Some(self.clone()))
            }

            fn read(row: &Row<'_>, index: usize) -> Result<Self, DbError> {
                row.$read(index)
            }
        })+
    };
}

native! {
    bool => Bool, bool;
    i64 => Int, int;
    String => Text, text;
    Instant => At, at;
    NaiveDate => Day, day;
    Uuid => Uuid, uuid;
}

impl Column for [u8; 32] {
    const KIND: Kind = Kind::Bytes;

    fn value(&self) -> Value {
        (*self).into()
    }

    fn read(row: &Row<'_>, index: usize) -> Result<Self, DbError> {
        row.bytes32(index)
    }
}

/// Only ever bound: scopes that are looked for.
impl Column for &str {
    const KIND: Kind = Kind::Text;

    fn value(&self) -> Value {
        (*self).into()
    }

    fn read(_: &Row<'_>, index: usize) -> Result<Self, DbError> {
        Err(unreadable(index, "borrowed text"))
    }
}

/// Text on the way in and out, parsed once.
macro_rules! text {
    ($($type:ty: |$this:ident| $write:expr, |$text:ident| $read:expr);+ $(;)?) => {
        $(impl Column for $type {
            const KIND: Kind = Kind::Text;

            fn value(&self) -> Value {
                let $this = self;
                Value::Text(Some($write))
            }

            fn read(row: &Row<'_>, index: usize) -> Result<Self, DbError> {
                let $text = row.text(index)?;
                $read.ok_or_else(|| unreadable(index, concat!("a ", stringify!($type))))
            }
        })+
    };
}

text! {
    Code: |code| code.as_str().to_owned(), |text| text.parse().ok();
    Number: |number| number.as_str().to_owned(), |text| text.parse().ok();
    RequestId: |id| id.stream(), |text| Self::of_stream(&text);
    PersonId: |id| id.stream(), |text| Self::of_stream(&text);
    Status: |word| word_of(word), |text| word(text);
    Priority: |word| word_of(word), |text| word(text);
    Milestone: |word| word_of(word), |text| word(text);
    Basis: |word| word_of(word), |text| word(text);
    Release: |word| word_of(word), |text| word(text);
    Visibility: |word| word_of(word), |text| word(text);
    State: |word| word_of(word), |text| word(text);
    Owing: |word| word_of(word), |text| word(text);
}

/// What serde calls the variant: the word that stands in the log.
pub(crate) fn word_of(word: &impl Serialize) -> String {
    match serde_json::to_value(word) {
        Ok(serde_json::Value::String(text)) => text,
        other => unreachable!("a word of the domain is written as a string, not {other:?}"),
    }
}

pub(crate) fn word<T: DeserializeOwned>(text: String) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(text)).ok()
}

macro_rules! sealed {
    ($($type:ty),+) => {
        $(impl<T: Serialize + DeserializeOwned> Column for $type {
            const KIND: Kind = Kind::Json;
            const PERSONAL: bool = true;

            fn value(&self) -> Value {
                Value::Json(Some(canonical(&self.json())))
            }

            fn read(row: &Row<'_>, index: usize) -> Result<Self, DbError> {
                serde_json::from_str(&row.json(index)?)
                    .map(Self::wrap)
                    .map_err(|_| unreadable(index, concat!("a ", stringify!($type))))
            }
        })+
    };
}

sealed!(Personal<T>, Sealing<T>);

/// What stands in the JSON of a sealed column.
trait Wrap {
    type Inside: Serialize + DeserializeOwned;
    fn json(&self) -> &Self::Inside;
    fn wrap(inside: Self::Inside) -> Self;
}

impl<T: Serialize + DeserializeOwned> Wrap for Personal<T> {
    type Inside = Self;
    fn json(&self) -> &Self {
        self
    }
    fn wrap(inside: Self) -> Self {
        inside
    }
}

impl<T: Serialize + DeserializeOwned> Wrap for Sealing<T> {
    type Inside = T;
    fn json(&self) -> &T {
        &self.0
    }
    fn wrap(inside: T) -> Self {
        Self(inside)
    }
}

/// Keys sorted (a `serde_json::Map` is a B-tree), no spaces.
fn canonical(value: &impl Serialize) -> String {
    serde_json::to_value(value).expect("values of the domain hold nothing that JSON cannot say").to_string()
}
