//! One run of events into one read model: rows and checkpoint in one transaction.
//!
//! The rows of the touched scopes, of those that began before the run, are loaded before the transaction: they change only
//! together with the checkpoint, so the compare-and-swap that opens the transaction proves that they are still what was loaded,
//! however long this worker slept. Who loses the swap has changed nothing and reads the checkpoint again.

use std::collections::HashMap;

use db::{DbError, OnConflict, Tx, Value};

use crate::{
    Difference, Generation, Projection, Shape, Tables,
    delivery::{Delivered, explain},
    fold::{self, Folded, Scopes},
    generation, model,
    seam::Shelf,
};

/// What became of a run.
#[derive(Debug)]
pub enum Applied {
    /// The run, or as much of it as the database took at once.
    Moved(Generation),
    /// Another worker was first, or the generation is gone.
    Lost,
    /// The event at this position cannot be folded. What stood before it has been.
    Stopped { moved: Generation, at: i64, why: String },
}

/// The event that stops the projection.
struct Stop {
    at: i64,
    why: String,
}

/// Folds a run of events that begins after the checkpoint, and moves the checkpoint.
pub async fn apply<P: Projection>(
    shelf: &impl Shelf<P>,
    from: &Generation,
    run: &[Delivered],
) -> Result<Applied, DbError> {
    let (mut end, mut stop) = readable::<P>(run);
    // Outside of the search for an event at fault: what cannot be read of the log is no fault of these.
    let past = past::<P>(shelf, from, &run[..end]).await?;
    if let (_, Some(unreadable)) = readable::<P>(&past) {
        return Ok(concluded(from.clone(), Some(Stop { at: run[0].position, why: unreadable.why })));
    }
    while end > 0 {
        let part = &run[..end];
        match attempt::<P>(shelf, from, &past, part).await {
            Ok(Attempt::Moved(moved)) => return Ok(concluded(moved, stop)),
            Ok(Attempt::Lost) => return Ok(Applied::Lost),
            Ok(Attempt::Poisoned(poison)) => {
                stop = Some(Stop { at: part[poison.index].position, why: poison.why });
                end = poison.index;
            }
            Err(error) if !error.is_permanent() => return Err(error),
            Err(_) if !shelf.is_alive(from).await? => return Ok(Applied::Lost),
            // The database refuses some row: look for the event that makes it, by halves.
            Err(_) if end > 1 => (end, stop) = (end / 2, None),
            Err(error) => (end, stop) = (0, Some(Stop { at: part[0].position, why: explain(&error) })),
        }
    }
    Ok(concluded(from.clone(), stop))
}

fn concluded(moved: Generation, stop: Option<Stop>) -> Applied {
    match stop {
        None => Applied::Moved(moved),
        Some(Stop { at, why }) => Applied::Stopped { moved, at, why },
    }
}

/// How much of the run this projection can read, and why not more.
fn readable<P: Projection>(run: &[Delivered]) -> (usize, Option<Stop>) {
    let unreadable = run.iter().enumerate().find_map(|(index, record)| {
        let why = record.unreadable(P::READS)?;
        Some((index, Some(Stop { at: record.position, why: why.to_owned() })))
    });
    unreadable.unwrap_or((run.len(), None))
}

/// Of the scopes that some event of the run looks back on.
async fn past<P: Projection>(
    shelf: &impl Shelf<P>,
    from: &Generation,
    run: &[Delivered],
) -> Result<Vec<Delivered>, DbError> {
    let Scopes { looked_back, .. } = Scopes::of::<P>(run);
    if looked_back.is_empty() { Ok(Vec::new()) } else { shelf.past(from, &looked_back).await }
}

enum Attempt {
    Moved(Generation),
    Lost,
    Poisoned(fold::Poison),
}

async fn attempt<P: Projection>(
    shelf: &impl Shelf<P>,
    from: &Generation,
    past: &[Delivered],
    part: &[Delivered],
) -> Result<Attempt, DbError> {
    let Some(last) = part.last() else { return Ok(Attempt::Moved(from.clone())) };
    let scopes = Scopes::of::<P>(part);
    let loaded = if scopes.known.is_empty() { HashMap::new() } else { shelf.load(from, &scopes.known).await? };
    let folded = match fold::fold::<P>(loaded, past, part) {
        Ok(folded) => folded,
        Err(poison) => return Ok(Attempt::Poisoned(poison)),
    };
    let moved =
        Generation { position: last.position, hash: Some(last.hash), failure: None, failed_at: None, ..from.clone() };
    let won = shelf.commit(from, &moved, folded).await?;
    fail::fail_point!("projection.after_commit");
    Ok(if won { Attempt::Moved(moved) } else { Attempt::Lost })
}

pub(crate) async fn write<P: Projection>(
    tx: &mut Tx,
    from: &Generation,
    to: &Generation,
    folded: Folded,
) -> Result<bool, DbError> {
    if !generation::advance(tx, from, to).await? {
        return Ok(false);
    }
    fail::fail_point!("projection.after_checkpoint");
    for (shape, changed) in P::Tables::SHAPES.iter().zip(folded.tables) {
        write_rows(tx, shape, &from.table(shape), changed).await?;
    }
    match model::cell_shape::<P>() {
        Some(shape) if !folded.cells.is_empty() => count(tx, shape, &from.table(shape), folded.cells).await?,
        _ => {}
    }
    fail::fail_point!("projection.after_rows");
    Ok(true)
}

async fn write_rows(tx: &mut Tx, shape: &Shape, table: &str, changed: Difference) -> Result<(), DbError> {
    let columns = shape.db_columns();
    tx.delete_rows(table, &columns[..shape.key], changed.deleted).await?;
    tx.insert_rows(table, &columns, changed.written, OnConflict::Update { key: &shape.key_names() }).await?;
    Ok(())
}

/// Moves the counters, and takes away the cells that fell to zero: only one that was moved down can have.
async fn count(tx: &mut Tx, shape: &Shape, table: &str, cells: Vec<Vec<Value>>) -> Result<(), DbError> {
    let columns = shape.db_columns();
    let fell = |cell: &&Vec<Value>| cell[shape.key..].iter().any(|value| matches!(value, Value::Int(Some(..0))));
    let fallen = cells.iter().filter(fell).map(|cell| cell[..shape.key].to_vec()).collect();
    tx.insert_rows(table, &columns, cells, OnConflict::Add { key: &shape.key_names() }).await?;
    tx.delete_rows_if(table, &columns[..shape.key], fallen, &shape.zero()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use event_store::{Append, EventStore, Expected, NewEvent, Write};
    use futures_util::FutureExt;
    use proptest::prelude::*;
    use testkit::on_both_databases;
    use uuid::Uuid;

    use super::*;
    use crate::{
        Cell, Memory, ReadModels, Rows,
        deadline_queue::DeadlineQueue,
        delivery::Content,
        log_page,
        person_history::PersonHistory,
        planning_base::PlanningBase,
        public_requests::PublicRequests,
        request_timeline::RequestTimeline,
        statistics::{DailyCell, Statistics},
        story::{recorded, woven},
    };

    on_both_databases! {
        async fn a_crash_between_rows_and_checkpoint_changes_nothing(fresh: Fresh) {
            let entry = fresh.create_log("quebec").await.expect("a log");
            let store = EventStore::open(fresh.log(&entry).await.expect("the log"), &entry).await.expect("a store");
            let read = fresh.read(&entry).await.expect("the read database");
            let models = ReadModels::open(store.clone(), read.clone()).await.expect("read models");
            crate::rebuild(&models, &[], &mut |_| {}).await.expect("empty read models");
            append_all(&store).await;
            let from = models.current::<Statistics>().await.expect("a generation");
            let page = log_page::after(&store, 0).await.expect("a page");

            let folded = fold::fold::<Statistics>(HashMap::new(), &[], &page.run).expect("a fold");
            let last = page.run.last().expect("an event");
            let to = Generation { position: last.position, hash: Some(last.hash), ..from.clone() };
            let crash = read
                .write({
                    let from = from.clone();
                    move |tx| {
                        async move {
                            assert!(write::<Statistics>(tx, &from, &to, folded).await?);
                            Err::<(), _>(DbError::Refused("the power went".to_owned()))
                        }
                        .boxed()
                    }
                })
                .await;
            assert!(crash.is_err());
            assert_eq!(models.position().await.expect("a position"), 0);

            // Folded again, then delivered again from the old checkpoint: the second changes nothing.
            let first = apply::<Statistics>(&models, &from, &page.run).await.expect("an answer");
            assert!(matches!(first, Applied::Moved(_)));
            let again = apply::<Statistics>(&models, &from, &page.run).await.expect("an answer");
            assert!(matches!(again, Applied::Lost));
            let report = crate::check(&models, &mut |_| {}).await.expect("a report");
            assert!(report.agrees(), "{report:?}");
        }
    }

    async fn append_all(store: &EventStore) {
        for (ordinal, event) in recorded(woven(12, 7)).into_iter().enumerate() {
            let new = NewEvent {
                id: Uuid::from_u128(ordinal as u128 + 1),
                kind: event.body.kind().to_owned(),
                schema: event.body.schema(),
                payload: serde_json::to_vec(&event.body.payload()).expect("JSON"),
                meta: br#"{"actor":"usr_1"}"#.to_vec(),
            };
            let write = Write { stream: event.stream, expected: Expected::Any, events: vec![new] };
            let append = Append { writes: vec![write], checks: vec![], operation: None };
            store.append(append).await.expect("an append");
        }
    }

    /// A database in memory, as far as batches can tell.
    struct Held<P: Projection> {
        /// What a load would hand out, before it forgets that it was ever written.
        scopes: HashMap<String, P::Tables>,
        /// As written: table and key, then the line.
        rows: BTreeMap<(&'static str, String), String>,
        cells: BTreeMap<String, Vec<i64>>,
        told: Vec<Delivered>,
        reload: fn(&P::Tables) -> P::Tables,
    }

    impl<P: Projection> Held<P> {
        fn new(reload: fn(&P::Tables) -> P::Tables) -> Self {
            let (scopes, rows, cells) = (HashMap::new(), BTreeMap::new(), BTreeMap::new());
            Self { scopes, rows, cells, told: Vec::new(), reload }
        }

        /// What stands in the end if the events come in batches of these sizes.
        fn told(mut self, events: &[Delivered], sizes: impl IntoIterator<Item = usize>) -> Self {
            let mut rest = events;
            for size in sizes {
                let (batch, later) = rest.split_at(size.min(rest.len()));
                self.fold(batch);
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            self.cells.retain(|_, counters| counters.iter().any(|counter| *counter != 0));
            self
        }

        fn fold(&mut self, batch: &[Delivered]) {
            let Scopes { known, looked_back } = Scopes::of::<P>(batch);
            let loaded =
                known.iter().filter_map(|scope| Some(((*scope).to_owned(), (self.reload)(self.scopes.get(*scope)?))));
            let is_past = |record: &&Delivered| {
                record.event(P::READS).is_some_and(|event| looked_back.contains(&event.stream.as_str()))
            };
            let past: Vec<Delivered> = self.told.iter().filter(is_past).cloned().collect();
            let folded = fold::fold::<P>(loaded.collect(), &past, batch).unwrap_or_else(|poison| panic!("{poison:?}"));
            self.write(folded);
            for event in batch.iter().filter_map(|record| record.event(P::READS)) {
                P::fold(self.scopes.entry(event.stream.clone()).or_default(), event);
            }
            self.told.extend_from_slice(batch);
        }

        fn write(&mut self, folded: Folded) {
            for (shape, changed) in P::Tables::SHAPES.iter().zip(folded.tables) {
                for key in changed.deleted {
                    assert!(self.rows.remove(&(shape.table, shape.key_text(&key))).is_some(), "no row {key:?}");
                }
                for row in changed.written {
                    self.rows.insert((shape.table, shape.key_text(&row)), shape.line(&row));
                }
            }
            for cell in folded.cells {
                let (key, added) = cell.split_at(<P::Cell as crate::Row>::SHAPE.key);
                let key = <P::Cell as crate::Row>::SHAPE.key_text(key);
                let counters = self.cells.entry(key).or_insert_with(|| vec![0; added.len()]);
                for (counter, added) in counters.iter_mut().zip(added) {
                    if let Value::Int(Some(added)) = added {
                        *counter += added;
                    }
                }
            }
        }
    }

    /// Rows as a database would hand them out: with no memory of having been written.
    fn reloaded<R: crate::Row>(rows: &Rows<R>) -> Rows<R> {
        let mut fresh = Rows::default();
        rows.iter().cloned().for_each(|row| fresh.load(row));
        fresh
    }

    /// Beside rows: what was only remembered is gone.
    fn forgotten<R: crate::Row, M>((rows, _): &(Rows<R>, Memory<M>)) -> (Rows<R>, Memory<M>) {
        (reloaded(rows), Memory::default())
    }

    fn pair<A: crate::Row, B: crate::Row>((a, b): &(Rows<A>, Rows<B>)) -> (Rows<A>, Rows<B>) {
        (reloaded(a), reloaded(b))
    }

    fn assert_batches_do_not_matter<P: Projection>(
        reload: fn(&P::Tables) -> P::Tables,
        events: &[Delivered],
        sizes: &[usize],
    ) -> Result<(), TestCaseError> {
        let whole = Held::<P>::new(reload).told(events, [events.len()]);
        let parts = Held::<P>::new(reload).told(events, sizes.iter().copied().cycle());
        prop_assert_eq!(whole.rows, parts.rows, "{}", P::NAME);
        prop_assert_eq!(whole.cells, parts.cells, "{}", P::NAME);
        Ok(())
    }

    fn delivered(requests: u128, seed: u64) -> Vec<Delivered> {
        let record = |event: domain::codec::Recorded| Delivered {
            position: event.position,
            revision: event.revision,
            hash: [0; 32],
            content: Content::Event(Box::new(event)),
        };
        recorded(woven(requests, seed)).into_iter().map(record).collect()
    }

    proptest! {
        #[test]
        fn rows_and_counters_are_the_same_whatever_the_batches(
            seed: u64,
            sizes in prop::collection::vec(1_usize..40, 1..60),
        ) {
            let events = delivered(24, seed);
            assert_batches_do_not_matter::<PublicRequests>(reloaded, &events, &sizes)?;
            assert_batches_do_not_matter::<PersonHistory>(pair, &events, &sizes)?;
            assert_batches_do_not_matter::<RequestTimeline>(reloaded, &events, &sizes)?;
            assert_batches_do_not_matter::<DeadlineQueue>(forgotten, &events, &sizes)?;
            assert_batches_do_not_matter::<Statistics>(pair, &events, &sizes)?;
            assert_batches_do_not_matter::<PlanningBase>(forgotten, &events, &sizes)?;
        }

        #[test]
        fn no_order_of_events_makes_a_fold_panic(seed: u64) {
            let mut events = delivered(12, seed);
            events.reverse();
            for model in model::ALL {
                let mut folding = model.folding();
                for event in events.iter().filter_map(|record| record.event(model.reads())) {
                    prop_assert_eq!(folding.fold(event), Ok(()));
                }
            }
        }
    }

    #[test]
    fn a_cell_measures_what_stands_after_its_key() {
        let shape = <DailyCell as crate::Row>::SHAPE;
        let tables = fold::fold::<Statistics>(HashMap::new(), &[], &delivered(1, 1)).expect("a fold");
        assert!(tables.cells.iter().all(|cell| cell.len() == shape.columns.len()));
        let cells = Statistics::cells(&Default::default());
        assert!(cells.iter().all(|cell| cell.measures().len() == shape.columns.len() - shape.key));
    }
}
