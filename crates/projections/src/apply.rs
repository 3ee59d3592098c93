//! One run of events into one read model: rows and checkpoint in one transaction.
//!
//! The rows of the touched scopes are loaded before the transaction: they change only together with the checkpoint, so
//! the compare-and-swap that opens the transaction proves that they are still what was loaded, however long this worker
//! slept. Who loses the swap has changed nothing and reads the checkpoint again.

use std::collections::HashMap;

use db::{Db, DbError, OnConflict, Statement, Tx};
use futures_util::FutureExt;

use crate::{
    Difference, Generation, Projection, Shape, Tables,
    delivery::{Delivered, explain},
    fold::{self, Folded},
    generation, model,
    read_models::list_of,
};

/// What became of a run.
#[derive(Debug)]
pub(crate) enum Applied {
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

pub(crate) async fn apply<P: Projection>(db: &Db, from: &Generation, run: &[Delivered]) -> Result<Applied, DbError> {
    let (mut end, mut stop) = readable::<P>(run);
    while end > 0 {
        let part = &run[..end];
        match attempt::<P>(db, from, part).await {
            Ok(Attempt::Moved(moved)) => return Ok(concluded(moved, stop)),
            Ok(Attempt::Lost) => return Ok(Applied::Lost),
            Ok(Attempt::Poisoned(poison)) => {
                stop = Some(Stop { at: part[poison.index].position, why: poison.why });
                end = poison.index;
            }
            Err(error) if !error.is_permanent() => return Err(error),
            Err(_) if !generation::is_alive(db, from).await? => return Ok(Applied::Lost),
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

enum Attempt {
    Moved(Generation),
    Lost,
    Poisoned(fold::Poison),
}

async fn attempt<P: Projection>(db: &Db, from: &Generation, part: &[Delivered]) -> Result<Attempt, DbError> {
    let Some(last) = part.last() else { return Ok(Attempt::Moved(from.clone())) };
    let scopes = fold::scopes::<P>(part);
    let loaded =
        if scopes.is_empty() { HashMap::new() } else { P::Tables::load(db, from, list_of(Some(&scopes))).await? };
    let folded = match fold::fold::<P>(loaded, part) {
        Ok(folded) => folded,
        Err(poison) => return Ok(Attempt::Poisoned(poison)),
    };
    let moved =
        Generation { position: last.position, hash: Some(last.hash), failure: None, failed_at: None, ..from.clone() };
    let (from, to) = (from.clone(), moved.clone());
    let won = db.write(move |tx| async move { write::<P>(tx, &from, &to, folded).await }.boxed()).await?;
    Ok(if won { Attempt::Moved(moved) } else { Attempt::Lost })
}

async fn write<P: Projection>(
    tx: &mut Tx,
    from: &Generation,
    to: &Generation,
    folded: Folded,
) -> Result<bool, DbError> {
    if !generation::advance(tx, from, to).await? {
        return Ok(false);
    }
    for (shape, changed) in P::Tables::SHAPES.iter().zip(folded.tables) {
        write_rows(tx, shape, &from.table(shape), changed).await?;
    }
    match model::cell_shape::<P>() {
        Some(shape) if !folded.cells.is_empty() => count(tx, shape, &from.table(shape), folded.cells).await?,
        _ => {}
    }
    Ok(true)
}

async fn write_rows(tx: &mut Tx, shape: &Shape, table: &str, changed: Difference) -> Result<(), DbError> {
    let columns = shape.db_columns();
    tx.delete_rows(table, &columns[..shape.key], changed.deleted).await?;
    tx.insert_rows(table, &columns, changed.written, OnConflict::Update { key: &shape.key_names() }).await?;
    Ok(())
}

/// Moves the counters, and takes away the cells that fell to zero.
async fn count(tx: &mut Tx, shape: &Shape, table: &str, cells: Vec<Vec<db::Value>>) -> Result<(), DbError> {
    tx.insert_rows(table, &shape.db_columns(), cells, OnConflict::Add { key: &shape.key_names() }).await?;
    tx.execute(delete_zeros(shape, table)).await?;
    Ok(())
}

pub(crate) fn delete_zeros(shape: &Shape, table: &str) -> Statement {
    Statement::new("delete from @table where @zero", vec![]).table(table).fill("@zero", &shape.zero())
}
