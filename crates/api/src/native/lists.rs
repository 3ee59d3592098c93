//! Lists: pages by cursor, and waiting for one's own write.

use application::Organisation;
use projections::{Page, ReadModels};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    fields::Fields,
    problem::{Fact, Problem},
    state::PATIENCE,
};

const LIMIT: i64 = 50;
const MOST: i64 = 500;

/// What every list is asked: `limit`, `cursor` of the page before, `after` of one's own write.
pub(super) struct Turn {
    limit: i64,
    cursor: Option<String>,
    own: OwnWrite,
}

/// `after`: the caller's own write, which the answer is meant to show.
pub(super) struct OwnWrite(Option<String>);

impl OwnWrite {
    pub(super) fn read(fields: &mut Fields) -> Self {
        Self(fields.maybe_text("after"))
    }

    /// Returns once the models have seen that write. One that is still behind after a moment answers with what it has:
    /// a slow projection must not become a failing door.
    pub(super) async fn wait(&self, organisation: &Organisation, models: &ReadModels) -> Result<(), Problem> {
        if let Some(after) = &self.0 {
            let position = organisation.read_after(after).map_err(|_| Problem::from(Fact::TokenForeign))?;
            models.wait_for(position, PATIENCE).await?;
        }
        Ok(())
    }
}

/// One page, and the cursor of the next if there may be one.
#[derive(Serialize)]
pub(super) struct Items<T> {
    items: Vec<T>,
    next: Option<String>,
}

impl Turn {
    pub(super) fn read(fields: &mut Fields) -> Self {
        Self {
            limit: fields.maybe_count("limit", MOST).unwrap_or(LIMIT),
            cursor: fields.maybe_text("cursor"),
            own: OwnWrite::read(fields),
        }
    }

    /// The page to fetch, once the models have seen the write that the caller named.
    pub(super) async fn page<C: DeserializeOwned>(
        &self,
        organisation: &Organisation,
        models: &ReadModels,
    ) -> Result<Page<C>, Problem> {
        self.own.wait(organisation, models).await?;
        let cursor = self.cursor.as_deref().map(|cursor| read_cursor(organisation, cursor)).transpose()?;
        Ok(Page { limit: self.limit, after: cursor, skip: 0 })
    }

    pub(super) fn items<R, C: Serialize, T>(
        &self,
        organisation: &Organisation,
        rows: Vec<R>,
        cursor: impl Fn(&R) -> C,
        show: impl Fn(R) -> T,
    ) -> Items<T> {
        let full = rows.len() as i64 == self.limit;
        let next = rows.last().filter(|_| full).map(|row| write_cursor(organisation, &cursor(row)));
        Items { items: rows.into_iter().map(show).collect(), next }
    }
}

fn write_cursor(organisation: &Organisation, cursor: &impl Serialize) -> String {
    let text = serde_json::to_string(cursor).expect("a cursor is made of instants, ids and codes");
    organisation.token("cursor", text.as_bytes())
}

/// A cursor of another list decodes to another shape, and is as foreign as one of another organisation.
fn read_cursor<C: DeserializeOwned>(organisation: &Organisation, cursor: &str) -> Result<C, Problem> {
    let foreign = || Problem::from(Fact::TokenForeign);
    let bytes = organisation.read_token("cursor", cursor).map_err(|_| foreign())?;
    serde_json::from_slice(&bytes).map_err(|_| foreign())
}
