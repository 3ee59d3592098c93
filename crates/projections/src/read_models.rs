//! The read models of one organisation: where each stands, and how its queries reach its tables.
//!
//! A list reads rows and is at most a moment behind. One matter is read with the fold of its own stream past the
//! checkpoint, and is never behind: see [`ReadModels::scope`]. Where the checkpoint holds the whole log there is nothing to
//! fold: see [`ReadModels::now`].

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
    time::Duration,
};

use db::{BoxFuture, Db, DbError, ReadRow, Statement, Value};
use domain::codec::{DecodeError, Recorded};
use event_store::{Direction, EventStore, From, Record, StoreError};
use futures_util::FutureExt;
use tokio::{sync::watch, time::Instant};

use crate::{
    Column, Generation, Projection, Row, Rows, generation,
    log_page::Pages,
    model,
    read_index::{Now, ReadIndex},
    tables::{self, Positioned, Standing},
};

/// Cheap to clone; clones share the store, the database and what is known of generations.
#[derive(Clone)]
pub struct ReadModels(Arc<Inner>);

struct Inner {
    store: EventStore,
    heads: ReadIndex,
    read: Db,
    /// The generations this process reads, by name. A switch elsewhere is noticed when a table is gone.
    current: RwLock<HashMap<&'static str, Generation>>,
    /// Moves whenever a worker of this process has moved a checkpoint.
    progress: watch::Sender<()>,
    /// For the worker of this process.
    pages: Pages,
}

/// A read model could not answer.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("the read model {name} version {version} is still being filled")]
    NotReady { name: &'static str, version: i64 },
    #[error("the read models could not be read")]
    Storage(#[from] DbError),
    #[error("the log could not be read")]
    Log(#[from] StoreError),
    #[error("event {position} of the log does not read")]
    Unreadable {
        position: i64,
        #[source]
        source: DecodeError,
    },
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

/// Where one read model stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelStatus {
    pub name: &'static str,
    pub version: i64,
    /// None while it has never been filled.
    pub generation: Option<i64>,
    pub position: i64,
    /// Why it stopped, and at which event.
    pub stopped: Option<(i64, String)>,
}

/// Other processes move checkpoints too, and tell nobody.
const POLL: Duration = Duration::from_millis(20);
/// Events past the checkpoint are read from the stream's end in pages of this size.
const TAIL: usize = 32;

impl ReadModels {
    /// Over the log and the read database of one organisation. Fills nothing: that is the worker's.
    pub async fn open(store: EventStore, read: Db) -> Result<Self, ReadError> {
        generation::prepare(&read).await?;
        let heads = ReadIndex::new({
            let store = store.clone();
            move || {
                let store = store.clone();
                async move { store.head().await.ok() }.boxed()
            }
        });
        let (current, progress) = (RwLock::default(), watch::Sender::new(()));
        Ok(Self(Arc::new(Inner { store, heads, read, current, progress, pages: Pages::default() })))
    }

    pub fn store(&self) -> &EventStore {
        &self.0.store
    }

    pub(crate) fn pages(&self) -> &Pages {
        &self.0.pages
    }

    pub(crate) fn read(&self) -> &Db {
        &self.0.read
    }

    /// Every read model of this code, in a fixed order.
    pub async fn status(&self) -> Result<Vec<ModelStatus>, ReadError> {
        let all = generation::all(&self.0.read).await?;
        let status = |model: &&'static dyn model::Model| {
            let current = generation::current(&all, model.name(), model.version());
            ModelStatus {
                name: model.name(),
                version: model.version(),
                generation: current.as_ref().map(|current| current.generation),
                position: current.as_ref().map_or(0, |current| current.position),
                stopped: current.and_then(|current| Some((current.failed_at?, current.failure?))),
            }
        };
        Ok(model::ALL.iter().map(status).collect())
    }

    /// Of the slowest read model that has not stopped.
    pub async fn position(&self) -> Result<i64, ReadError> {
        let status = self.status().await?;
        let running = status.iter().filter(|model| model.stopped.is_none());
        Ok(running.map(|model| model.position).min().unwrap_or(0))
    }

    /// Whether every read model that has not stopped holds the event at this position, waiting at most `timeout`.
    pub async fn wait_for(&self, position: i64, timeout: Duration) -> Result<bool, ReadError> {
        let deadline = Instant::now() + timeout;
        let mut progress = self.0.progress.subscribe();
        loop {
            progress.mark_unchanged();
            if self.position().await? >= position {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            let _ = tokio::time::timeout_at(deadline.min(Instant::now() + POLL), progress.changed()).await;
        }
    }

    pub(crate) fn has_moved(&self) {
        self.0.progress.send_replace(());
    }

    /// Rows of one read model. In the text `@<table>` names each of its tables, `@columns` the columns of `R`, and
    /// `@each` the function that unfolds a list made by [`list_of`].
    pub(crate) async fn fetch<P: Projection, R: Columns>(&self, statement: Statement) -> Result<Vec<R>, ReadError> {
        let generation = self.current::<P>().await?;
        match self.0.read.fetch_all(fill::<P, R>(statement.clone(), &generation)).await {
            // Perhaps a switch has dropped the table: then there is another.
            Err(error) if error.is_permanent() => {
                self.forget_all();
                let other = self.current::<P>().await?;
                if other.key() == generation.key() {
                    return Err(error.into());
                }
                Ok(self.0.read.fetch_all(fill::<P, R>(statement, &other)).await?)
            }
            answer => Ok(answer?),
        }
    }

    /// The rows of one scope as of now: as they stand at the checkpoint, then a fold of the stream past it. None where
    /// there is no such stream.
    pub(crate) async fn scope<P>(&self, scope: &str) -> Result<Option<Fresh<P::Tables>>, ReadError>
    where
        P: Projection<Tables: Standing>,
    {
        let (checkpoint, rows) = self.at_checkpoint::<P>(scope).await?;
        self.folded::<P>(scope, checkpoint, rows).await
    }

    /// The rows of one scope as of now, from those that stand at a checkpoint. None where there is no such stream.
    pub(crate) async fn folded<P: Projection>(
        &self,
        scope: &str,
        checkpoint: i64,
        mut rows: P::Tables,
    ) -> Result<Option<Fresh<P::Tables>>, ReadError> {
        let Some((revision, tail)) = self.tail(scope, checkpoint).await? else { return Ok(None) };
        for record in tail.into_iter().rev().filter(|record| !record.kind.starts_with('$')) {
            let position = record.position;
            let event = read(record).map_err(|source| ReadError::Unreadable { position, source })?;
            P::fold(&mut rows, &event);
        }
        Ok(Some(Fresh { value: rows, revision }))
    }

    async fn at_checkpoint<P>(&self, scope: &str) -> Result<(i64, P::Tables), ReadError>
    where
        P: Projection<Tables: Standing>,
    {
        let read = |generation| P::Tables::at_checkpoint(&self.0.read, generation, scope.to_owned());
        self.of_generation::<P, _>(read).await
    }

    /// The row whose `column` has this value as it stands at the checkpoint. The value is no other row's.
    pub(crate) async fn row_at_checkpoint<P, R>(
        &self,
        column: &'static str,
        value: &str,
    ) -> Result<Positioned<R>, ReadError>
    where
        P: Projection<Tables = Rows<R>>,
        R: Row,
    {
        let read = |generation| tables::row_at_checkpoint(&self.0.read, generation, column, value.to_owned());
        self.of_generation::<P, _>(read).await
    }

    /// Reads from the generation that serves; `read` finds nothing where that one is gone.
    async fn of_generation<'a, P: Projection, T>(
        &self,
        read: impl Fn(Generation) -> BoxFuture<'a, Result<Option<T>, DbError>>,
    ) -> Result<T, ReadError> {
        let known = self.current::<P>().await?;
        match read(known).await {
            Ok(Some(found)) => return Ok(found),
            Err(error) if !error.is_permanent() => return Err(error.into()),
            // A switch has dropped the generation: there is another.
            Ok(None) | Err(_) => self.forget_all(),
        }
        let other = self.current::<P>().await?;
        read(other).await?.ok_or(ReadError::NotReady { name: P::NAME, version: P::VERSION })
    }

    /// The head of the log, which holds everything that was acknowledged before this call: rows whose checkpoint it is are as
    /// of now. Costs one statement, shared by all who ask at the same time.
    pub fn now(&self) -> Now {
        self.0.heads.now()
    }

    /// The stream's last revision and its events after the checkpoint, last first.
    async fn tail(&self, stream: &str, checkpoint: i64) -> Result<Option<(i64, Vec<Record>)>, ReadError> {
        // Nearly always the checkpoint holds the whole stream, and its last event is all that has to be seen.
        let mut tail = self.0.store.read_stream(stream, From::End, Direction::Backward, 1).await?;
        let Some(revision) = tail.first().map(|last| last.revision) else { return Ok(None) };
        while let Some(oldest) = tail.last().filter(|oldest| oldest.position > checkpoint && oldest.revision > 0) {
            let from = From::At(oldest.revision - 1);
            let older = self.0.store.read_stream(stream, from, Direction::Backward, TAIL).await?;
            if older.is_empty() {
                break;
            }
            tail.extend(older);
        }
        tail.retain(|record| record.position > checkpoint);
        Ok(Some((revision, tail)))
    }

    pub(crate) async fn current<P: Projection>(&self) -> Result<Generation, ReadError> {
        if let Some(known) = self.known().get(P::NAME) {
            return Ok(known.clone());
        }
        let all = generation::all(&self.0.read).await?;
        let found = generation::current(&all, P::NAME, P::VERSION)
            .ok_or(ReadError::NotReady { name: P::NAME, version: P::VERSION })?;
        self.0.current.write().unwrap_or_else(PoisonError::into_inner).insert(P::NAME, found.clone());
        Ok(found)
    }

    fn known(&self) -> RwLockReadGuard<'_, HashMap<&'static str, Generation>> {
        self.0.current.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next query asks the registry which generation serves.
    pub(crate) fn forget_all(&self) {
        self.0.current.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn read(record: Record) -> Result<Recorded, DecodeError> {
    let Record { position, stream, revision, id, recorded_at, kind, schema, payload, meta, .. } = record;
    Recorded::decode(position, stream, revision, id, recorded_at, &kind, schema, &payload, &meta)
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
    model::shapes::<P>()
        .into_iter()
        .fold(named, |named, shape| named.fill(&format!("@{}", shape.table), &generation.table(shape)))
}

/// Values of one column as the list that `@each` unfolds; null where there is no such filter.
pub(crate) fn list_of<T: Column>(values: Option<&[T]>) -> Value {
    let list = values.map(|values| values.iter().map(|value| value.value().into_json()).collect::<serde_json::Value>());
    Value::Json(list.map(|list| list.to_string()))
}
