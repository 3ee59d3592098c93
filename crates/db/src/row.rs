//! Reading a row, whichever database it came from.

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use crate::{DbError, postgres, sqlite};

/// A row borrowed from the driver; columns are read by index, in the order the statement lists them.
#[derive(Clone, Copy)]
pub enum Row<'r> {
    #[doc(hidden)]
    Sqlite(&'r rusqlite::Row<'r>),
    #[doc(hidden)]
    Postgres(&'r tokio_postgres::Row),
}

/// What can be read from a row.
pub trait ReadRow: Sized {
    fn read(row: &Row<'_>) -> Result<Self, DbError>;
}

/// PostgreSQL's columns are not checked against their declared type, on purpose: they hold what was declared.
impl<'r> Row<'r> {
    pub fn opt_bool(&self, index: usize) -> Result<Option<bool>, DbError> {
        match self {
            Self::Sqlite(row) => sqlite::bool(row, index),
            Self::Postgres(row) => postgres::bool(row, index),
        }
    }

    pub fn opt_int(&self, index: usize) -> Result<Option<i64>, DbError> {
        match self {
            Self::Sqlite(row) => sqlite::int(row, index),
            Self::Postgres(row) => postgres::int(row, index),
        }
    }

    pub fn opt_text(&self, index: usize) -> Result<Option<String>, DbError> {
        Ok(self.opt_str(index)?.map(str::to_owned))
    }

    /// Borrowed from the row, for readers that only look.
    pub fn opt_str(&self, index: usize) -> Result<Option<&'r str>, DbError> {
        match self {
            Self::Sqlite(row) => sqlite::str(row, index),
            Self::Postgres(row) => postgres::str(row, index),
        }
    }

    pub fn opt_uuid(&self, index: usize) -> Result<Option<Uuid>, DbError> {
        match self {
            Self::Sqlite(row) => sqlite::uuid(row, index),
            Self::Postgres(row) => postgres::uuid(row, index),
        }
    }

    pub fn opt_at(&self, index: usize) -> Result<Option<DateTime<Utc>>, DbError> {
        match self {
            Self::Sqlite(row) => sqlite::at(row, index),
            Self::Postgres(row) => postgres::at(row, index),
        }
    }

    pub fn opt_day(&self, index: usize) -> Result<Option<NaiveDate>, DbError> {
        match self {
            Self::Sqlite(row) => sqlite::day(row, index),
            Self::Postgres(row) => postgres::day(row, index),
        }
    }

    /// JSON as it was written.
    pub fn opt_json(&self, index: usize) -> Result<Option<String>, DbError> {
        self.opt_text(index)
    }

    pub fn opt_bytes(&self, index: usize) -> Result<Option<Vec<u8>>, DbError> {
        Ok(self.opt_blob(index)?.map(<[u8]>::to_vec))
    }

    fn opt_blob(&self, index: usize) -> Result<Option<&'r [u8]>, DbError> {
        match self {
            Self::Sqlite(row) => sqlite::bytes(row, index),
            Self::Postgres(row) => postgres::bytes(row, index),
        }
    }

    /// A digest or a key of 32 bytes.
    pub fn opt_bytes32(&self, index: usize) -> Result<Option<[u8; 32]>, DbError> {
        let Some(bytes) = self.opt_blob(index)? else { return Ok(None) };
        bytes.try_into().map(Some).map_err(|_| DbError::Decode {
            column: index,
            wanted: "32 bytes",
            found: format!("{} bytes", bytes.len()),
        })
    }
}

macro_rules! required {
    ($($name:ident $optional:ident -> $type:ty),+ $(,)?) => {
        impl<'r> Row<'r> {$(
            pub fn $name(&self, index: usize) -> Result<$type, DbError> {
                self.$optional(index)?.ok_or_else(|| DbError::Decode {
                    column: index,
                    wanted: stringify!($name),
                    found: "null".to_owned(),
                })
            }
        )+}
    };
}

required!(
    bool opt_bool -> bool,
    int opt_int -> i64,
    text opt_text -> String,
    str opt_str -> &'r str,
    uuid opt_uuid -> Uuid,
    at opt_at -> DateTime<Utc>,
    day opt_day -> NaiveDate,
    json opt_json -> String,
    bytes opt_bytes -> Vec<u8>,
    bytes32 opt_bytes32 -> [u8; 32],
);

/// A column that tells its type, so that small tuples read themselves.
trait Cell: Sized {
    fn cell(row: &Row<'_>, index: usize) -> Result<Self, DbError>;
}

macro_rules! cell {
    ($($type:ty => $required:ident $optional:ident),+ $(,)?) => {$(
        impl Cell for $type {
            fn cell(row: &Row<'_>, index: usize) -> Result<Self, DbError> {
                row.$required(index)
            }
        }
        impl Cell for Option<$type> {
            fn cell(row: &Row<'_>, index: usize) -> Result<Self, DbError> {
                row.$optional(index)
            }
        }
    )+};
}

cell!(
    bool => bool opt_bool,
    i64 => int opt_int,
    String => text opt_text,
    Uuid => uuid opt_uuid,
    DateTime<Utc> => at opt_at,
    NaiveDate => day opt_day,
    Vec<u8> => bytes opt_bytes,
    [u8; 32] => bytes32 opt_bytes32,
);

impl ReadRow for () {
    fn read(_: &Row<'_>) -> Result<Self, DbError> {
        Ok(())
    }
}

macro_rules! tuple {
    ($($name:ident $index:tt),+) => {
        #[allow(private_bounds, reason = "the cells are a closed set")]
        impl<$($name: Cell),+> ReadRow for ($($name,)+) {
            fn read(row: &Row<'_>) -> Result<Self, DbError> {
                Ok(($($name::cell(row, $index)?,)+))
            }
        }
    };
}

tuple!(A 0);
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
