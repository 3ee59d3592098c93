//! `row!`: the only declaration of a row. Table, key, decoder, encoder and indexes all come from it.

use db::{Kind, Value};

/// The shape of a read model's table.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// The name analysts know: the SQL view's.
    pub table: &'static str,
    pub columns: &'static [ColumnShape],
    /// The first `key` columns are the key, the first of them the scope.
    pub key: usize,
    pub indexes: &'static [Index],
}

#[derive(Debug, Clone, Copy)]
pub struct ColumnShape {
    pub name: &'static str,
    pub kind: Kind,
    pub nullable: bool,
    /// Holds sealed values: left out of the analysts' view.
    pub personal: bool,
}

#[derive(Debug, Clone, Copy)]
pub struct Index {
    pub name: &'static str,
    pub columns: &'static str,
    /// A partial index serves only rows of which this holds.
    pub filter: Option<&'static str>,
}

/// A row of a read model, declared with [`row!`](crate::row!).
pub trait Row: db::ReadRow + Clone + PartialEq + std::fmt::Debug + Send + Sync + 'static {
    type Key: Ord + Clone + std::fmt::Debug + Send + Sync;
    const SHAPE: Shape;

    fn key(&self) -> Self::Key;
    /// The first column of the key: the stream whose events make this row.
    fn scope(&self) -> String;
    /// In the order of the columns.
    fn values(&self) -> Vec<Value>;
    /// Reads the columns from `first` on.
    fn read_at(row: &db::Row<'_>, first: usize) -> Result<Self, db::DbError>;
}

impl Shape {
    /// `a, b, c`, for a `select` or an `insert`.
    pub fn column_list(&self) -> String {
        self.columns.iter().map(|column| column.name).collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn db_columns(&self) -> Vec<db::Column> {
        self.columns.iter().map(|column| db::Column { name: column.name, kind: column.kind }).collect()
    }

    pub(crate) fn key_names(&self) -> Vec<&'static str> {
        self.columns[..self.key].iter().map(|column| column.name).collect()
    }

    /// Of a table of cells: that all of a row's counters are zero.
    pub(crate) fn zero(&self) -> String {
        let counters: Vec<String> =
            self.columns[self.key..].iter().map(|column| format!("{} = 0", column.name)).collect();
        counters.join(" and ")
    }

    /// The row as one line of canonical JSON, columns in their declared order: what is compared and digested.
    pub fn line(&self, values: &[Value]) -> String {
        let fields: Vec<String> = self
            .columns
            .iter()
            .zip(values)
            .map(|(column, value)| format!("\"{}\":{}", column.name, value.clone().into_json()))
            .collect();
        format!("{{{}}}", fields.join(","))
    }

    /// The key of a row as a person reads it in a report.
    pub fn key_text(&self, values: &[Value]) -> String {
        let parts: Vec<String> = values[..self.key]
            .iter()
            .map(|value| value.clone().into_json().to_string().trim_matches('"').to_owned())
            .collect();
        parts.join(" ")
    }
}

/// Declares a row: its table, its key (the first column is the scope), its other columns, its indexes.
///
/// ```text
/// row! {
///     /// One promise still owed. Read by team leads every morning.
///     pub struct Owed in deadline_queue {
///         key { request: RequestId, standard: Code, ordinal: i64 }
///         due_at: Instant,
///         unit: Option<Code>,
///     }
///     index due (due_at, request, standard, ordinal)
///     index paused (due_at, request) where "paused"
/// }
/// ```
#[macro_export]
macro_rules! row {
    (
        $(#[$doc:meta])*
        $visible:vis struct $name:ident in $table:ident {
            key { $($(#[$key_doc:meta])* $key:ident: $key_type:ty),+ $(,)? }
            $($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)?
        }
        $(index $index:ident ($($indexed:ident),+) $(where $filter:literal)?)*
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        $visible struct $name {
            $($(#[$key_doc])* pub $key: $key_type,)+
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $crate::Row for $name {
            type Key = ($($key_type,)+);

            const SHAPE: $crate::Shape = $crate::Shape {
                table: stringify!($table),
                columns: &[
                    $($crate::row!(@column $key, $key_type),)+
                    $($crate::row!(@column $field, $type),)*
                ],
                key: [$(stringify!($key)),+].len(),
                indexes: &[$($crate::Index {
                    name: stringify!($index),
                    columns: $crate::row!(@list $($indexed),+),
                    filter: $crate::row!(@filter $($filter)?),
                }),*],
            };

            fn key(&self) -> Self::Key {
                ($(self.$key.clone(),)+)
            }

            fn scope(&self) -> String {
                match [$($crate::Column::value(&self.$key)),+].into_iter().next() {
                    Some(db::Value::Text(Some(scope))) => scope,
                    _ => String::new(),
                }
            }

            fn values(&self) -> Vec<db::Value> {
                vec![
                    $($crate::Column::value(&self.$key),)+
                    $($crate::Column::value(&self.$field),)*
                ]
            }

            fn read_at(row: &db::Row<'_>, first: usize) -> Result<Self, db::DbError> {
                let mut columns = first..;
                let mut next = || columns.next().unwrap_or_default();
                Ok(Self {
                    $($key: $crate::Column::read(row, next())?,)+
                    $($field: $crate::Column::read(row, next())?,)*
                })
            }
        }

        impl db::ReadRow for $name {
            fn read(row: &db::Row<'_>) -> Result<Self, db::DbError> {
                $crate::Row::read_at(row, 0)
            }
        }
    };
    (@column $field:ident, $type:ty) => {
        $crate::ColumnShape {
            name: stringify!($field),
            kind: <$type as $crate::Column>::KIND,
            nullable: <$type as $crate::Column>::NULLABLE,
            personal: <$type as $crate::Column>::PERSONAL,
        }
    };
    (@list $first:ident $(, $more:ident)*) => { concat!(stringify!($first) $(, ", ", stringify!($more))*) };
    (@filter) => { None };
    (@filter $filter:literal) => { Some($filter) };
}
