//! The three keys of a log: `operation`, `blind` and `token`. Random, made once, wrapped by the master key, so that a
//! new master key orphans no operation, index or token. That they unwrap is also how a wrong master key is noticed.

use db::{Db, LogEntry, Statement};

use crate::{
    MasterKey,
    error::VaultError,
    secret::{Secret, length_prefixed, random, unwrap, wrap},
};

pub(crate) struct LogKeys {
    pub(crate) operation: Secret<32>,
    pub(crate) blind: Secret<32>,
    /// AES-SIV takes two keys of 256 bits.
    pub(crate) token: Secret<64>,
}

impl LogKeys {
    pub(crate) async fn open(db: &Db, log: &LogEntry, master: &MasterKey) -> Result<Self, VaultError> {
        Ok(Self {
            operation: open(db, log, master, "operation").await?,
            blind: open(db, log, master, "blind").await?,
            token: open(db, log, master, "token").await?,
        })
    }
}

async fn open<const N: usize>(
    db: &Db,
    log: &LogEntry,
    master: &MasterKey,
    name: &'static str,
) -> Result<Secret<N>, VaultError> {
    let words = length_prefixed([b"guichet.log-key.1".as_slice(), log.slug.as_bytes(), name.as_bytes()]);
    let wrapped = if let Some(wrapped) = stored(db, log, name).await? {
        wrapped
    } else {
        // Several processes may start at once: the first insert wins and everyone reads what it wrote.
        db.execute(Statement::new(
            "insert into log_key (log, name, wrapped) values ($1, $2, $3) on conflict do nothing",
            vec![log.id.into(), name.into(), wrap(master.bytes(), &words, &random::<N>()).into()],
        ))
        .await?;
        stored(db, log, name).await?.ok_or(VaultError::Altered)?
    };
    unwrap(master.bytes(), &words, &wrapped).map_err(|_| VaultError::WrongMasterKey { log: log.slug.clone() })
}

async fn stored(db: &Db, log: &LogEntry, name: &'static str) -> Result<Option<Vec<u8>>, VaultError> {
    let row: Option<(Vec<u8>,)> = db
        .fetch_optional(Statement::new(
            "select wrapped from log_key where log = $1 and name = $2",
            vec![log.id.into(), name.into()],
        ))
        .await?;
    Ok(row.map(|(wrapped,)| wrapped))
}
