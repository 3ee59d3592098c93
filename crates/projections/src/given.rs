//! Given events, then rows: how the examples beside each projection read.

use domain::{ids::RequestId, request};

use crate::{
    Projection, Row, Rows,
    story::{in_request, recorded},
};

/// The rows of one request after its events.
pub(crate) fn given<P: Projection>(id: RequestId, events: impl IntoIterator<Item = request::Event>) -> P::Tables {
    let mut rows = P::Tables::default();
    for event in recorded(events.into_iter().map(|event| in_request(id, event))) {
        P::fold(&mut rows, &event);
    }
    rows
}

impl<R: Row> Rows<R> {
    #[track_caller]
    pub(crate) fn row(&self, key: R::Key, expected: R) -> &Self {
        assert_eq!(self.get(&key), Some(&expected), "the row {key:?}");
        self
    }

    #[track_caller]
    pub(crate) fn no_row(&self, key: R::Key) -> &Self {
        assert_eq!(self.get(&key), None, "the row {key:?}");
        self
    }
}
