//! The rows of one scope while events are folded into them, and what the fold changed.

use std::collections::BTreeMap;

use db::Value;

use crate::{Row, Shape};

/// An ordered map from key to row, which remembers what it was loaded with.
#[derive(Debug, Clone)]
pub struct Rows<R: Row> {
    now: BTreeMap<R::Key, R>,
    /// Keys that were written to, with the row as loaded.
    was: BTreeMap<R::Key, Option<R>>,
}

impl<R: Row> Default for Rows<R> {
    fn default() -> Self {
        Self { now: BTreeMap::new(), was: BTreeMap::new() }
    }
}

impl<R: Row> Rows<R> {
    /// As they stand in the database.
    pub fn load(&mut self, row: R) {
        self.now.insert(row.key(), row);
    }

    pub fn get(&self, key: &R::Key) -> Option<&R> {
        self.now.get(key)
    }

    pub fn iter(&self) -> impl Iterator<Item = &R> {
        self.now.values()
    }

    /// The only row of a scope that has at most one.
    pub fn only(&self) -> Option<&R> {
        self.now.values().next()
    }

    pub fn into_vec(self) -> Vec<R> {
        self.now.into_values().collect()
    }

    /// Adds the row, or puts it in the place of the one with its key.
    pub fn put(&mut self, row: R) {
        let key = row.key();
        self.remember(&key);
        self.now.insert(key, row);
    }

    pub fn remove(&mut self, key: &R::Key) {
        self.remember(key);
        self.now.remove(key);
    }

    /// Changes the row of this key, if there is one. A change of the key itself has no effect on its place.
    pub fn change(&mut self, key: &R::Key, change: impl FnOnce(&mut R)) {
        self.remember(key);
        if let Some(row) = self.now.get_mut(key) {
            change(row);
        }
    }

    /// Changes every row of the scope.
    pub fn each(&mut self, change: impl Fn(&mut R)) {
        for (key, row) in &mut self.now {
            self.was.entry(key.clone()).or_insert_with(|| Some(row.clone()));
            change(row);
        }
    }

    fn remember(&mut self, key: &R::Key) {
        if !self.was.contains_key(key) {
            self.was.insert(key.clone(), self.now.get(key).cloned());
        }
    }

    /// What differs from the database.
    fn difference(&self, into: &mut Difference) {
        for (key, was) in &self.was {
            match (was, self.now.get(key)) {
                (None, None) => {}
                (Some(gone), None) => into.deleted.push(gone.values()[..R::SHAPE.key].to_vec()),
                (was, Some(now)) if was.as_ref() == Some(now) => {}
                (_, Some(now)) => into.written.push(now.values()),
            }
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

/// The rows of one scope, in one table or in several that change together.
///
/// A promise does not say what its matter is about: the deadline queue remembers each matter in a second table of
/// its own, so that the fold of both stays pure.
pub trait Tables: Default + Send + Sync + 'static {
    const SHAPES: &'static [Shape];

    /// One entry for each shape, in its order.
    fn difference(&self, into: &mut [Difference]);
    /// All rows as values, one entry for each shape.
    fn values(&self, into: &mut [Vec<Vec<Value>>]);
}

impl<R: Row> Tables for Rows<R> {
    const SHAPES: &'static [Shape] = &[R::SHAPE];

    fn difference(&self, into: &mut [Difference]) {
        Self::difference(self, &mut into[0]);
    }

    fn values(&self, into: &mut [Vec<Vec<Value>>]) {
        into[0].extend(self.now.values().map(Row::values));
    }
}

impl<A: Row, B: Row> Tables for (Rows<A>, Rows<B>) {
    const SHAPES: &'static [Shape] = &[A::SHAPE, B::SHAPE];

    fn difference(&self, into: &mut [Difference]) {
        self.0.difference(&mut into[0]);
        self.1.difference(&mut into[1]);
    }

    fn values(&self, into: &mut [Vec<Vec<Value>>]) {
        into[0].extend(self.0.now.values().map(Row::values));
        into[1].extend(self.1.now.values().map(Row::values));
    }
}
