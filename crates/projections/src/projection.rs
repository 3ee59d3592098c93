//! A projection: which events touch which rows, and how. Pure: no key, no clock, no declaration, no I/O.

use domain::codec::Recorded;

use crate::{Row, Tables};

/// A pure fold from the events of a scope to that scope's rows. A scope is a stream: what concerns two matters is written
/// as two events in one append, so no event touches the rows of another stream (docs/decisions/0011-rebuild-by-stream.md).
pub trait Projection: Send + Sync + 'static {
    /// The checkpoint's key: never renamed.
    const NAME: &'static str;
    /// A higher one is a new table, filled beside the old.
    const VERSION: i64;
    /// The stream categories it reads. An event of another category that cannot be read does not concern it.
    const READS: &'static [&'static str];
    /// [`Rows`](crate::Rows) of one table, or a pair of them; or rows beside a [`Memory`](crate::Memory).
    type Tables: Tables;
    /// Its counters; [`NoCells`] if it has none.
    type Cell: Cell;

    /// That scope's rows afterwards. Total: whatever the order of events, no error and no panic.
    fn fold(rows: &mut Self::Tables, event: &Recorded);

    /// Whether this event takes more of its stream's past than rows hold: the past is then folded again before it.
    /// Asked of every event of a run; said of few, because each costs a read of the log.
    fn looks_back(event: &Recorded) -> bool {
        let _ = event;
        false
    }

    /// What the rows of one scope add to the counters.
    fn cells(rows: &Self::Tables) -> Vec<Self::Cell> {
        let _ = rows;
        Vec::new()
    }
}

/// A row of counters: the columns after the key are whole numbers that many scopes add to.
pub trait Cell: Row {
    /// The counters, in the order of the columns after the key.
    fn measures(&self) -> Vec<i64>;
}

crate::row! {
    /// The cells of a projection that counts nothing; its table is never made.
    pub struct NoCells in no_cells {
        key { none: String }
    }
}

impl Cell for NoCells {
    fn measures(&self) -> Vec<i64> {
        Vec::new()
    }
}
