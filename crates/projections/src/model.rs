//! A projection without its type, so that the runner can hold them all in one list.

use std::marker::PhantomData;

use db::{BoxFuture, DbError, Tx};
use futures_util::FutureExt;

use crate::{
    Generation, NoCells, Projection, ReadModels, Row, Shape, Tables,
    apply::{self, Applied},
    delivery::Delivered,
    digest::Line,
    fold::{Fold, Folding},
    tables,
};

/// Every read model of an organisation, in the order reports name them.
pub(crate) static ALL: [&dyn Model; 6] = [
    &Typed::<crate::public_requests::PublicRequests>::NEW,
    &Typed::<crate::person_history::PersonHistory>::NEW,
    &Typed::<crate::request_timeline::RequestTimeline>::NEW,
    &Typed::<crate::deadline_queue::DeadlineQueue>::NEW,
    &Typed::<crate::statistics::Statistics>::NEW,
    &Typed::<crate::planning_base::PlanningBase>::NEW,
];

pub(crate) trait Model: Send + Sync {
    fn name(&self) -> &'static str;
    fn version(&self) -> i64;
    fn reads(&self) -> &'static [&'static str];
    /// The tables of rows, then the table of cells if there is one.
    fn shapes(&self) -> Vec<&'static Shape>;
    fn cell_shape(&self) -> Option<&'static Shape>;

    /// Folds a run of events that begins after the generation's checkpoint, and moves the checkpoint.
    fn apply<'a>(
        &self,
        models: &'a ReadModels,
        from: &'a Generation,
        run: &'a [Delivered],
    ) -> BoxFuture<'a, Result<Applied, DbError>>;

    /// A fold of a whole log, without a database.
    fn folding(&self) -> Box<dyn Folding>;

    /// Every row of the table with this index among [`shapes`](Self::shapes), reduced.
    fn lines<'t>(&self, tx: &'t mut Tx, from: &Generation, index: usize) -> BoxFuture<'t, Result<Vec<Line>, DbError>>;
}

pub(crate) struct Typed<P>(PhantomData<fn() -> P>);

impl<P> Typed<P> {
    pub(crate) const NEW: Self = Self(PhantomData);
}

/// The shape of the cells, unless there are none.
pub(crate) fn cell_shape<P: Projection>() -> Option<&'static Shape> {
    let shape = const { &P::Cell::SHAPE };
    (shape.table != NoCells::SHAPE.table).then_some(shape)
}

pub(crate) fn shapes<P: Projection>() -> Vec<&'static Shape> {
    P::Tables::SHAPES.iter().chain(cell_shape::<P>()).collect()
}

impl<P: Projection> Model for Typed<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn version(&self) -> i64 {
        P::VERSION
    }

    fn reads(&self) -> &'static [&'static str] {
        P::READS
    }

    fn shapes(&self) -> Vec<&'static Shape> {
        shapes::<P>()
    }

    fn cell_shape(&self) -> Option<&'static Shape> {
        cell_shape::<P>()
    }

    fn apply<'a>(
        &self,
        models: &'a ReadModels,
        from: &'a Generation,
        run: &'a [Delivered],
    ) -> BoxFuture<'a, Result<Applied, DbError>> {
        apply::apply::<P>(models, from, run).boxed()
    }

    fn folding(&self) -> Box<dyn Folding> {
        Box::new(Fold::<P>::default())
    }

    fn lines<'t>(&self, tx: &'t mut Tx, from: &Generation, index: usize) -> BoxFuture<'t, Result<Vec<Line>, DbError>> {
        if index < P::Tables::SHAPES.len() {
            P::Tables::scan(tx, from, index)
        } else {
            tables::lines::<P::Cell>(tx, from)
        }
    }
}
