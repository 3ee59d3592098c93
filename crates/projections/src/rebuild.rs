//! Filling read models anew beside those that serve, and letting the new ones serve.
//!
//! The log is folded stream by stream and each final row is written once, in bulk, into tables without indexes, while the
//! fold goes on; then what came meanwhile is folded as the runner would, and a switch puts the generation in service. Where
//! nothing served, the switch comes first and the runner goes on.

use db::{Db, DbError, OnConflict, Value};
use event_store::{Head, StoreError};
use futures_util::{FutureExt, StreamExt, TryFutureExt, TryStreamExt, stream};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::{
    Generation, ReadModels, Shape, State,
    apply::Applied,
    generation::{self, Switched},
    log_page,
    model::{self, Model},
    replay::{self, Batch, Tell, Unfoldable, Until},
};

/// Tables that are written at once; SQLite takes one at a time in any case.
const WRITERS: usize = 2;

/// What was rebuilt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RebuildReport {
    /// Of the log, when the fold began.
    pub events: i64,
    pub models: Vec<Rebuilt>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    pub name: &'static str,
    pub version: i64,
    pub generation: i64,
    /// Written in bulk, cells included.
    pub rows: i64,
    pub outcome: RebuildOutcome,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RebuildOutcome {
    Serving,
    /// Another process put one in service first; that one stays.
    Superseded,
    /// Nothing served before: it serves what stood before the event that it cannot fold.
    Stopped(Unfoldable),
    /// The one that serves stays, of this version or of another.
    Failed(Unfoldable),
}

#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    #[error("there is no read model named {0}")]
    UnknownName(String),
    #[error("the log could not be read")]
    Log(#[from] StoreError),
    #[error("the read models could not be written")]
    Storage(#[from] DbError),
    #[error("the history of the log has changed underneath")]
    Diverged,
}

/// The names that [`rebuild`] knows.
pub fn names() -> Vec<&'static str> {
    model::ALL.iter().map(|model| model.name()).collect()
}

/// Rebuilds the named read models, all of them if none is named.
pub async fn rebuild(models: &ReadModels, names: &[String], tell: Tell<'_>) -> Result<RebuildReport, RebuildError> {
    if let Some(unknown) = names.iter().find(|name| !model::ALL.iter().any(|model| model.name() == name.as_str())) {
        return Err(RebuildError::UnknownName(unknown.clone()));
    }
    let named = |model: &&'static dyn Model| names.is_empty() || names.iter().any(|name| name == model.name());
    fill(models, model::ALL.iter().copied().filter(named).collect(), Beside::Anything, tell).await
}

/// Fills those that nobody has filled: who was quicker did it for all.
pub(crate) async fn fill_first(
    models: &ReadModels,
    missing: Vec<&'static dyn Model>,
) -> Result<RebuildReport, RebuildError> {
    fill(models, missing, Beside::Nothing, &mut |_| {}).await
}

/// What a filling may find of its version when it begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    Anything,
    /// Otherwise there is nothing to do.
    Nothing,
}

/// One model on its way.
struct Filling {
    model: &'static dyn Model,
    generation: Generation,
    /// What serves now, of the same version.
    replacing: Option<i64>,
    /// It ends before an event that cannot be folded.
    cut: bool,
    rows: i64,
    failed: Option<Unfoldable>,
}

/// Fills what is asked for. Where nothing of its version serves yet, a model that cannot fold some event is filled up to it
/// and stopped there, as the runner would have stopped it.
async fn fill(
    models: &ReadModels,
    which: Vec<&'static dyn Model>,
    beside: Beside,
    tell: Tell<'_>,
) -> Result<RebuildReport, RebuildError> {
    let head = models.store().head().await?;
    let mut report = RebuildReport { events: head.position, models: Vec::new() };
    let mut rounds = vec![(which, head)];
    while let Some((which, until)) = rounds.pop() {
        let cut = until.position < head.position;
        let mut fillings = Vec::new();
        for model in which {
            fillings.extend(begin(models.read(), model, beside, cut, head.epoch).await?);
        }
        for (filling, outcome) in fill_until(models, fillings, &until, &mut *tell).await? {
            match outcome {
                // Past the end of this round it was met while catching up with a version that had passed it.
                RebuildOutcome::Failed(unfoldable)
                    if filling.replacing.is_none() && unfoldable.position <= until.position =>
                {
                    let before = before(models, &until, unfoldable.position).await?;
                    rounds.push((vec![filling.model], before));
                }
                outcome => report.models.push(filling.rebuilt(outcome)),
            }
        }
    }
    models.forget_all();
    Ok(report)
}

/// The head as it was before the event at `position`.
async fn before(models: &ReadModels, head: &Head, position: i64) -> Result<Head, RebuildError> {
    let position = position - 1;
    let hash = if position == 0 { None } else { models.store().hash_at(position).await? };
    Ok(Head { position, hash: hash.unwrap_or(head.hash), ..*head })
}

async fn fill_until(
    models: &ReadModels,
    mut fillings: Vec<Filling>,
    head: &Head,
    tell: Tell<'_>,
) -> Result<Vec<(Filling, RebuildOutcome)>, RebuildError> {
    let (store, read) = (models.store(), models.read());
    if head.position > 0 && !fillings.is_empty() {
        let until: Vec<Until> =
            fillings.iter().map(|filling| Until { model: filling.model, position: head.position }).collect();
        let (sender, batches) = mpsc::channel(replay::BATCHES_AHEAD);
        let fold = replay::replay(store, &until, sender, tell).map_err(RebuildError::from);
        let write = write(read, &fillings, batches).map_err(RebuildError::from);
        let (folded, rows) = tokio::try_join!(fold, write)?;
        for ((filling, folded), rows) in fillings.iter_mut().zip(folded).zip(rows) {
            filling.failed = folded.err();
            filling.rows = rows;
        }
    }
    let mut filled = Vec::new();
    for mut filling in fillings {
        let outcome = complete(models, &mut filling, head).await?;
        filled.push((filling, outcome));
    }
    Ok(filled)
}

impl Filling {
    fn rebuilt(&self, outcome: RebuildOutcome) -> Rebuilt {
        Rebuilt {
            name: self.model.name(),
            version: self.model.version(),
            generation: self.generation.generation,
            rows: self.rows,
            outcome,
        }
    }
}

async fn begin(
    read: &Db,
    model: &'static dyn Model,
    beside: Beside,
    cut: bool,
    epoch: Uuid,
) -> Result<Option<Filling>, RebuildError> {
    let all = generation::all(read).await?;
    let current = generation::current(&all, model.name(), model.version());
    if beside == Beside::Nothing && current.is_some() {
        return Ok(None);
    }
    let replacing = current.filter(|current| current.state == State::Serving).map(|serving| serving.generation);
    let generation = generation::begin(read, model, epoch).await?;
    Ok(Some(Filling { model, generation, replacing, cut, rows: 0, failed: None }))
}

/// Writes rows while they come, and counts those of each model.
async fn write(read: &Db, fillings: &[Filling], mut batches: mpsc::Receiver<Batch>) -> Result<Vec<i64>, DbError> {
    let mut written = vec![0; fillings.len()];
    let inserts = stream::poll_fn(|context| batches.poll_recv(context)).map(|Batch { model, table, rows }| {
        let filling = &fillings[model];
        let shape = filling.model.shapes()[table];
        insert(read, shape, filling.generation.table(shape), rows).map_ok(move |rows| (model, rows))
    });
    let mut inserted = std::pin::pin!(inserts.buffer_unordered(WRITERS));
    while let Some((model, rows)) = inserted.try_next().await? {
        fail::fail_point!("rebuild.after_rows");
        written[model] += rows;
    }
    Ok(written)
}

async fn insert(read: &Db, shape: &'static Shape, table: String, rows: Vec<Vec<Value>>) -> Result<i64, DbError> {
    let count = rows.len() as i64;
    let columns = shape.db_columns();
    read.write(move |tx| async move { tx.insert_rows(&table, &columns, rows, OnConflict::Fail).await }.boxed()).await?;
    Ok(count)
}

/// Indexes, checkpoint; then the events that came meanwhile, if another serves; then the switch.
async fn complete(models: &ReadModels, filling: &mut Filling, head: &Head) -> Result<RebuildOutcome, RebuildError> {
    let read = models.read();
    let outcome = if let Some(unfoldable) = filling.failed.take() {
        RebuildOutcome::Failed(unfoldable)
    } else {
        finish(read, filling, head).await?;
        serve(models, filling).await?
    };
    if matches!(outcome, RebuildOutcome::Failed(_) | RebuildOutcome::Superseded) {
        generation::discard(read, filling.generation.clone()).await?;
    }
    Ok(outcome)
}

async fn finish(read: &Db, filling: &mut Filling, head: &Head) -> Result<(), DbError> {
    generation::index(read, filling.model, &filling.generation).await?;
    filling.generation = place(read, &filling.generation, head).await?;
    Ok(())
}

/// Puts the checkpoint where the fold ended.
async fn place(read: &Db, generation: &Generation, head: &Head) -> Result<Generation, DbError> {
    if head.position == 0 {
        return Ok(generation.clone());
    }
    let placed = Generation { position: head.position, hash: Some(head.hash), ..generation.clone() };
    let (from, to) = (generation.clone(), placed.clone());
    read.write(move |tx| async move { generation::advance(tx, &from, &to).await }.boxed()).await?;
    Ok(placed)
}

async fn serve(models: &ReadModels, filling: &mut Filling) -> Result<RebuildOutcome, RebuildError> {
    // Where nothing serves yet, the runner goes on from here, with all that were filled beside this one; apart they would
    // read each page for themselves. One that was cut short stands before an event that it cannot fold, which has to be said.
    let (mut behind, mut stopped) = (filling.cut || filling.replacing.is_some(), None);
    loop {
        if behind {
            stopped = catch_up(models, filling.model, &mut filling.generation).await?;
        }
        if let (Some(unfoldable), Some(_)) = (&stopped, filling.replacing) {
            return Ok(RebuildOutcome::Failed(unfoldable.clone()));
        }
        fail::fail_point!("rebuild.before_switch");
        match generation::switch(models.read(), filling.model, &filling.generation, filling.replacing).await? {
            Switched::Done => fail::fail_point!("rebuild.after_switch"),
            Switched::Superseded => return Ok(RebuildOutcome::Superseded),
            Switched::Behind => {
                // Another version passed the event that this one cannot fold.
                if let Some(unfoldable) = stopped {
                    return Ok(RebuildOutcome::Failed(unfoldable));
                }
                behind = true;
                continue;
            }
        }
        let Some(unfoldable) = stopped else { return Ok(RebuildOutcome::Serving) };
        generation::stop(models.read(), &filling.generation, &unfoldable.why, unfoldable.position).await?;
        return Ok(RebuildOutcome::Stopped(unfoldable));
    }
}

/// Folds what was appended since, batch by batch, until there is no more.
async fn catch_up(
    models: &ReadModels,
    model: &'static dyn Model,
    generation: &mut Generation,
) -> Result<Option<Unfoldable>, RebuildError> {
    loop {
        let page = log_page::after(models.store(), generation.position).await?;
        if !page.continues(generation) {
            return Err(RebuildError::Diverged);
        }
        if page.run.is_empty() {
            return Ok(None);
        }
        match model.apply(models, generation, &page.run).await? {
            Applied::Moved(moved) => *generation = moved,
            // Nobody else fills this generation: it was dropped, which the switch will find.
            Applied::Lost => return Ok(None),
            Applied::Stopped { moved, at, why } => {
                *generation = moved;
                return Ok(Some(Unfoldable { position: at, why }));
            }
        }
    }
}
