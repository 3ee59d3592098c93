//! A database of its own for one bench, and the raw work it is held against.

use std::time::Duration;

use anyhow::Context;
use db::{Databases, Db, DbError, Location, ReadRow, Row, Statement};
use event_store::EventStore;
use vault::MasterKey;

use crate::bench::{
    load::{self, Client},
    pgbench::Pgbench,
    report::Seen,
};

/// Removed by [`Scratch::remove`].
pub(super) struct Scratch {
    /// Where scratch databases are made.
    pub place: Location,
    pub databases: Databases,
    pub master: MasterKey,
    made: db::scratch::Scratch,
}

impl Scratch {
    pub(super) async fn new(place: &Location) -> anyhow::Result<Self> {
        let made = db::scratch::Scratch::new(place, "guichet_bench").await.context("make a scratch database")?;
        let databases = Databases::open(&made.location).await.context("open the scratch database")?;
        Ok(Self { place: place.clone(), databases, master: MasterKey::generate(), made })
    }

    pub(super) async fn store(&self, slug: &str) -> anyhow::Result<EventStore> {
        let entry = self.databases.create_log(slug).await?;
        let db = self.databases.log(&entry).await?;
        Ok(EventStore::open(db, &entry).await?)
    }

    /// The database of one log, for raw statements on its tables.
    pub(super) async fn log(&self, slug: &str) -> anyhow::Result<Db> {
        let entry = self.databases.create_log(slug).await?;
        Ok(self.databases.log(&entry).await?)
    }

    /// What differs from one database to the other.
    pub(super) fn pick<T>(&self, sqlite: T, postgres: T) -> T {
        match self.databases.location() {
            Location::Sqlite(_) => sqlite,
            Location::Postgres(_) => postgres,
        }
    }

    /// On PostgreSQL alone.
    pub(super) fn pgbench(&self) -> anyhow::Result<Option<Pgbench>> {
        match self.databases.location() {
            Location::Sqlite(_) => Ok(None),
            Location::Postgres(url) => Pgbench::find(url).map(Some),
        }
    }

    pub(super) async fn raw(&self) -> anyhow::Result<Raw> {
        if let Some(pgbench) = self.pgbench()? {
            self.databases.server().script(RAW_POSTGRES).await.context("create the raw table")?;
            return Ok(Raw::Postgres(pgbench));
        }
        Ok(Raw::Sqlite(self.log("raw").await?))
    }

    pub(super) async fn remove(self) -> anyhow::Result<()> {
        self.databases.close().await;
        self.made.remove().await.context("remove the scratch database")
    }
}

/// The same work without us: one row, one commit, into a table with the columns and indexes of the log's events.
pub(super) enum Raw {
    Postgres(Pgbench),
    /// The tables of a log that nobody else writes.
    Sqlite(Db),
}

/// The event table again, under another name, with its positions from a sequence as anybody would do it first.
const RAW_POSTGRES: &str = "\
create sequence guichet.raw_position;
create table guichet.raw_event (like guichet.event including all)";

/// One row, one commit: what pgbench repeats.
const INSERT_POSTGRES: &str = "\
insert into raw_event (log, position, stream, revision, stream_name, id, kind, schema, payload, meta, recorded_at, hash)
values (1, nextval('raw_position'), currval('raw_position'), 0, 'bench-' || gen_random_uuid(), gen_random_uuid(),
        'bench.happened', 1, repeat('x', 300)::bytea, repeat('m', 100)::bytea, now(), repeat('h', 32)::bytea);
";

const INSERT_SQLITE: &str = "\
insert into event (log, position, stream, revision, stream_name, id, kind, schema, payload, meta, recorded_at, hash)
select 1, next.position, next.position, 0, 'bench-' || hex(randomblob(16)), hex(randomblob(16)), 'bench.happened', 1,
    randomblob(300), randomblob(100), '2026-01-01T00:00:00.000000Z', randomblob(32)
from (select coalesce(max(position), 0) + 1 as position from event where log = 1) as next";

impl Raw {
    pub(super) async fn insert(&self, clients: usize, time: Duration) -> anyhow::Result<Seen> {
        match self {
            Self::Postgres(pgbench) => pgbench.run("guichet", INSERT_POSTGRES, clients, time).await,
            Self::Sqlite(db) => load::closed((0..clients).map(|_| Inserter(db.clone())), time).await,
        }
    }
}

struct Inserter(Db);

impl Client for Inserter {
    async fn step(&mut self) -> anyhow::Result<()> {
        self.0.execute(Statement::new(INSERT_SQLITE, vec![])).await.context("insert a raw row").map(drop)
    }
}

/// A row that was received and not read.
pub(super) struct Passed;

impl ReadRow for Passed {
    fn read(_: &Row<'_>) -> Result<Self, DbError> {
        Ok(Self)
    }
}
