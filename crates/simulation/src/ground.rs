//! A read model that counts how often each event was folded into it, and the ground on which the real runner keeps it.

use std::collections::HashMap;

use db::{DbError, Value};
use domain::codec::Recorded;
use event_store::StoreError;
use projections::seam::{Applied, Delivered, Folded, Ground, LogPage, Shelf, apply};
use projections::{Cell, Generation, Projection, Rows, row};
use tokio::sync::watch;
use uuid::Uuid;

use crate::database::SLUG;
use crate::network::Session;

pub(crate) const NAME: &str = "probe";
pub(crate) const VERSION: i64 = 1;
/// Few events at once, so that a small log is many checkpoints.
const PAGE: usize = 3;

row! {
    /// One event, and how often it was folded: twice is once too often.
    pub struct Entry in entry {
        key { stream: String, revision: i64 }
        applications: i64,
    }
}

row! {
    /// Events of one stream: a counter forgives no repetition.
    pub struct Count in entry_count {
        key { stream: String }
        events: i64,
    }
}

impl Cell for Count {
    fn measures(&self) -> Vec<i64> {
        vec![self.events]
    }
}

pub(crate) struct Probe;

impl Projection for Probe {
    const NAME: &'static str = NAME;
    const VERSION: i64 = VERSION;
    const READS: &'static [&'static str] = &["request"];
    type Tables = Rows<Entry>;
    type Cell = Count;

    fn fold(rows: &mut Rows<Entry>, event: &Recorded) {
        let (stream, revision) = (event.stream.clone(), event.revision);
        let before = rows.get(&(stream.clone(), revision)).map_or(0, |entry| entry.applications);
        rows.put(Entry { stream, revision, applications: before + 1 });
    }

    fn cells(rows: &Rows<Entry>) -> Vec<Count> {
        rows.iter().map(|entry| Count { stream: entry.stream.clone(), events: entry.applications }).collect()
    }
}

/// The key of a row or of a cell; a cell has no revision.
pub(crate) fn key_of(row: &[Value]) -> (String, i64) {
    match row {
        [Value::Text(Some(stream)), Value::Int(Some(revision)), _] => (stream.clone(), *revision),
        [Value::Text(Some(stream)), _] => (stream.clone(), 0),
        other => unreachable!("no row of the probe is {other:?}"),
    }
}

/// The last column, which is the only figure.
pub(crate) fn measure_of(row: &[Value]) -> i64 {
    match row.last() {
        Some(Value::Int(Some(measure))) => *measure,
        other => unreachable!("the probe counts in integers, not {other:?}"),
    }
}

/// One process's runner.
#[derive(Clone)]
pub(crate) struct Bench {
    pub(crate) session: Session,
    pub(crate) head: watch::Receiver<i64>,
}

impl Ground for Bench {
    type Model = ();

    fn slug(&self) -> &str {
        SLUG
    }

    fn models(&self) -> Vec<()> {
        vec![()]
    }

    fn identity((): ()) -> (&'static str, i64) {
        (NAME, VERSION)
    }

    fn watch(&self) -> watch::Receiver<i64> {
        self.head.clone()
    }

    async fn epoch(&self) -> Result<Uuid, StoreError> {
        Ok(self.session.read(|database| database.head.epoch).await?)
    }

    async fn page(&self, after: i64) -> Result<LogPage, StoreError> {
        let records = self.session.read(move |database| {
            let from = after.max(1);
            let events = database.events.iter().filter(|event| event.position >= from);
            events.take(PAGE + 1).cloned().collect()
        });
        Ok(LogPage::new(after, records.await?))
    }

    async fn generations(&self) -> Result<Vec<Generation>, DbError> {
        self.session.read(|database| vec![database.checkpoint.clone()]).await
    }

    async fn apply(&self, (): (), from: &Generation, run: &[Delivered]) -> Result<Applied, DbError> {
        apply::<Probe>(&self.session, from, run).await
    }

    async fn stop(&self, at: &Generation, why: &str, failed_at: i64) -> Result<(), DbError> {
        let (at, why) = (at.clone(), why.to_owned());
        self.session.write("stop", move |database, _| database.stop(&at, &why, failed_at)).await
    }

    fn fill(&self, _: Vec<()>) -> impl Future<Output = ()> + Send + 'static {
        // The registry always holds the one generation there is.
        std::future::ready(())
    }

    fn has_moved(&self) {}

    fn forget_all(&self) {}
}

impl Shelf<Probe> for Session {
    async fn load(&self, _: &Generation, scopes: &[&str]) -> Result<HashMap<String, Rows<Entry>>, DbError> {
        let scopes: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let entries = self.read(move |database| scopes.iter().flat_map(|scope| database.entries_of(scope)).collect());
        let entries: Vec<Entry> = entries.await?;
        let mut loaded: HashMap<String, Rows<Entry>> = HashMap::new();
        for entry in entries {
            loaded.entry(entry.stream.clone()).or_default().load(entry);
        }
        Ok(loaded)
    }

    async fn past(&self, _: &Generation, _: &[&str]) -> Result<Vec<Delivered>, DbError> {
        unreachable!("the probe never looks back")
    }

    async fn commit(&self, from: &Generation, to: &Generation, folded: Folded) -> Result<bool, DbError> {
        let (from, to) = (from.clone(), to.clone());
        let won = self.write("checkpoint", move |database, torn| database.advance(&from, &to, &folded, torn)).await?;
        self.world.with(|state| state.tally.lost_checkpoints += u64::from(!won));
        self.note(|| format!("checkpoint {}", if won { "moved" } else { "lost" }));
        Ok(won)
    }

    async fn is_alive(&self, _: &Generation) -> Result<bool, DbError> {
        Ok(true)
    }
}
