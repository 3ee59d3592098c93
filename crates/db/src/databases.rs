//! The directory of logs and the databases each organisation has.
//!
//! On SQLite a directory holds `server.db` and, for each organisation, `<slug>/{log,read,vault}.db`, so that projections
//! never queue in front of appends and organisations never meet. On PostgreSQL schema `guichet` holds the primary data
//! keyed by log id, and `read_<slug>` the read models.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Mutex;
use uuid::Uuid;

use crate::sqlite::Durability;
use crate::{Db, DbError, Location, ReadRow, Row, Statement, migrate};

/// Every SQLite before this may corrupt a write-ahead log that is reset while it is read.
const OLDEST_SQLITE: (u32, u32, u32) = (3, 51, 3);
const OLDEST_SQLITE_TEXT: &str = "3.51.3";

/// The root handle; clones share every connection.
#[derive(Clone)]
pub struct Databases(Arc<Inner>);

struct Inner {
    location: Location,
    server: Db,
    /// By file, or by schema. One process opens each once, so that a SQLite file has one writer here.
    opened: Mutex<HashMap<String, Db>>,
}

/// A log as the directory knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    pub id: i32,
    pub slug: String,
    pub epoch: Uuid,
    /// Another database, once a log has moved to one; none is this one.
    pub location: Option<String>,
}

impl ReadRow for LogEntry {
    fn read(row: &Row<'_>) -> Result<Self, DbError> {
        let id = row.int(0)?;
        let id =
            i32::try_from(id).map_err(|_| DbError::Decode { column: 0, wanted: "a log id", found: id.to_string() })?;
        Ok(Self { id, slug: row.text(1)?, epoch: row.uuid(2)?, location: row.opt_text(3)? })
    }
}

impl Databases {
    /// Makes the directory or the schema where there is none, and brings the tables up to date.
    pub async fn open(location: &Location) -> Result<Self, DbError> {
        let server = match location {
            Location::Sqlite(root) => {
                make_directory(root.clone()).await?;
                let server = Db::sqlite(root.join("server.db"), Durability::Full);
                check_sqlite(&server).await?;
                migrate::run(&server, migrate::DIRECTORY).await?;
                server
            }
            Location::Postgres(url) => {
                let server = Db::postgres(url, "guichet")?;
                make_schema(&server, "guichet").await?;
                migrate::run(&server, migrate::EVERYTHING).await?;
                server
            }
        };
        Ok(Self(Arc::new(Inner { location: location.clone(), server, opened: Mutex::default() })))
    }

    /// Whether [`open`](Self::open) has been here before. Makes nothing.
    pub async fn exist(location: &Location) -> Result<bool, DbError> {
        match location {
            Location::Sqlite(root) => is_file(root.join("server.db")).await,
            Location::Postgres(url) => {
                let server = Db::postgres(url, "guichet")?;
                let found = server.fetch_optional::<(i64,)>(has_directory()).await;
                server.close().await;
                Ok(found?.is_some())
            }
        }
    }

    /// Whether the events of a log that the directory names are here. Makes nothing.
    pub async fn hold(&self, entry: &LogEntry) -> Result<bool, DbError> {
        match &self.0.location {
            Location::Sqlite(root) => is_file(root.join(&entry.slug).join("log.db")).await,
            // One database holds them all.
            Location::Postgres(_) => Ok(true),
        }
    }

    /// The directory and the API keys.
    pub fn server(&self) -> &Db {
        &self.0.server
    }

    pub fn location(&self) -> &Location {
        &self.0.location
    }

    pub async fn logs(&self) -> Result<Vec<LogEntry>, DbError> {
        self.server().fetch_all(all_logs()).await
    }

    /// Gives a slug its log, or finds the one it has.
    pub async fn create_log(&self, slug: &str) -> Result<LogEntry, DbError> {
        check_slug(slug)?;
        loop {
            if let Some(entry) = self.server().fetch_optional(log_by_slug(slug)).await? {
                return Ok(entry);
            }
            // Two processes may take the same id; the directory's key lets one win and the other looks again.
            match self.server().execute(insert_log(slug)).await {
                Err(error) if error.is_unique_violation() => {}
                answer => drop(answer?),
            }
        }
    }

    /// Events, streams, operations, head.
    pub async fn log(&self, entry: &LogEntry) -> Result<Db, DbError> {
        self.part(entry, "log", Durability::Full, migrate::LOG).await
    }

    /// Subject keys, log keys, blind index.
    pub async fn vault(&self, entry: &LogEntry) -> Result<Db, DbError> {
        self.part(entry, "vault", Durability::Full, migrate::VAULT).await
    }

    async fn part(
        &self,
        entry: &LogEntry,
        part: &str,
        durability: Durability,
        migrations: &'static [i64],
    ) -> Result<Db, DbError> {
        match &self.0.location {
            Location::Sqlite(root) => {
                check_slug(&entry.slug)?;
                let directory = root.join(&entry.slug);
                let mut opened = self.0.opened.lock().await;
                let key = format!("{}/{part}", entry.slug);
                if let Some(db) = opened.get(&key) {
                    return Ok(db.clone());
                }
                make_directory(directory.clone()).await?;
                let db = Db::sqlite(directory.join(format!("{part}.db")), durability);
                if !migrations.is_empty() {
                    migrate::run(&db, migrations).await?;
                }
                opened.insert(key, db.clone());
                Ok(db)
            }
            Location::Postgres(_) => Ok(self.0.server.clone()),
        }
    }

    /// The read models of one organisation.
    pub async fn read(&self, entry: &LogEntry) -> Result<Db, DbError> {
        match &self.0.location {
            Location::Sqlite(_) => self.part(entry, "read", Durability::Normal, &[]).await,
            Location::Postgres(url) => {
                check_slug(&entry.slug)?;
                let schema = format!("read_{}", entry.slug);
                let mut opened = self.0.opened.lock().await;
                if let Some(db) = opened.get(&schema) {
                    return Ok(db.clone());
                }
                let db = Db::postgres(url, &schema)?;
                make_schema(&db, &schema).await?;
                opened.insert(schema, db.clone());
                Ok(db)
            }
        }
    }

    /// Closes every connection and waits for it.
    pub async fn close(&self) {
        for db in self.0.opened.lock().await.values() {
            db.close().await;
        }
        self.0.server.close().await;
    }
}

fn check_slug(slug: &str) -> Result<(), DbError> {
    let letters = slug.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    let first = slug.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    if letters && first && slug.len() <= 40 { Ok(()) } else { Err(DbError::Slug(slug.to_owned())) }
}

async fn make_directory(path: PathBuf) -> Result<(), DbError> {
    tokio::task::spawn_blocking(move || std::fs::create_dir_all(&path).map_err(|error| DbError::Directory(path, error)))
        .await?
}

async fn is_file(path: PathBuf) -> Result<bool, DbError> {
    Ok(tokio::task::spawn_blocking(move || path.is_file()).await?)
}

/// Two processes may both find the schema missing; the loser's error means that it is there.
async fn make_schema(db: &Db, schema: &str) -> Result<(), DbError> {
    match db.script(&format!("create schema if not exists {schema}")).await {
        Err(error) if error.is_unique_violation() => Ok(()),
        answer => answer,
    }
}

async fn check_sqlite(db: &Db) -> Result<(), DbError> {
    let (found,): (String,) = db.fetch_one(Statement::new("select sqlite_version()", vec![])).await?;
    let mut parts = found.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    if (next(), next(), next()) < OLDEST_SQLITE {
        return Err(DbError::OldSqlite { found, needed: OLDEST_SQLITE_TEXT });
    }
    Ok(())
}

/// PostgreSQL only: on SQLite the file says it.
fn has_directory() -> Statement {
    Statement::new("select 1 where to_regclass('guichet.log_directory') is not null", vec![])
}

fn all_logs() -> Statement {
    Statement::new("select id, slug, epoch, location from log_directory order by id", vec![])
}

fn log_by_slug(slug: &str) -> Statement {
    Statement::new("select id, slug, epoch, location from log_directory where slug = $1", vec![slug.into()])
}

#[expect(clippy::disallowed_methods, reason = "the epoch names this history for ever and is drawn here, once")]
fn insert_log(slug: &str) -> Statement {
    let epoch = Uuid::new_v4();
    Statement::new(
        "insert into log_directory (id, slug, epoch)
         select coalesce(max(id), 0) + 1, $1, $2
         from log_directory",
        vec![slug.into(), epoch.into()],
    )
}

/// For the test that has both databases prepare every statement.
#[doc(hidden)]
pub fn statements() -> Vec<Statement> {
    vec![all_logs(), log_by_slug(""), insert_log("")]
}
