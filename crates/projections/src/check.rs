//! Whether the read models are what the log says: a fold of the whole log without a database, compared row by row.

use std::collections::HashMap;

use db::{DbError, Tx, Value};
use event_store::{EventStore, StoreError};
use futures_util::FutureExt;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::{
    Generation, ReadModels, Shape,
    digest::{self, Line},
    generation,
    model::{self, Model},
    replay::{self, Batch, Phase, Progress, Tell, Unfoldable, Until},
};

/// Differences that a report spells out, for each table.
const SHOWN: usize = 5;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckReport {
    pub models: Vec<CheckedModel>,
}

/// One read model against the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedModel {
    pub name: &'static str,
    pub version: i64,
    pub generation: Option<i64>,
    /// Of the checkpoint: what was compared. Also the number of events folded.
    pub position: i64,
    pub tables: Vec<CheckedTable>,
    /// Why it could not be compared, or what is wrong beside its rows.
    pub problem: Option<Problem>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// Of this version there is none.
    NotFilled,
    /// Its checkpoint is not in the log.
    Diverged,
    /// The runner stopped it.
    Stopped {
        position: i64,
        why: String,
    },
    Unfoldable(Unfoldable),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedTable {
    pub table: &'static str,
    pub rows: i64,
    pub differences: i64,
    /// The first of them by key.
    pub shown: Vec<Difference>,
    /// Of the rows in the database, equal on SQLite and PostgreSQL.
    pub digest: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    pub key: String,
    pub kind: DifferenceKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DifferenceKind {
    /// The log says that there is such a row; the database has none.
    Missing,
    /// The other way round.
    Extra,
    Changed,
}

#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error("the log could not be read")]
    Log(#[from] StoreError),
    #[error("the read models could not be read")]
    Storage(#[from] DbError),
}

impl CheckReport {
    /// No difference, and nothing else wrong.
    pub fn agrees(&self) -> bool {
        self.models.iter().all(CheckedModel::agrees)
    }
}

impl CheckedModel {
    pub fn agrees(&self) -> bool {
        self.problem.is_none() && self.tables.iter().all(|table| table.differences == 0)
    }

    pub fn rows(&self) -> i64 {
        self.tables.iter().map(|table| table.rows).sum()
    }
}

/// One model under comparison.
struct Comparing {
    model: &'static dyn Model,
    current: Option<Generation>,
    tables: Vec<Comparison>,
    checked: CheckedModel,
}

/// The rows in the database that no row of the fold has matched yet.
struct Comparison {
    shape: &'static Shape,
    unmatched: HashMap<String, [u8; 32]>,
    rows: i64,
    digest: String,
    differences: Vec<Difference>,
}

/// Compares every read model at its own checkpoint. Writes nothing; the runner may go on meanwhile.
pub async fn check(models: &ReadModels, tell: Tell<'_>) -> Result<CheckReport, CheckError> {
    let mut comparing = read(models, &mut *tell).await?;
    let epoch = models.store().head().await?.epoch;
    for one in &mut comparing {
        one.find_divergence(models.store(), epoch).await?;
    }
    let until: Vec<Until> =
        comparing.iter().map(|one| Until { model: one.model, position: one.foldable_until() }).collect();
    let last = until.iter().map(|until| until.position).max().unwrap_or(0);
    if last > 0 {
        let (sender, mut batches) = mpsc::channel(replay::BATCHES_AHEAD);
        let compare = async {
            while let Some(Batch { model, table, rows }) = batches.recv().await {
                comparing[model].compare(table, &rows);
            }
        };
        let (folded, ()) = tokio::join!(replay::replay(models.store(), &until, sender, tell), compare);
        for (one, folded) in comparing.iter_mut().zip(folded?) {
            if let Err(unfoldable) = folded {
                one.checked.problem = Some(Problem::Unfoldable(unfoldable));
            }
        }
    }
    Ok(CheckReport { models: comparing.into_iter().map(Comparing::conclude).collect() })
}

/// Checkpoints and rows as of one moment.
async fn read(models: &ReadModels, tell: Tell<'_>) -> Result<Vec<Comparing>, DbError> {
    let stored = loop {
        let before = in_use(&generation::all(models.read()).await?);
        match models.read().snapshot(|tx| read_in(tx).boxed()).await {
            // A switch drops tables beneath a snapshot that still names them, on PostgreSQL: then there are others.
            Err(error) if error.is_permanent() && in_use(&generation::all(models.read()).await?) != before => {}
            stored => break stored?,
        }
    };
    let rows = stored.iter().flat_map(|(_, _, tables)| tables).map(|lines| lines.len() as i64).sum();
    tell(Progress { phase: Phase::Reading, done: rows, total: rows });
    Ok(stored.into_iter().map(|(model, current, tables)| Comparing::new(model, current, tables)).collect())
}

type Stored = (&'static dyn Model, Option<Generation>, Vec<Vec<Line>>);

async fn read_in(tx: &mut Tx) -> Result<Vec<Stored>, DbError> {
    let all: Vec<Generation> = tx.fetch_all(generation::all_statement()).await?;
    let mut stored = Vec::new();
    for model in model::ALL {
        let current = generation::current(&all, model.name(), model.version());
        let mut tables = Vec::new();
        if let Some(generation) = &current {
            for index in 0..model.shapes().len() {
                tables.push(model.lines(tx, generation, index).await?);
            }
        }
        stored.push((model, current, tables));
    }
    Ok(stored)
}

/// Which generation of each read model is compared.
fn in_use(all: &[Generation]) -> Vec<Option<i64>> {
    let current = |model: &&'static dyn Model| generation::current(all, model.name(), model.version());
    model::ALL.iter().map(|model| current(model).map(|current| current.generation)).collect()
}

impl Comparing {
    fn new(model: &'static dyn Model, current: Option<Generation>, tables: Vec<Vec<Line>>) -> Self {
        let stopped = current
            .as_ref()
            .and_then(|current| Some(Problem::Stopped { position: current.failed_at?, why: current.failure.clone()? }));
        let checked = CheckedModel {
            name: model.name(),
            version: model.version(),
            generation: current.as_ref().map(|current| current.generation),
            position: current.as_ref().map_or(0, |current| current.position),
            tables: Vec::new(),
            problem: if current.is_none() { Some(Problem::NotFilled) } else { stopped },
        };
        let tables =
            model.shapes().into_iter().zip(tables).map(|(shape, lines)| Comparison::new(shape, lines)).collect();
        Self { model, current, tables, checked }
    }

    /// A checkpoint that is not in the log is worth no fold.
    async fn find_divergence(&mut self, store: &EventStore, epoch: Uuid) -> Result<(), StoreError> {
        let Some(current) = &self.current else { return Ok(()) };
        let known = if current.position == 0 { None } else { store.hash_at(current.position).await? };
        if current.epoch != epoch || known != current.hash {
            self.checked.problem = Some(Problem::Diverged);
        }
        Ok(())
    }

    fn foldable_until(&self) -> i64 {
        match self.checked.problem {
            Some(Problem::Diverged | Problem::NotFilled) => 0,
            _ => self.checked.position,
        }
    }

    /// Rows that the log says there are.
    fn compare(&mut self, table: usize, rows: &[Vec<Value>]) {
        let table = &mut self.tables[table];
        for values in rows {
            table.expect(Line::of(table.shape, values));
        }
    }

    fn conclude(mut self) -> CheckedModel {
        if !matches!(self.checked.problem, Some(Problem::Diverged | Problem::NotFilled | Problem::Unfoldable(_))) {
            self.checked.tables = self.tables.into_iter().map(Comparison::conclude).collect();
        }
        self.checked
    }
}

impl Comparison {
    fn new(shape: &'static Shape, lines: Vec<Line>) -> Self {
        let rows = lines.len() as i64;
        let digest = digest::of_lines(lines.iter().map(|line| line.digest).collect());
        let unmatched = lines.into_iter().map(|line| (line.key, line.digest)).collect();
        Self { shape, unmatched, rows, digest, differences: Vec::new() }
    }

    /// The log says that there is this row.
    fn expect(&mut self, line: Line) {
        let kind = match self.unmatched.remove(&line.key) {
            Some(digest) if digest == line.digest => return,
            Some(_) => DifferenceKind::Changed,
            None => DifferenceKind::Missing,
        };
        self.differences.push(Difference { key: line.key, kind });
    }

    fn conclude(mut self) -> CheckedTable {
        let extra = self.unmatched.into_keys().map(|key| Difference { key, kind: DifferenceKind::Extra });
        self.differences.extend(extra);
        self.differences.sort();
        let count = self.differences.len() as i64;
        self.differences.truncate(SHOWN);
        CheckedTable {
            table: self.shape.table,
            rows: self.rows,
            differences: count,
            shown: self.differences,
            digest: self.digest,
        }
    }
}
