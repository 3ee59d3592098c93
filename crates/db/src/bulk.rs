//! Many rows in one go: on PostgreSQL one statement whatever their number, on SQLite prepared rows.

use crate::Dialect;

/// A column of a bulk write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    pub name: &'static str,
    pub kind: Kind,
}

/// The type of a column, as [`Value`](crate::Value) names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Int,
    Text,
    Uuid,
    At,
    Day,
    Json,
    Bytes,
}

/// What an inserted row does where its key already stands.
#[derive(Debug, Clone, Copy)]
pub enum OnConflict<'a> {
    Fail,
    Ignore,
    /// Replace every column that is not of the key.
    Update {
        key: &'a [&'a str],
    },
    /// Add to every column that is not of the key: counters.
    Add {
        key: &'a [&'a str],
    },
}

impl Kind {
    /// The column type of a table.
    pub(crate) fn of(self, dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Sqlite => self.sqlite(),
            Dialect::Postgres => self.postgres(),
        }
    }

    /// The column type of a strict SQLite table.
    pub fn sqlite(self) -> &'static str {
        match self {
            Self::Bool | Self::Int => "integer",
            Self::Text | Self::Uuid | Self::At | Self::Day | Self::Json => "text",
            Self::Bytes => "blob",
        }
    }

    /// The column type on PostgreSQL. Tables add `collate "C"` to text.
    pub fn postgres(self) -> &'static str {
        match self {
            Self::Bool => "boolean",
            Self::Int => "bigint",
            Self::Text => "text",
            Self::Uuid => "uuid",
            Self::At => "timestamptz",
            Self::Day => "date",
            Self::Json => "json",
            Self::Bytes => "bytea",
        }
    }
}

pub(crate) fn sqlite_insert(table: &str, columns: &[Column], on_conflict: OnConflict<'_>) -> String {
    let marks = list(columns.iter().map(|_| "?".to_owned()));
    let insert = format!("insert into {table} as held ({}) values ({marks})", names(columns));
    insert + &conflict_clause(columns, on_conflict)
}

/// `only_if`: a condition on the row, beside its key.
pub(crate) fn sqlite_delete(table: &str, key: &[Column], only_if: Option<&str>) -> String {
    let matches = key.iter().map(|column| format!("target.{} = ?", column.name)).collect::<Vec<_>>().join(" and ");
    format!("delete from {table} as target where {matches}{}", condition(only_if))
}

pub(crate) fn condition(only_if: Option<&str>) -> String {
    only_if.map(|condition| format!(" and {condition}")).unwrap_or_default()
}

pub(crate) fn conflict_clause(columns: &[Column], on_conflict: OnConflict<'_>) -> String {
    match on_conflict {
        OnConflict::Fail => String::new(),
        OnConflict::Ignore => " on conflict do nothing".to_owned(),
        OnConflict::Update { key } => update_clause(columns, key, |name| format!("{name} = excluded.{name}")),
        OnConflict::Add { key } => {
            update_clause(columns, key, |name| format!("{name} = held.{name} + excluded.{name}"))
        }
    }
}

fn update_clause(columns: &[Column], key: &[&str], set: impl Fn(&str) -> String) -> String {
    let others = columns.iter().filter(|column| !key.contains(&column.name));
    let sets = others.map(|column| set(column.name)).collect::<Vec<_>>();
    let action = if sets.is_empty() { "nothing".to_owned() } else { format!("update set {}", sets.join(", ")) };
    format!(" on conflict ({}) do {action}", key.join(", "))
}

pub(crate) fn names(columns: &[Column]) -> String {
    list(columns.iter().map(|column| column.name.to_owned()))
}

pub(crate) fn list(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}
