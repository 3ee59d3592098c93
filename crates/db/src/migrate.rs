//! The tables that are never rebuilt: directory, log, vault. Read models make their own.
//!
//! Both databases hold the same numbered scripts; a SQLite file runs only those of its own part. A script that has run is
//! remembered with its digest: a database that another program made, or a later version of this one, is refused untouched.

use sha2::{Digest, Sha256};

use crate::{Db, DbError, Dialect, Kind, Statement, Tx};

struct Migration {
    version: i64,
    sqlite: &'static str,
    postgres: &'static str,
}

impl Migration {
    fn script(&self, dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Sqlite => self.sqlite,
            Dialect::Postgres => self.postgres,
        }
    }
}

macro_rules! migration {
    ($version:literal, $file:literal) => {
        Migration {
            version: $version,
            sqlite: include_str!(concat!("../../../migrations/sqlite/", $file)),
            postgres: include_str!(concat!("../../../migrations/postgres/", $file)),
        }
    };
}

static MIGRATIONS: [Migration; 3] =
    [migration!(1, "0001_directory.sql"), migration!(2, "0002_event_log.sql"), migration!(3, "0003_vault.sql")];

/// The versions each part of the house needs.
pub(crate) const DIRECTORY: &[i64] = &[1];
pub(crate) const LOG: &[i64] = &[2];
pub(crate) const VAULT: &[i64] = &[3];
pub(crate) const EVERYTHING: &[i64] = &[1, 2, 3];

/// Brings a database up to date. Several processes may try at once: one works, the others wait and find it done.
pub(crate) async fn run(db: &Db, versions: &'static [i64]) -> Result<(), DbError> {
    db.write(move |tx| Box::pin(run_in(tx, versions))).await
}

async fn run_in(tx: &mut Tx, versions: &[i64]) -> Result<(), DbError> {
    let dialect = tx.dialect();
    if dialect == Dialect::Postgres {
        // Only migrations take an advisory lock; no write of the log knows of it.
        tx.fetch_all::<()>(Statement::new("select pg_advisory_xact_lock(4711)", vec![])).await?;
    }
    let table = "create table if not exists migration (version bigint not null primary key, sha256 @bytes not null)";
    tx.script(&table.replace("@bytes", Kind::Bytes.of(dialect))).await?;
    let done: Vec<(i64, [u8; 32])> =
        tx.fetch_all(Statement::new("select version, sha256 from migration order by version", vec![])).await?;
    for (version, digest) in &done {
        let known = MIGRATIONS.iter().find(|migration| migration.version == *version);
        let known = known.ok_or(DbError::Newer { version: *version })?;
        if *digest != sha256(known.script(dialect)) {
            return Err(DbError::Migrated { version: *version });
        }
    }
    let has_run = |version| done.iter().any(|(done, _)| *done == version);
    for migration in MIGRATIONS.iter().filter(|migration| versions.contains(&migration.version)) {
        if has_run(migration.version) {
            continue;
        }
        let script = migration.script(dialect);
        tx.script(script).await?;
        let note = "insert into migration (version, sha256) values ($1, $2)";
        tx.execute(Statement::new(note, vec![migration.version.into(), sha256(script).into()])).await?;
    }
    Ok(())
}

fn sha256(script: &str) -> [u8; 32] {
    Sha256::digest(script).into()
}

/// Changes when a migration does; the testkit names its template database with it.
#[doc(hidden)]
pub fn fingerprint() -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    for migration in &MIGRATIONS {
        migration.postgres.hash(&mut hasher);
    }
    hasher.finish()
}
