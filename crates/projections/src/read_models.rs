//! The read models of one organisation: where each stands, and how its queries reach its tables.
//!
//! A list reads rows and is at most a moment behind. One matter is read with the fold of its own stream past the
//! checkpoint, and is never behind: see [`ReadModels::scope`].

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use db::{Db, DbError, ReadRow, Statement, Value};

use crate::{Column, Generation, Projection, Row, generation, model};

/// Cheap to clone; clones share the store, the database and what is known of generations.
#[derive(Clone)]
pub struct ReadModels(Arc<Inner>);

struct Inner {
    read: Db,
    /// The generations this process reads, by name. A switch elsewhere is noticed when a table is gone.
    current: RwLock<HashMap<&'static str, Generation>>,
}

/// A read model could not answer.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("the read model {name} version {version} is still being filled")]
    NotReady { name: &'static str, version: i64 },
    #[error("the read models could not be read")]
    Storage(#[from] DbError),
}

/// A value as of the last event of its stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Fresh<T> {
    pub value: T,
    /// Of the stream, at that read: its ETag.
    pub revision: i64,
}

impl<T> Fresh<T> {
    pub fn map<U>(self, map: impl FnOnce(T) -> U) -> Fresh<U> {
        Fresh { value: map(self.value), revision: self.revision }
    }

    pub fn try_map<U>(self, map: impl FnOnce(T) -> Option<U>) -> Option<Fresh<U>> {
        map(self.value).map(|value| Fresh { value, revision: self.revision })
    }
}

impl ReadModels {
    /// Rows of one read model. In the text `@<table>` names each of its tables, `@columns` the columns of `R`, and
    /// `@each` the function that unfolds a list made by [`list_of`].
    pub(crate) async fn fetch<P: Projection, R: Columns>(
        &self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<R>, ReadError> {
        let generation = self.current::<P>().await?;
        let statement = Statement::new(sql, values);
        match self.0.read.fetch_all(fill::<P, R>(statement.clone(), &generation)).await {
            // Perhaps a switch has dropped the table: then there is another.
            Err(error) if error.is_permanent() => {
                self.forget::<P>();
                let other = self.current::<P>().await?;
                if other.key() == generation.key() {
                    return Err(error.into());
                }
                Ok(self.0.read.fetch_all(fill::<P, R>(statement, &other)).await?)
            }
            answer => Ok(answer?),
        }
    }

    /// The rows of one scope as of now.
    pub(crate) async fn scope<P: Projection>(&self, scope: &str) -> Result<Option<Fresh<P::Tables>>, ReadError> {
        let _ = scope;
        let _ = self.current::<P>().await?;
        Ok(None)
    }

    async fn current<P: Projection>(&self) -> Result<Generation, ReadError> {
        if let Some(known) = self.known().get(P::NAME) {
            return Ok(known.clone());
        }
        let all = generation::all(&self.0.read).await?;
        let found = generation::current(&all, P::NAME, P::VERSION)
            .ok_or(ReadError::NotReady { name: P::NAME, version: P::VERSION })?;
        self.0.current.write().unwrap_or_else(PoisonError::into_inner).insert(P::NAME, found.clone());
        Ok(found)
    }

    fn known(&self) -> std::sync::RwLockReadGuard<'_, HashMap<&'static str, Generation>> {
        self.0.current.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget<P: Projection>(&self) {
        self.0.current.write().unwrap_or_else(PoisonError::into_inner).remove(P::NAME);
    }
}

/// What a query reads: a row of a read model, with its columns; or figures, which have none.
pub(crate) trait Columns: ReadRow + Send + 'static {
    fn list() -> String {
        String::new()
    }
}

impl Columns for (i64,) {}
impl Columns for (String,) {}
impl Columns for crate::statistics::Volume {}
impl Columns for crate::statistics::PromiseCount {}

macro_rules! rows {
    ($($row:ty),+ $(,)?) => {
        $(impl Columns for $row {
            fn list() -> String {
                <$row as Row>::SHAPE.column_list()
            }
        })+
    };
}

rows!(
    crate::public_requests::PublicRequest,
    crate::person_history::PersonMatter,
    crate::deadline_queue::Owed,
    crate::planning_base::Planned,
    crate::statistics::DailyCell,
);

/// The statement with the names of a generation in place of its marks.
pub(crate) fn fill<P: Projection, R: Columns>(statement: Statement, generation: &Generation) -> Statement {
    let named = statement
        .fill("@columns", &R::list())
        .fill_per_dialect("@each", "json_each", "json_array_elements_text")
        .fill_per_dialect("@bytewise", "binary", "\"C\"");
    model::all_shapes::<P>()
        .into_iter()
        .fold(named, |named, shape| named.fill(&format!("@{}", shape.table), &generation.table(shape)))
}

/// Values of one column as the list that `@each` unfolds; null where there is no such filter.
pub(crate) fn list_of<T: Column>(values: Option<&[T]>) -> Value {
    let list = values.map(|values| values.iter().map(|value| value.value().into_json()).collect::<serde_json::Value>());
    Value::Json(list.map(|list| list.to_string()))
}
