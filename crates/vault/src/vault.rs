//! One log's vault: subject keys, the blind index beside them, the log's own keys.
//!
//! Every key is stored wrapped by the master key. A new subject key is durable before it is handed out, so no event is
//! ever sealed under a key that a crash could take away; many new keys share one commit ([`crate::new_keys`]).

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use db::{Db, LogEntry, Statement};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    MasterKey, SubjectKey, Tokens,
    blind::{self, Term, TermHash},
    cache::Cache,
    error::VaultError,
    log_keys::LogKeys,
    new_keys::{NewKeys, NewSubject},
    secret::{keyed_hash, length_prefixed, random, unwrap, wrap},
};

/// How many subject keys stay in memory, and how long before the database is asked whether one still exists:
/// a key destroyed by another process is forgotten within that time.
const CACHED_KEYS: usize = 20_000;
const CACHED_FOR: Duration = Duration::from_secs(30);

/// A key's id and its wrapped text; the text is gone when the key was destroyed.
pub(crate) type StoredKey = (Uuid, Option<Vec<u8>>);

/// Cheap to clone.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    db: Db,
    log: i32,
    slug: Arc<str>,
    master: MasterKey,
    keys: LogKeys,
    by_id: Cache<Uuid, SubjectKey>,
    by_subject: Cache<String, SubjectKey>,
    new_keys: NewKeys,
    tokens: Tokens,
}

impl Vault {
    /// Refuses a master key that is not the one by which this log's keys were wrapped.
    pub async fn open(db: Db, log: &LogEntry, master: &MasterKey) -> Result<Self, VaultError> {
        let keys = LogKeys::open(&db, log, master).await?;
        Ok(Self(Arc::new(Inner {
            new_keys: NewKeys::start(db.clone(), log.id),
            tokens: Tokens::new(keys.token.clone(), log.epoch),
            db,
            log: log.id,
            slug: log.slug.as_str().into(),
            master: master.clone(),
            keys,
            by_id: Cache::new(CACHED_KEYS, CACHED_FOR),
            by_subject: Cache::new(CACHED_KEYS, CACHED_FOR),
        })))
    }

    /// The log's id in the directory: what an API key names.
    pub fn log_id(&self) -> i32 {
        self.0.log
    }

    pub fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    /// The id under which the store remembers an operation: holds nothing of what the caller sent.
    pub fn operation_hash(&self, parts: &[&[u8]]) -> [u8; 32] {
        keyed_hash(&self.0.keys.operation, parts)
    }

    /// The key of a subject that was just given its id: one commit, no look-up before it. Its terms become findable with it.
    pub async fn create_key(&self, subject: &str, terms: &[Term]) -> Result<SubjectKey, VaultError> {
        let id = uuid::Builder::from_random_bytes(random()).into_uuid();
        let secret = Zeroizing::new(random::<32>());
        let new = NewSubject {
            subject: subject.to_owned(),
            key: Some((id, wrap(self.0.master.bytes(), &self.words(id), &*secret))),
            terms: self.hashes(terms),
        };
        let (stored, wrapped) = self.0.new_keys.write(new).await?.ok_or(VaultError::Altered)?;
        let wrapped = wrapped.ok_or(VaultError::Destroyed)?;
        let key = if stored == id {
            SubjectKey::new(id, self.0.slug.clone(), subject, secret)
        } else {
            self.unwrap(stored, subject, &wrapped)?
        };
        self.remember_key(subject, &key);
        Ok(key)
    }

    /// The key of a subject, made when it has none.
    pub async fn key_for(&self, subject: &str) -> Result<SubjectKey, VaultError> {
        if let Some(key) = self.0.by_subject.get(subject) {
            return Ok(key);
        }
        let by_subject = Statement::new(
            "select id, wrapped from subject_key where log = $1 and subject = $2",
            vec![self.0.log.into(), subject.into()],
        );
        let stored: Option<StoredKey> = self.0.db.fetch_optional(by_subject.by_key()).await?;
        let Some((id, wrapped)) = stored else { return self.create_key(subject, &[]).await };
        let key = self.unwrap(id, subject, &wrapped.ok_or(VaultError::Destroyed)?)?;
        self.remember_key(subject, &key);
        Ok(key)
    }

    /// The key of that id; `None` when it was destroyed.
    pub async fn key(&self, id: Uuid) -> Result<Option<SubjectKey>, VaultError> {
        if let Some(key) = self.0.by_id.get(&id) {
            return Ok(Some(key));
        }
        let by_id = Statement::new(
            "select subject, wrapped from subject_key where log = $1 and id = $2 and wrapped is not null",
            vec![self.0.log.into(), id.into()],
        );
        let stored: Option<(String, Vec<u8>)> = self.0.db.fetch_optional(by_id.by_key()).await?;
        let Some((subject, wrapped)) = stored else { return Ok(None) };
        let key = self.unwrap(id, &subject, &wrapped)?;
        self.remember_key(&subject, &key);
        Ok(Some(key))
    }

    /// Makes a subject findable by more terms.
    pub async fn remember(&self, subject: &str, terms: &[Term]) -> Result<(), VaultError> {
        let new = NewSubject { subject: subject.to_owned(), key: None, terms: self.hashes(terms) };
        self.0.new_keys.write(new).await.map(drop)
    }

    /// Subjects that have `at_least` of the terms, best match first. The first eight terms count.
    pub async fn find(&self, terms: &[Term], at_least: usize, limit: usize) -> Result<Vec<String>, VaultError> {
        blind::find(&self.0.db, self.0.log, &self.hashes(terms), at_least, limit).await
    }

    /// Those of the terms that the subject is not found by yet.
    pub async fn unknown_terms(&self, subject: &str, terms: &[Term]) -> Result<Vec<Term>, VaultError> {
        let known = blind::of(&self.0.db, self.0.log, subject).await?;
        let unknown = |term: &&Term| !known.iter().any(|hash| *hash == term.hash(&self.0.keys.blind).hash);
        Ok(terms.iter().filter(unknown).cloned().collect())
    }

    /// Destroys the subject's key and its place in the index: what was sealed under it is unreadable from now on, in
    /// every copy. What stays is that there was one, so that the subject never gets another. `false` when there was none.
    pub async fn destroy(&self, subject: &str, at: DateTime<Utc>) -> Result<bool, VaultError> {
        let (log, name) = (self.0.log, subject.to_owned());
        let destroyed = self
            .0
            .db
            .write(move |tx| {
                Box::pin(async move {
                    tx.execute(Statement::new(
                        "delete from blind_index where log = $1 and subject = $2",
                        vec![log.into(), name.as_str().into()],
                    ))
                    .await?;
                    tx.execute(Statement::new(
                        "update subject_key \
                         set wrapped = null, destroyed_at = $3 \
                         where log = $1 and subject = $2 and wrapped is not null",
                        vec![log.into(), name.into(), at.into()],
                    ))
                    .await
                })
            })
            .await?;
        if let Some(key) = self.0.by_subject.get(subject) {
            self.0.by_id.remove(&key.id());
        }
        self.0.by_subject.remove(subject);
        Ok(destroyed > 0)
    }

    fn hashes(&self, terms: &[Term]) -> Vec<TermHash> {
        terms.iter().map(|term| term.hash(&self.0.keys.blind)).collect()
    }

    fn remember_key(&self, subject: &str, key: &SubjectKey) {
        self.0.by_id.put(key.id(), key.clone());
        self.0.by_subject.put(subject.to_owned(), key.clone());
    }

    fn unwrap(&self, id: Uuid, subject: &str, wrapped: &[u8]) -> Result<SubjectKey, VaultError> {
        let secret = unwrap(self.0.master.bytes(), &self.words(id), wrapped).map_err(|_| VaultError::Altered)?;
        Ok(SubjectKey::new(id, self.0.slug.clone(), subject, secret))
    }

    /// A wrapped subject key copied to another log or another id does not unwrap.
    fn words(&self, id: Uuid) -> Vec<u8> {
        length_prefixed([b"guichet.subject-key.1".as_slice(), self.0.slug.as_bytes(), id.as_bytes()])
    }
}
