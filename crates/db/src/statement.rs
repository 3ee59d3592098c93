//! A statement: text written once, and its values.

use std::borrow::Cow;

use crate::{Dialect, Value};

/// The rare pair of texts, where one text cannot serve both. A comment beside it says why.
#[derive(Debug, Clone, Copy)]
pub struct Dialects {
    pub sqlite: &'static str,
    pub postgres: &'static str,
}

/// Text with `$1` placeholders, and as many values.
#[derive(Debug, Clone)]
pub struct Statement {
    sqlite: Cow<'static, str>,
    postgres: Cow<'static, str>,
    values: Vec<Value>,
    by_key: bool,
}

impl Statement {
    /// One text for both databases.
    ///
    /// # Panics
    /// When the highest `$n` is not the number of values: SQLite would bind the missing ones as null, silently.
    pub fn new(sql: &'static str, values: Vec<Value>) -> Self {
        Self::per_dialect(Dialects { sqlite: sql, postgres: sql }, values)
    }

    /// A text for each database, same parameters.
    ///
    /// # Panics
    /// As [`Statement::new`].
    pub fn per_dialect(sql: Dialects, values: Vec<Value>) -> Self {
        for text in [sql.sqlite, sql.postgres] {
            assert_eq!(highest_placeholder(text), values.len(), "placeholders and values of: {text}");
        }
        Self { sqlite: sql.sqlite.into(), postgres: sql.postgres.into(), values, by_key: false }
    }

    /// One text for both databases, which the program put together of its own words.
    ///
    /// # Panics
    /// As [`Statement::new`].
    pub fn composed(sql: String, values: Vec<Value>) -> Self {
        assert_eq!(highest_placeholder(&sql), values.len(), "placeholders and values of: {sql}");
        Self { sqlite: sql.clone().into(), postgres: sql.into(), values, by_key: false }
    }

    /// Says that it finds a few rows by an index, or the first rows in the order of one. PostgreSQL then plans it once, by that
    /// index whatever its tables look like that day, where it would otherwise plan each time; and such reads share connections.
    #[must_use]
    pub fn by_key(self) -> Self {
        Self { by_key: true, ..self }
    }

    /// Puts a read model's current table, a name made by the program, where the text says `@table`.
    #[must_use]
    pub fn table(self, name: &str) -> Self {
        let replaced = |text: Cow<'static, str>| Cow::Owned(text.replace("@table", name));
        Self { sqlite: replaced(self.sqlite), postgres: replaced(self.postgres), ..self }
    }

    /// Puts words that the program made, a list of columns or another table, where the text says `mark`.
    #[must_use]
    pub fn fill(self, mark: &str, words: &str) -> Self {
        self.fill_per_dialect(mark, words, words)
    }

    /// The same, where the databases call it differently.
    #[must_use]
    pub fn fill_per_dialect(self, mark: &str, sqlite: &str, postgres: &str) -> Self {
        let replaced = |text: Cow<'static, str>, words| Cow::Owned(text.replace(mark, words));
        Self { sqlite: replaced(self.sqlite, sqlite), postgres: replaced(self.postgres, postgres), ..self }
    }

    /// The text one database will see.
    pub fn sql(&self, dialect: Dialect) -> &str {
        match dialect {
            Dialect::Sqlite => &self.sqlite,
            Dialect::Postgres => &self.postgres,
        }
    }

    pub(crate) fn values(&self) -> &[Value] {
        &self.values
    }

    pub(crate) fn is_by_key(&self) -> bool {
        self.by_key
    }
}

fn highest_placeholder(sql: &str) -> usize {
    sql.split('$')
        .skip(1)
        .filter_map(|tail| tail[..tail.bytes().take_while(u8::is_ascii_digit).count()].parse().ok())
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_placeholder_counts_not_the_number_of_them() {
        assert_eq!(highest_placeholder("select $2 where $1 = $2"), 2);
        assert_eq!(highest_placeholder("select 'a$b', $12"), 12);
        assert_eq!(highest_placeholder("select 1"), 0);
    }

    #[test]
    #[should_panic(expected = "placeholders and values")]
    fn a_missing_value_is_refused() {
        let _ = Statement::new("select $1, $2", vec![1_i64.into()]);
    }

    #[test]
    fn a_table_takes_its_place_in_both_texts() {
        let statement = Statement::new("select count(*) from @table", vec![]).table("queue_v1");
        assert_eq!(statement.sql(Dialect::Sqlite), "select count(*) from queue_v1");
        assert_eq!(statement.sql(Dialect::Postgres), "select count(*) from queue_v1");
    }
}
