//! The tables that are never rebuilt: directory, log, vault. Read models make their own.
//!
//! Both databases hold the same numbered scripts; a SQLite file runs only those of its own part.

use crate::{Db, DbError, Dialect, Statement};

struct Migration {
    version: i64,
    sqlite: &'static str,
    postgres: &'static str,
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
    db.write(move |tx| {
        Box::pin(async move {
            if tx.dialect() == Dialect::Postgres {
                // Only migrations take an advisory lock; no write of the log knows of it.
                tx.fetch_all::<()>(Statement::new("select pg_advisory_xact_lock(4711)", vec![])).await?;
            }
            tx.script("create table if not exists migration (version integer not null primary key)").await?;
            let done: Vec<(i64,)> =
                tx.fetch_all(Statement::new("select version from migration order by version", vec![])).await?;
            for migration in MIGRATIONS.iter().filter(|migration| versions.contains(&migration.version)) {
                if done.contains(&(migration.version,)) {
                    continue;
                }
                tx.script(match tx.dialect() {
                    Dialect::Sqlite => migration.sqlite,
                    Dialect::Postgres => migration.postgres,
                })
                .await?;
                let note = "insert into migration (version) values ($1)";
                tx.execute(Statement::new(note, vec![migration.version.into()])).await?;
            }
            Ok(())
        })
    })
    .await
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
