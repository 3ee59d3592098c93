//! One page of a list.

/// How much of a list, and from where. A cursor is the place of the last row of the page before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page<C> {
    pub limit: i64,
    pub after: Option<C>,
    /// For doors that number their pages (GeoReport's `page`): rows to pass over.
    pub skip: i64,
}

impl<C> Default for Page<C> {
    fn default() -> Self {
        Self { limit: 50, after: None, skip: 0 }
    }
}

impl<C> Page<C> {
    pub fn first(limit: i64) -> Self {
        Self { limit, ..Self::default() }
    }

    pub fn after(cursor: C, limit: i64) -> Self {
        Self { limit, after: Some(cursor), skip: 0 }
    }

    #[must_use]
    pub fn skipping(self, skip: i64) -> Self {
        Self { skip, ..self }
    }
}
