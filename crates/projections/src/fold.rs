//! Folding a run of events into the rows of the scopes they touch. No I/O.

use std::{
    cell::Cell as Mark,
    collections::{BTreeMap, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
    panic::{AssertUnwindSafe, catch_unwind},
};

use db::Value;
use domain::codec::Recorded;

use crate::{Cell, Difference, Projection, Tables, delivery::Delivered};

/// What a run of events changes.
pub struct Folded {
    /// One for each shape of the rows.
    pub tables: Vec<Difference>,
    /// What is added to each cell.
    pub cells: Vec<Vec<Value>>,
}

/// The event that a projection cannot fold, by its place in the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Poison {
    pub(crate) index: usize,
    pub(crate) why: String,
}

/// The scopes that a run of events touches.
pub(crate) fn scopes<P: Projection>(run: &[Delivered]) -> Vec<&str> {
    let mut scopes: Vec<&str> = run.iter().filter_map(|record| P::scope(record.event(P::READS)?)).collect();
    scopes.sort_unstable();
    scopes.dedup();
    scopes
}

/// Folds `run` into the rows of its scopes as loaded.
pub(crate) fn fold<P: Projection>(mut rows: HashMap<String, P::Tables>, run: &[Delivered]) -> Result<Folded, Poison> {
    let mut cells = Tally::<P::Cell>::default();
    for scope in rows.values() {
        cells.add(P::cells(scope), -1);
    }
    let index = Mark::new(0);
    guarded(&index, || {
        for (place, record) in run.iter().enumerate() {
            index.set(place);
            let Some(event) = record.event(P::READS) else { continue };
            let Some(scope) = P::scope(event) else { continue };
            if !rows.contains_key(scope) {
                rows.insert(scope.to_owned(), P::Tables::default());
            }
            if let Some(rows) = rows.get_mut(scope) {
                P::fold(rows, event);
            }
        }
        for scope in rows.values() {
            cells.add(P::cells(scope), 1);
        }
    })?;
    let mut tables = vec![Difference::default(); P::Tables::SHAPES.len()];
    for scope in rows.values() {
        for (table, changed) in tables.iter_mut().zip(scope.difference()) {
            table.written.extend(changed.written);
            table.deleted.extend(changed.deleted);
        }
    }
    Ok(Folded { tables, cells: cells.into_rows() })
}

/// `fold` is total by promise; if one panics all the same, its projection stops there and no other does.
fn guarded(index: &Mark<usize>, work: impl FnOnce()) -> Result<(), Poison> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        Poison { index: index.get(), why: format!("the fold panicked: {text}") }
    })
}

/// Cells by key, with what is added to each counter.
struct Tally<C: Cell>(BTreeMap<C::Key, (C, Vec<i64>)>);

impl<C: Cell> Default for Tally<C> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<C: Cell> Tally<C> {
    fn add(&mut self, cells: Vec<C>, sign: i64) {
        for cell in cells {
            let measures = cell.measures();
            let (_, sums) = self.0.entry(cell.key()).or_insert_with(|| (cell, vec![0; measures.len()]));
            for (sum, measure) in sums.iter_mut().zip(measures) {
                *sum += sign * measure;
            }
        }
    }

    /// Those that change something, as rows whose counters are what is added.
    fn into_rows(self) -> Vec<Vec<Value>> {
        let changed = self.0.into_values().filter(|(_, sums)| sums.iter().any(|sum| *sum != 0));
        changed
            .map(|(cell, sums)| {
                let mut values = cell.values();
                values.truncate(C::SHAPE.key);
                values.extend(sums.into_iter().map(Value::from));
                values
            })
            .collect()
    }
}

/// A share of the scopes, so that a long log is folded in memory a part at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Partition {
    pub(crate) index: u64,
    pub(crate) of: u64,
}

impl Partition {
    pub(crate) fn holds(self, scope: &str) -> bool {
        if self.of == 1 {
            return true;
        }
        let mut hasher = DefaultHasher::new();
        scope.hash(&mut hasher);
        hasher.finish() % self.of == self.index
    }
}

/// A whole log folded in memory, event by event, for one partition of the scopes.
pub(crate) trait Folding: Send {
    fn fold(&mut self, event: &Recorded) -> Result<(), String>;
    /// The final rows, in the order in which their scopes first appeared, and the cells.
    fn finish(self: Box<Self>) -> Finished;
}

/// Final rows of one partition.
pub(crate) struct Finished {
    /// One for each shape of the rows.
    pub(crate) tables: Vec<Vec<Vec<Value>>>,
    pub(crate) cells: Vec<Vec<Value>>,
}

pub(crate) struct Fold<P: Projection> {
    partition: Partition,
    places: HashMap<String, usize>,
    scopes: Vec<P::Tables>,
}

impl<P: Projection> Fold<P> {
    pub(crate) fn new(partition: Partition) -> Self {
        Self { partition, places: HashMap::new(), scopes: Vec::new() }
    }
}

impl<P: Projection> Folding for Fold<P> {
    fn fold(&mut self, event: &Recorded) -> Result<(), String> {
        let Some(scope) = P::scope(event).filter(|scope| self.partition.holds(scope)) else { return Ok(()) };
        let place = self.places.get(scope).copied().unwrap_or_else(|| {
            self.scopes.push(P::Tables::default());
            self.places.insert(scope.to_owned(), self.scopes.len() - 1);
            self.scopes.len() - 1
        });
        let rows = &mut self.scopes[place];
        guarded(&Mark::new(0), || P::fold(rows, event)).map_err(|poison| poison.why)
    }

    fn finish(self: Box<Self>) -> Finished {
        let mut cells = Tally::<P::Cell>::default();
        let mut tables = vec![Vec::new(); P::Tables::SHAPES.len()];
        for scope in self.scopes {
            cells.add(P::cells(&scope), 1);
            for (table, rows) in tables.iter_mut().zip(scope.values()) {
                table.extend(rows);
            }
        }
        Finished { tables, cells: cells.into_rows() }
    }
}
