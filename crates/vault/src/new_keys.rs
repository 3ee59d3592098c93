//! New keys reach the disk together: whoever asks while a commit is in flight shares the next one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use db::{Column, Db, DbError, Kind, OnConflict, Statement, Tx};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::{blind::TermHash, error::VaultError, vault::StoredKey};

const QUEUE: usize = 4096;
const BATCH: usize = 500;

/// A wrapped key and the terms that find its subject; without a key, terms for a subject that has one.
pub(crate) struct NewSubject {
    pub(crate) subject: String,
    pub(crate) key: Option<(Uuid, Vec<u8>)>,
    pub(crate) terms: Vec<TermHash>,
}

/// The key that the subject has now: the one that was new, or that of whoever was first.
type Answer = oneshot::Sender<Result<Option<StoredKey>, VaultError>>;

/// The task that writes; it ends when the vault is dropped, after what it has accepted.
pub(crate) struct NewKeys(mpsc::Sender<(NewSubject, Answer)>);

impl NewKeys {
    pub(crate) fn start(db: Db, log: i32) -> Self {
        let (sender, queue) = mpsc::channel(QUEUE);
        tokio::spawn(run(db, log, queue));
        Self(sender)
    }

    /// Durable when it returns. A caller who goes away loses nothing: the task writes what was accepted.
    pub(crate) async fn write(&self, new: NewSubject) -> Result<Option<StoredKey>, VaultError> {
        let (answer, stored) = oneshot::channel();
        self.0.try_send((new, answer)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => VaultError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => VaultError::Closed,
        })?;
        stored.await.map_err(|_| VaultError::Closed)?
    }
}

async fn run(db: Db, log: i32, mut queue: mpsc::Receiver<(NewSubject, Answer)>) {
    let mut batch = Vec::new();
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        let (asked, answers): (Vec<NewSubject>, Vec<Answer>) = batch.drain(..).unzip();
        let subjects: Vec<String> = asked.iter().map(|new| new.subject.clone()).collect();
        let written = db.write(move |tx| Box::pin(write(tx, log, asked))).await.map_err(Arc::new);
        fail::fail_point!("vault.after_keys");
        for (subject, answer) in subjects.iter().zip(answers) {
            let stored = match &written {
                Ok(stored) => Ok(stored.get(subject).cloned()),
                Err(error) => Err(VaultError::Storage(error.clone())),
            };
            // A caller who went away wanted the write, not the answer.
            let _ = answer.send(stored);
        }
    }
}

/// Rows are sorted, so that processes that write the same subjects at once wait for one another in one order.
async fn write(tx: &mut Tx, log: i32, asked: Vec<NewSubject>) -> Result<BTreeMap<String, StoredKey>, DbError> {
    let (mut keys, mut terms) = (BTreeMap::<String, StoredKey>::new(), BTreeSet::new());
    for NewSubject { subject, key, terms: new_terms } in asked {
        terms.extend(new_terms.into_iter().map(|term| (subject.clone(), term)));
        if let Some((id, wrapped)) = key {
            keys.entry(subject).or_insert((id, Some(wrapped)));
        }
    }
    let rows = keys.iter().map(|(subject, (id, wrapped))| {
        vec![log.into(), (*id).into(), subject.as_str().into(), wrapped.clone().into()]
    });
    let inserted = tx.insert_rows("subject_key", &KEY_COLUMNS, rows.collect(), OnConflict::Ignore).await?;
    if inserted < keys.len() as u64 {
        read_back(tx, log, &mut keys).await?;
    }
    let mut rows = Vec::with_capacity(terms.len());
    for (subject, TermHash { field, hash }) in terms {
        if !keys.contains_key(&subject) {
            let stored = stored(tx, log, &subject).await?;
            keys.extend(stored.map(|stored| (subject.clone(), stored)));
        }
        // Who was erased is not found again, whoever still holds their terms.
        if matches!(keys.get(&subject), Some((_, Some(_)))) {
            rows.push(vec![log.into(), field.as_str().into(), hash.into(), subject.into()]);
        }
    }
    tx.insert_rows("blind_index", &TERM_COLUMNS, rows, OnConflict::Ignore).await?;
    Ok(keys)
}

async fn stored(tx: &mut Tx, log: i32, subject: &str) -> Result<Option<StoredKey>, DbError> {
    let select = "select id, wrapped from subject_key where log = $1 and subject = $2";
    tx.fetch_optional(Statement::new(select, vec![log.into(), subject.into()])).await
}

/// Somebody else was first with one of these subjects: theirs is the key.
async fn read_back(tx: &mut Tx, log: i32, keys: &mut BTreeMap<String, StoredKey>) -> Result<(), DbError> {
    for (subject, key) in keys {
        if let Some(theirs) = stored(tx, log, subject).await? {
            *key = theirs;
        }
    }
    Ok(())
}

const KEY_COLUMNS: [Column; 4] = [
    Column { name: "log", kind: Kind::Int },
    Column { name: "id", kind: Kind::Uuid },
    Column { name: "subject", kind: Kind::Text },
    Column { name: "wrapped", kind: Kind::Bytes },
];

const TERM_COLUMNS: [Column; 4] = [
    Column { name: "log", kind: Kind::Int },
    Column { name: "field", kind: Kind::Text },
    Column { name: "token", kind: Kind::Bytes },
    Column { name: "subject", kind: Kind::Text },
];
