//! A projection without its type, so that the runner can hold them all in one list.

use crate::{Cell, NoCells, Projection, Row, Shape, Tables};

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
    fn all_shapes(&self) -> Vec<&'static Shape>;
    fn is_cell(&self, shape: &Shape) -> bool;
}

pub(crate) struct Typed<P>(std::marker::PhantomData<fn() -> P>);

impl<P> Typed<P> {
    pub(crate) const NEW: Self = Self(std::marker::PhantomData);
}

/// The shape of the cells, unless there are none.
pub(crate) fn cell_shape<P: Projection>() -> Option<&'static Shape> {
    let shape = const { &P::Cell::SHAPE };
    (shape.table != NoCells::SHAPE.table).then_some(shape)
}

pub(crate) fn all_shapes<P: Projection>() -> Vec<&'static Shape> {
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

    fn all_shapes(&self) -> Vec<&'static Shape> {
        all_shapes::<P>()
    }

    fn is_cell(&self, shape: &Shape) -> bool {
        cell_shape::<P>().is_some_and(|cell| cell.table == shape.table)
    }
}
