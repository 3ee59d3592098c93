//! The rows of one scope while events are folded into them, and what the fold changed.

use std::collections::BTreeMap;

use db::Value;

use crate::Row;

/// An ordered map from key to row, which remembers what it was loaded with.
#[derive(Debug, Clone)]
pub struct Rows<R: Row>(BTreeMap<R::Key, Held<R>>);

/// Boxed, because a map of one large row would otherwise make room for eleven.
#[derive(Debug, Clone)]
struct Held<R> {
    now: Option<Box<R>>,
    /// As loaded, once it has been written to.
    was: Option<Box<R>>,
    written: bool,
}

impl<R: Row> Default for Rows<R> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<R: Row> Rows<R> {
    /// As it stands in the database.
    pub fn load(&mut self, row: R) {
        self.0.insert(row.key(), Held { now: Some(Box::new(row)), was: None, written: false });
    }

    pub fn get(&self, key: &R::Key) -> Option<&R> {
        self.0.get(key)?.now.as_deref()
    }

    pub fn iter(&self) -> impl Iterator<Item = &R> {
        self.0.values().filter_map(|held| held.now.as_deref())
    }

    /// The only row of a scope that has at most one.
    pub fn only(&self) -> Option<&R> {
        self.iter().next()
    }

    pub fn into_vec(self) -> Vec<R> {
        self.0.into_values().filter_map(|held| held.now.map(|row| *row)).collect()
    }

    /// Adds the row, or puts it in the place of the one with its key.
    pub fn put(&mut self, row: R) {
        let held = self.0.entry(row.key()).or_insert(Held { now: None, was: None, written: true });
        held.remember();
        held.now = Some(Box::new(row));
    }

    pub fn remove(&mut self, key: &R::Key) {
        if let Some(held) = self.0.get_mut(key) {
            held.remember();
            held.now = None;
        }
    }

    /// Changes the row of this key, if there is one. `change` leaves the key as it is.
    pub fn change(&mut self, key: &R::Key, change: impl FnOnce(&mut R)) {
        if let Some(held) = self.0.get_mut(key) {
            held.change(change);
        }
    }

    /// Changes every row of the scope.
    pub fn each(&mut self, change: impl Fn(&mut R)) {
        for held in self.0.values_mut() {
            held.change(&change);
        }
    }

    /// What differs from the database.
    fn difference_into(&self, into: &mut Difference) {
        for held in self.0.values().filter(|held| held.written) {
            match (&held.was, &held.now) {
                (None, None) => {}
                (Some(gone), None) => into.deleted.push(gone.values()[..R::SHAPE.key].to_vec()),
                (Some(was), Some(now)) if was == now => {}
                (_, Some(now)) => into.written.push(now.values()),
            }
        }
    }
}

impl<R: Clone> Held<R> {
    fn remember(&mut self) {
        if !self.written {
            self.was = self.now.clone();
            self.written = true;
        }
    }

    fn change(&mut self, change: impl FnOnce(&mut R)) {
        self.remember();
        if let Some(row) = &mut self.now {
            change(row);
        }
    }
}

/// What a fold changed in one table.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Difference {
    /// Whole rows, to insert or to replace.
    pub written: Vec<Vec<Value>>,
    /// Keys.
    pub deleted: Vec<Vec<Value>>,
}

impl Difference {
    pub fn of<R: Row>(rows: &Rows<R>) -> Self {
        let mut difference = Self::default();
        rows.difference_into(&mut difference);
        difference
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row;

    row! {
        pub(crate) struct Pair in pairs {
            key { scope: String, number: i64 }
            word: Option<String>,
        }
    }

    fn pair(number: i64, word: &str) -> Pair {
        Pair { scope: "s-1".to_owned(), number, word: Some(word.to_owned()) }
    }

    fn key(number: i64) -> (String, i64) {
        ("s-1".to_owned(), number)
    }

    fn loaded() -> Rows<Pair> {
        let mut rows = Rows::default();
        rows.load(pair(1, "a"));
        rows.load(pair(2, "b"));
        rows
    }

    #[test]
    fn only_what_differs_from_the_database_is_written() {
        let mut rows = loaded();
        rows.put(pair(1, "x"));
        rows.put(pair(1, "a"));
        rows.change(&key(2), |pair| pair.word = Some("c".to_owned()));
        rows.put(pair(3, "d"));
        rows.remove(&key(3));
        let written = Difference { written: vec![pair(2, "c").values()], deleted: vec![] };
        assert_eq!(Difference::of(&rows), written);
    }

    #[test]
    fn a_row_taken_away_is_deleted_by_its_key_once() {
        let mut rows = loaded();
        rows.remove(&key(1));
        rows.remove(&key(1));
        rows.remove(&key(9));
        let deleted = vec![vec![Value::from("s-1"), Value::from(1_i64)]];
        assert_eq!(Difference::of(&rows), Difference { written: vec![], deleted });
    }

    #[test]
    fn a_line_is_canonical() {
        let values = pair(1, "é\"").values();
        assert_eq!(Pair::SHAPE.line(&values), r#"{"scope":"s-1","number":1,"word":"é\""}"#);
        assert_eq!(Pair::SHAPE.key_text(&values), "s-1 1");
    }
}
