//! An organisation's declarations as its log tells them: published once each, followed by every process.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use domain::{
    codec::{DeclarationEvent, Event},
    declaration::Declaration,
    rules::Rules,
    words::Code,
};
use event_store::{Delivery, Direction, EventStore, Expected, Filter, From, Record, StoreError};
use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;

use crate::{
    errors::{PublishError, StorageError},
    writing::hex,
};

/// How long to leave a database alone that failed.
const RETRY: Duration = Duration::from_secs(1);

/// What is known of one organisation's declarations.
pub(crate) struct Declarations {
    stream: String,
    known: Mutex<Known>,
    rules: RwLock<Option<Arc<Rules>>>,
}

#[derive(Default)]
struct Known {
    /// By version: the hash of the published text, and what code reads of it.
    versions: BTreeMap<Code, (String, Arc<Declaration>)>,
    revision: Option<i64>,
    position: i64,
}

impl Declarations {
    pub(crate) fn of(slug: &str) -> Self {
        Self { stream: format!("declaration-{slug}"), known: Mutex::default(), rules: RwLock::default() }
    }

    pub(crate) fn stream(&self) -> &str {
        &self.stream
    }

    /// The rules in force, as far as this process has read; `None` before the first declaration.
    pub(crate) fn rules(&self) -> Option<Arc<Rules>> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the next publication expects of the stream.
    pub(crate) fn expected(&self) -> Expected {
        self.known().revision.map_or(Expected::NoStream, Expected::Revision)
    }

    pub(crate) fn position(&self) -> i64 {
        self.known().position
    }

    /// Whether that version is published with that very text already.
    pub(crate) fn is_published(&self, declaration: &Declaration, text: &str) -> Result<bool, PublishError> {
        let known = self.known();
        let Some((sha256, _)) = known.versions.get(&declaration.version) else { return Ok(false) };
        if *sha256 == sha256_hex(text) {
            return Ok(true);
        }
        Err(PublishError::TextChanged {
            organisation: declaration.organisation.slug.clone(),
            version: declaration.version.clone(),
        })
    }

    /// Reads what the stream holds past what is known.
    pub(crate) async fn catch_up(&self, store: &EventStore) -> Result<(), StorageError> {
        let from = From::At(self.known().revision.map_or(0, |revision| revision + 1));
        let records = store.read_stream(&self.stream, from, Direction::Forward, usize::MAX).await;
        records.map_err(StorageError::new)?.iter().try_for_each(|record| self.learn(record))
    }

    /// Takes a record of the stream; one that is known changes nothing.
    pub(crate) fn learn(&self, record: &Record) -> Result<(), StorageError> {
        let event = Event::decode(&record.kind, record.schema, &record.payload).map_err(StorageError::new)?;
        let Event::Declaration(DeclarationEvent::Published { version, sha256, rules, .. }) = event else {
            return Ok(());
        };
        let mut known = self.known();
        if record.stream != self.stream || known.revision.is_some_and(|revision| revision >= record.revision) {
            return Ok(());
        }
        known.revision = Some(record.revision);
        known.position = known.position.max(record.position);
        known.versions.insert(version, (sha256, Arc::from(rules)));
        let versions = known.versions.values().map(|(_, declaration)| declaration.clone()).collect();
        let rules = Rules::new(versions).map_err(StorageError::new)?;
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(rules));
        Ok(())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        // Whole after every statement above.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows the stream, so that what another process publishes holds here too. Ends when its handle is dropped.
pub(crate) fn follow(declarations: Arc<Declarations>, store: &EventStore) -> Following {
    let filter = Filter { prefixes: vec![declarations.stream.clone()], kinds: vec![] };
    let mut subscription = store.subscribe(declarations.position(), filter);
    Following(tokio::spawn(async move {
        loop {
            match subscription.next().await {
                Ok(Delivery::Event(record)) => {
                    if let Err(error) = declarations.learn(&record) {
                        let Record { stream, revision, .. } = record;
                        tracing::error!(stream, revision, %error, "a declaration does not read");
                    }
                }
                Ok(Delivery::CaughtUp { .. } | Delivery::Passed { .. }) => {}
                Err(StoreError::Closed) => return,
                Err(error) => {
                    tracing::warn!(%error, "declarations are not followed for the moment");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }))
}

/// The task that follows; it only reads, so it may end anywhere.
pub(crate) struct Following(JoinHandle<()>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(crate) fn sha256_hex(text: &str) -> String {
    hex(&Sha256::digest(text))
}
