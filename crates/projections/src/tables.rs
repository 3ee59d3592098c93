//! The rows of one scope in one table, or in a pair that change together; and how they are read back.

use std::collections::HashMap;

use db::{BoxFuture, Db, DbError, ReadRow, Statement, Tx, Value};
use futures_util::FutureExt;

use crate::{Difference, Generation, Row, Rows, Shape, digest::Line};

/// [`Rows`] of one table, or a pair of them; or rows beside a [`Memory`].
pub trait Tables: Default + Send + Sync + 'static {
    const SHAPES: &'static [Shape];

    /// One entry for each shape, in its order.
    fn difference(&self) -> Vec<Difference>;

    /// All rows as values, one entry for each shape.
    fn values(&self) -> Vec<Vec<Vec<Value>>>;

    /// The rows of many scopes, by scope; one statement for each table.
    fn load<'a>(
        db: &'a Db,
        from: &'a Generation,
        scopes: Value,
    ) -> BoxFuture<'a, Result<HashMap<String, Self>, DbError>>;

    /// Takes over what no table holds from a fold of the same scope's past.
    fn recall(&mut self, past: Self) {
        let _ = past;
    }

    /// Every row of the table with this index, reduced to its key and the digest of its line.
    fn scan<'t>(tx: &'t mut Tx, from: &Generation, index: usize) -> BoxFuture<'t, Result<Vec<Line>, DbError>>;
}

/// Tables that are all a fold needs, so that one scope can be read as it stands and folded on.
pub trait Standing: Tables {
    /// The rows of one scope and the checkpoint they stand at, as of one moment; none where the generation is gone.
    fn at_checkpoint(db: &Db, from: Generation, scope: String) -> BoxFuture<'_, Result<Option<(i64, Self)>, DbError>>;
}

/// What a fold has learnt of a scope and writes nowhere.
///
/// A promise does not say what its request is about. A row for each request only to remember it would be most of what the
/// deadline queue writes; where an event needs it and the run does not hold it, the log says it again
/// ([`Projection::looks_back`](crate::Projection::looks_back)).
#[derive(Debug)]
pub struct Memory<M>(Option<M>);

impl<M> Memory<M> {
    pub fn learn(&mut self, what: M) {
        self.0 = Some(what);
    }

    pub fn get(&self) -> Option<&M> {
        self.0.as_ref()
    }

    /// Changes what is remembered, if anything is.
    pub fn change(&mut self, change: impl FnOnce(&mut M)) {
        self.0.as_mut().map(change);
    }
}

impl<M> Default for Memory<M> {
    fn default() -> Self {
        Self(None)
    }
}

impl<R: Row> Tables for Rows<R> {
    const SHAPES: &'static [Shape] = &[R::SHAPE];

    fn difference(&self) -> Vec<Difference> {
        vec![Difference::of(self)]
    }

    fn values(&self) -> Vec<Vec<Vec<Value>>> {
        vec![values(self)]
    }

    fn load<'a>(
        db: &'a Db,
        from: &'a Generation,
        scopes: Value,
    ) -> BoxFuture<'a, Result<HashMap<String, Self>, DbError>> {
        async move {
            let mut loaded: HashMap<String, Self> = HashMap::new();
            for row in db.fetch_all::<R>(of_scopes::<R>(from, scopes)).await? {
                loaded.entry(row.scope()).or_default().load(row);
            }
            Ok(loaded)
        }
        .boxed()
    }

    fn scan<'t>(tx: &'t mut Tx, from: &Generation, _: usize) -> BoxFuture<'t, Result<Vec<Line>, DbError>> {
        lines::<R>(tx, from)
    }
}

impl<R: Row> Standing for Rows<R> {
    fn at_checkpoint(db: &Db, from: Generation, scope: String) -> BoxFuture<'_, Result<Option<(i64, Self)>, DbError>> {
        async move {
            let held = db.fetch_all::<Positioned<R>>(with_checkpoint::<R>(&from, scope_column::<R>(), &scope)).await?;
            let Some(position) = held.first().map(|held| held.position) else { return Ok(None) };
            let mut rows = Self::default();
            held.into_iter().filter_map(|held| held.row).for_each(|row| rows.load(row));
            Ok(Some((position, rows)))
        }
        .boxed()
    }
}

impl<A: Row, B: Row> Tables for (Rows<A>, Rows<B>) {
    const SHAPES: &'static [Shape] = &[A::SHAPE, B::SHAPE];

    fn difference(&self) -> Vec<Difference> {
        vec![Difference::of(&self.0), Difference::of(&self.1)]
    }

    fn values(&self) -> Vec<Vec<Vec<Value>>> {
        vec![values(&self.0), values(&self.1)]
    }

    fn load<'a>(
        db: &'a Db,
        from: &'a Generation,
        scopes: Value,
    ) -> BoxFuture<'a, Result<HashMap<String, Self>, DbError>> {
        async move {
            let mut loaded: HashMap<String, Self> = HashMap::new();
            for row in db.fetch_all::<A>(of_scopes::<A>(from, scopes.clone())).await? {
                loaded.entry(row.scope()).or_default().0.load(row);
            }
            for row in db.fetch_all::<B>(of_scopes::<B>(from, scopes)).await? {
                loaded.entry(row.scope()).or_default().1.load(row);
            }
            Ok(loaded)
        }
        .boxed()
    }

    fn scan<'t>(tx: &'t mut Tx, from: &Generation, index: usize) -> BoxFuture<'t, Result<Vec<Line>, DbError>> {
        if index == 0 { lines::<A>(tx, from) } else { lines::<B>(tx, from) }
    }
}

impl<A: Row, B: Row> Standing for (Rows<A>, Rows<B>) {
    fn at_checkpoint(db: &Db, from: Generation, scope: String) -> BoxFuture<'_, Result<Option<(i64, Self)>, DbError>> {
        db.snapshot(move |tx| {
            async move {
                let first =
                    tx.fetch_all::<Positioned<A>>(with_checkpoint::<A>(&from, scope_column::<A>(), &scope)).await?;
                let Some(position) = first.first().map(|held| held.position) else { return Ok(None) };
                let mut rows = Self::default();
                first.into_iter().filter_map(|held| held.row).for_each(|row| rows.0.load(row));
                let second =
                    tx.fetch_all::<Positioned<B>>(with_checkpoint::<B>(&from, scope_column::<B>(), &scope)).await?;
                second.into_iter().filter_map(|held| held.row).for_each(|row| rows.1.load(row));
                Ok(Some((position, rows)))
            }
            .boxed()
        })
        .boxed()
    }
}

impl<R: Row, M: Send + Sync + 'static> Tables for (Rows<R>, Memory<M>) {
    const SHAPES: &'static [Shape] = Rows::<R>::SHAPES;

    fn difference(&self) -> Vec<Difference> {
        self.0.difference()
    }

    fn values(&self) -> Vec<Vec<Vec<Value>>> {
        self.0.values()
    }

    fn load<'a>(
        db: &'a Db,
        from: &'a Generation,
        scopes: Value,
    ) -> BoxFuture<'a, Result<HashMap<String, Self>, DbError>> {
        async move {
            let loaded = <Rows<R> as Tables>::load(db, from, scopes).await?;
            Ok(loaded.into_iter().map(|(scope, rows)| (scope, (rows, Memory::default()))).collect())
        }
        .boxed()
    }

    fn recall(&mut self, (_, past): Self) {
        self.1 = past;
    }

    fn scan<'t>(tx: &'t mut Tx, from: &Generation, index: usize) -> BoxFuture<'t, Result<Vec<Line>, DbError>> {
        Rows::<R>::scan(tx, from, index)
    }
}

fn values<R: Row>(rows: &Rows<R>) -> Vec<Vec<Value>> {
    rows.iter().map(Row::values).collect()
}

pub(crate) fn scope_column<R: Row>() -> &'static str {
    R::SHAPE.columns[0].name
}

pub(crate) fn of_scopes<R: Row>(from: &Generation, scopes: Value) -> Statement {
    Statement::new("select @columns from @table where @scope in (select value from @each($1))", vec![scopes])
        .table(&from.table(&R::SHAPE))
        .fill("@columns", &R::SHAPE.column_list())
        .fill("@scope", scope_column::<R>())
        .fill_per_dialect("@each", "json_each", "json_array_elements_text")
}

/// The row whose `column` has this value, and the checkpoint it stands at, as of one moment; none where the generation is gone.
pub(crate) fn row_at_checkpoint<'a, R: Row>(
    db: &'a Db,
    from: Generation,
    column: &'static str,
    value: String,
) -> BoxFuture<'a, Result<Option<Positioned<R>>, DbError>> {
    db.fetch_optional(with_checkpoint::<R>(&from, column, &value)).boxed()
}

/// The checkpoint joined to the rows whose `column` has a value: one line even where there is no row, none where the
/// generation is gone.
pub(crate) fn with_checkpoint<R: Row>(from: &Generation, column: &'static str, value: &str) -> Statement {
    let columns: String = R::SHAPE.columns.iter().flat_map(|column| [", held.", column.name]).collect();
    let table = from.table(&R::SHAPE);
    let sql = format!(
        "select model.position, model.hash{columns}
         from read_model as model
         left join {table} as held on held.{column} = $4
         where model.name = $1 and model.version = $2 and model.generation = $3 and model.state <> 'dropped'"
    );
    let values = vec![from.name.as_str().into(), from.version.into(), from.generation.into(), value.into()];
    Statement::composed(sql, values).by_key()
}

pub(crate) struct Positioned<R> {
    /// Of the checkpoint.
    pub(crate) position: i64,
    /// Of the event there.
    pub(crate) hash: Option<[u8; 32]>,
    pub(crate) row: Option<R>,
}

impl<R: Row> ReadRow for Positioned<R> {
    fn read(row: &db::Row<'_>) -> Result<Self, DbError> {
        let position = row.int(0)?;
        // The scope is text and never null in a row.
        let held = if row.opt_str(2)?.is_some() { Some(R::read_at(row, 2)?) } else { None };
        Ok(Self { position, hash: row.opt_bytes32(1)?, row: held })
    }
}

pub(crate) fn lines<'t, R: Row>(tx: &'t mut Tx, from: &Generation) -> BoxFuture<'t, Result<Vec<Line>, DbError>> {
    let statement = every::<R>(from);
    async move {
        // Reduced while it is read, so that a large table is never whole in memory.
        let lines: Vec<Reduced<R>> = tx.fetch_all(statement).await?;
        Ok(lines.into_iter().map(|reduced| reduced.line).collect())
    }
    .boxed()
}

struct Reduced<R> {
    line: Line,
    row: std::marker::PhantomData<fn() -> R>,
}

impl<R: Row> ReadRow for Reduced<R> {
    fn read(row: &db::Row<'_>) -> Result<Self, DbError> {
        let values = R::read_at(row, 0)?.values();
        Ok(Self { line: Line::of(&R::SHAPE, &values), row: std::marker::PhantomData })
    }
}

pub(crate) fn every<R: Row>(from: &Generation) -> Statement {
    Statement::new("select @columns from @table", vec![])
        .table(&from.table(&R::SHAPE))
        .fill("@columns", &R::SHAPE.column_list())
}
