//! API keys: which log, in what role. They stand beside the directory, for the key is what names the organisation.
//!
//! A key reads `gk_<prefix>_<secret>`: found by its prefix, proved by 256 random bits of which only a hash is stored.
//! A plain SHA-256 is enough for a secret of full entropy; a slow hash would only let anyone spend our processor.

use std::{fmt, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use db::{Db, DbError, ReadRow, Row, Statement};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{cache::Cache, error::VaultError, secret::random};

/// How long a process trusts what it read about a prefix: a key revoked elsewhere works no longer than that.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
const CACHED_KEYS: usize = 10_000;

const SECRET: usize = 32;
/// Letters and digits that nobody mistakes for one another; 32 of them, so that a random byte picks evenly.
const PREFIX_LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
const PREFIX_LENGTH: usize = 10;

/// Cheap to clone.
#[derive(Clone)]
pub struct ApiKeys(Arc<Inner>);

struct Inner {
    db: Db,
    cache: Cache<String, Option<Stored>>,
}

/// What is known of a key, its secret excepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    pub prefix: String,
    /// The log's id in the directory.
    pub log: i32,
    pub role: String,
    /// What whoever made it wrote, to recognise it by.
    pub label: String,
    pub created_at: DateTime<Utc>,
    pub revoked_at: Option<DateTime<Utc>>,
}

/// The whole key, shown once to whoever made it.
pub struct NewApiKey(Zeroizing<String>);

#[derive(Clone)]
struct Stored {
    key: ApiKey,
    hash: Vec<u8>,
}

impl ApiKeys {
    pub fn new(server: Db) -> Self {
        Self(Arc::new(Inner { db: server, cache: Cache::new(CACHED_KEYS, TRUSTED_FOR) }))
    }

    pub async fn create(&self, log: i32, role: &str, label: &str, at: DateTime<Utc>) -> Result<NewApiKey, VaultError> {
        let prefix: String =
            random::<PREFIX_LENGTH>().iter().map(|byte| char::from(PREFIX_LETTERS[usize::from(byte % 32)])).collect();
        let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(*Zeroizing::new(random::<SECRET>())));
        self.0
            .db
            .execute(Statement::new(
                "insert into api_key (prefix, hash, log, role, label, created_at, revoked_at) \
                 values ($1, $2, $3, $4, $5, $6, null)",
                vec![
                    prefix.as_str().into(),
                    hash(&secret).to_vec().into(),
                    log.into(),
                    role.into(),
                    label.into(),
                    at.into(),
                ],
            ))
            .await?;
        self.0.cache.remove(&prefix);
        Ok(NewApiKey(Zeroizing::new(format!("gk_{prefix}_{}", secret.as_str()))))
    }

    /// `false` when there is no such key or it was revoked before.
    pub async fn revoke(&self, prefix: &str, at: DateTime<Utc>) -> Result<bool, VaultError> {
        let changed = self
            .0
            .db
            .execute(Statement::new(
                "update api_key set revoked_at = $2 where prefix = $1 and revoked_at is null",
                vec![prefix.into(), at.into()],
            ))
            .await?;
        self.0.cache.remove(prefix);
        Ok(changed > 0)
    }

    /// Every key of a log, of all logs without one, oldest first.
    pub async fn list(&self, log: Option<i32>) -> Result<Vec<ApiKey>, VaultError> {
        let stored: Vec<Stored> = self
            .0
            .db
            .fetch_all(Statement::new(
                "select prefix, hash, log, role, label, created_at, revoked_at \
                 from api_key \
                 where ($1 is null or log = $1) \
                 order by created_at, prefix",
                vec![db::Value::Int(log.map(i64::from))],
            ))
            .await?;
        Ok(stored.into_iter().map(|stored| stored.key).collect())
    }

    /// Whose key that is; `None` for anything that is not a valid key, whatever the reason.
    pub async fn find(&self, presented: &str) -> Result<Option<ApiKey>, VaultError> {
        let Some((prefix, secret)) = parts(presented) else { return Ok(None) };
        let stored = match self.0.cache.get(prefix) {
            Some(stored) => stored,
            None => self.read(prefix).await?,
        };
        // The same work for an unknown prefix as for a known one: what is compared then is the hash of nothing.
        let expected = stored.as_ref().map_or(&[0; 32][..], |stored| &stored.hash);
        let proved = bool::from(hash(secret).ct_eq(expected));
        Ok(stored.filter(|stored| proved && stored.key.revoked_at.is_none()).map(|stored| stored.key))
    }

    async fn read(&self, prefix: &str) -> Result<Option<Stored>, VaultError> {
        let stored: Option<Stored> = self
            .0
            .db
            .fetch_optional(Statement::new(
                "select prefix, hash, log, role, label, created_at, revoked_at from api_key where prefix = $1",
                vec![prefix.into()],
            ))
            .await?;
        self.0.cache.put(prefix.to_owned(), stored.clone());
        Ok(stored)
    }
}

impl NewApiKey {
    /// The text to hand over.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What it is known by afterwards.
    pub fn prefix(&self) -> &str {
        parts(&self.0).map_or("", |(prefix, _)| prefix)
    }
}

impl fmt::Debug for NewApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewApiKey({}, …)", self.prefix())
    }
}

impl ReadRow for Stored {
    fn read(row: &Row<'_>) -> Result<Self, DbError> {
        let log = i32::try_from(row.int(2)?).unwrap_or_default();
        let key = ApiKey {
            prefix: row.text(0)?,
            log,
            role: row.text(3)?,
            label: row.text(4)?,
            created_at: row.at(5)?,
            revoked_at: row.opt_at(6)?,
        };
        Ok(Self { key, hash: row.bytes(1)? })
    }
}

/// Prefix and secret of what has the shape of a key; nothing else costs a look-up.
fn parts(presented: &str) -> Option<(&str, &str)> {
    let (prefix, secret) = presented.strip_prefix("gk_")?.split_once('_')?;
    let fits =
        prefix.len() == PREFIX_LENGTH && secret.len() == 43 && prefix.bytes().all(|b| PREFIX_LETTERS.contains(&b));
    fits.then_some((prefix, secret))
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::new().chain_update(b"guichet.api-key.1").chain_update(secret).finalize().into()
}

#[cfg(test)]
mod tests {
    use fuzz::{Document, Nearly};

    use super::*;

    #[test]
    fn only_the_shape_of_a_key_is_looked_up() {
        let secret = "s_-".repeat(14) + "x";
        assert_eq!(parts(&format!("gk_abcdefghij_{secret}")), Some(("abcdefghij", secret.as_str())));
        for text in [
            "",
            "gk_",
            "gk_abcdefghij_",
            "gk_ABCDEFGHIJ_",
            &format!("gk_abcdefghi1_{secret}"),
            &format!("sk_abcdefghij_{secret}"),
        ] {
            assert_eq!(parts(text), None, "{text}");
        }
    }

    #[test]
    fn a_key_is_read_in_one_way() {
        let sample = format!("gk_abcdefghij_{}", "s_-".repeat(14) + "x");
        fuzz::check!().with_generator(Nearly::of([sample])).for_each(|document: &Document| {
            let text = document.text();
            if let Some((prefix, secret)) = parts(&text) {
                assert_eq!(format!("gk_{prefix}_{secret}"), text);
            }
        });
    }
}
