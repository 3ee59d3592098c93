//! The conditions of a list: those that are asked for and no other.
//!
//! One text with `$1 is null or unit = $1` would serve every question, but no planner can tell from it which index does: it
//! would be planned anew for each question, or read in whatever order serves all of them.

use db::{Statement, Value};

use crate::Column;

#[derive(Default)]
pub(crate) struct Conditions {
    words: Vec<String>,
    values: Vec<Value>,
}

impl Conditions {
    /// Without a value.
    pub(crate) fn fixed(&mut self, words: &str) {
        self.words.push(words.to_owned());
    }

    /// `words` end where the value stands.
    pub(crate) fn add(&mut self, words: &str, value: impl Into<Value>) {
        let place = self.place(value.into());
        self.words.push(format!("{words} {place}"));
    }

    /// Nothing, where nothing is asked.
    pub(crate) fn equal<T: Column>(&mut self, column: &str, wanted: Option<&T>) {
        if let Some(wanted) = wanted {
            self.add(&format!("{column} ="), wanted.value());
        }
    }

    /// What comes after a place in the order of these columns.
    pub(crate) fn after(&mut self, columns: &str, place: impl IntoIterator<Item = Value>) {
        let places: Vec<String> = place.into_iter().map(|value| self.place(value)).collect();
        self.words.push(format!("({columns}) > ({})", places.join(", ")));
    }

    /// The text with the conditions where it says `@conditions`, and no more of its rows than a page holds.
    pub(crate) fn statement(mut self, text: &str, limit: i64, skip: i64) -> Statement {
        let (limit, skip) = (self.place(limit.into()), self.place(skip.into()));
        let conditions = if self.words.is_empty() { "true".to_owned() } else { self.words.join(" and ") };
        let text = text.replace("@conditions", &conditions);
        Statement::composed(format!("{text} limit {limit} offset {skip}"), self.values)
    }

    fn place(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }
}
