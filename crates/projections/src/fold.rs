//! Folding a run of events into the rows of the scopes they touch. No I/O.

use std::{
    cell::Cell as Mark,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    panic::{AssertUnwindSafe, catch_unwind},
};

use db::Value;
use domain::codec::Recorded;

use crate::{Cell, Difference, Projection, Tables, delivery::Delivered, model};

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

/// The scopes that a run of events touches and that were there before it: a stream that begins in the run has no rows yet.
pub(crate) struct Scopes<'a> {
    pub(crate) known: Vec<&'a str>,
    /// Those of them whose past the run's events need.
    pub(crate) looked_back: Vec<&'a str>,
}

impl<'a> Scopes<'a> {
    pub(crate) fn of<P: Projection>(run: &'a [Delivered]) -> Self {
        let mut begun: HashSet<&str> = HashSet::new();
        let (mut known, mut looked_back) = (BTreeSet::new(), BTreeSet::new());
        for record in run {
            let Some(event) = record.event(P::READS) else { continue };
            let scope = event.stream.as_str();
            if record.revision == 0 {
                begun.insert(scope);
            } else if !begun.contains(scope) {
                known.insert(scope);
                if P::looks_back(event) {
                    looked_back.insert(scope);
                }
            }
        }
        Self { known: known.into_iter().collect(), looked_back: looked_back.into_iter().collect() }
    }
}

/// Folds `run` into the rows of its scopes as loaded. `past`: the events before the run of the scopes that are looked back on.
pub(crate) fn fold<P: Projection>(
    loaded: HashMap<String, P::Tables>,
    past: &[Delivered],
    run: &[Delivered],
) -> Result<Folded, Poison> {
    // By scope, so that the rows of one table are written in the order of their keys.
    let mut rows: BTreeMap<String, P::Tables> = loaded.into_iter().collect();
    let mut cells = Tally::<P::Cell>::default();
    for scope in rows.values() {
        cells.add(P::cells(scope), -1);
    }
    let index = Mark::new(0);
    guarded(&index, || {
        for (scope, past) in again::<P>(past) {
            rows.entry(scope).or_default().recall(past);
        }
        for (place, record) in run.iter().enumerate() {
            index.set(place);
            let Some(event) = record.event(P::READS) else { continue };
            if !rows.contains_key(&event.stream) {
                rows.insert(event.stream.clone(), P::Tables::default());
            }
            if let Some(rows) = rows.get_mut(&event.stream) {
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

/// What these events come to, without a database.
fn again<P: Projection>(past: &[Delivered]) -> HashMap<String, P::Tables> {
    let mut scopes: HashMap<String, P::Tables> = HashMap::new();
    for event in past.iter().filter_map(|record| record.event(P::READS)) {
        P::fold(scopes.entry(event.stream.clone()).or_default(), event);
    }
    scopes
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

/// A log folded stream by stream, without a database.
pub(crate) trait Folding: Send {
    /// An event of the stream at hand.
    fn fold(&mut self, event: &Recorded) -> Result<(), String>;
    /// The stream at hand has ended: its rows are final.
    fn end_stream(&mut self);
    /// The log has ended: the cells are final too.
    fn end(&mut self);
    /// The final rows of each table, by its index among the model's shapes, where there are at least so many.
    fn take(&mut self, least: usize) -> Vec<(usize, Vec<Vec<Value>>)>;
}

pub(crate) struct Fold<P: Projection> {
    /// Of the stream at hand.
    rows: P::Tables,
    cells: Tally<P::Cell>,
    /// Final rows, for each shape.
    tables: Vec<Vec<Vec<Value>>>,
}

impl<P: Projection> Default for Fold<P> {
    fn default() -> Self {
        let tables = vec![Vec::new(); model::shapes::<P>().len()];
        Self { rows: P::Tables::default(), cells: Tally::default(), tables }
    }
}

impl<P: Projection> Folding for Fold<P> {
    fn fold(&mut self, event: &Recorded) -> Result<(), String> {
        let rows = &mut self.rows;
        guarded(&Mark::new(0), || P::fold(rows, event)).map_err(|poison| poison.why)
    }

    fn end_stream(&mut self) {
        let rows = std::mem::take(&mut self.rows);
        self.cells.add(P::cells(&rows), 1);
        for (table, rows) in self.tables.iter_mut().zip(rows.values()) {
            table.extend(rows);
        }
    }

    fn end(&mut self) {
        self.end_stream();
        if model::cell_shape::<P>().is_some()
            && let Some(cells) = self.tables.last_mut()
        {
            *cells = std::mem::take(&mut self.cells).into_rows();
        }
    }

    fn take(&mut self, least: usize) -> Vec<(usize, Vec<Vec<Value>>)> {
        let full = self.tables.iter_mut().enumerate().filter(|(_, rows)| rows.len() >= least);
        full.map(|(table, rows)| (table, std::mem::take(rows))).collect()
    }
}
