//! A database of its own for one bench, and the raw work it is held against.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use anyhow::Context;
use db::{Databases, Db, Location, Statement};
use event_store::EventStore;

use crate::bench::{
    pgbench::{Pgbench, Said},
    report::Histogram,
};

/// Removed by [`Scratch::remove`].
pub(super) struct Scratch {
    /// Where scratch databases are made.
    pub place: Location,
    pub location: Location,
    pub databases: Databases,
    from: From,
}

/// What has to go at the end.
enum From {
    Folder(PathBuf),
    Server { url: String, name: String },
}

impl Scratch {
    pub(super) async fn new(place: &Location) -> anyhow::Result<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("guichet_bench_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let (location, from) = match place {
            Location::Sqlite(folder) => {
                let folder = folder.join(name);
                (Location::Sqlite(folder.clone()), From::Folder(folder))
            }
            Location::Postgres(url) => {
                administer(url, &format!("create database {name}")).await.context("create a scratch database")?;
                (Location::Postgres(with_database(url, &name)), From::Server { url: url.clone(), name })
            }
        };
        let databases = Databases::open(&location).await.context("open the scratch database")?;
        Ok(Self { place: place.clone(), location, databases, from })
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

    pub(super) async fn raw(&self) -> anyhow::Result<Raw> {
        match &self.location {
            Location::Postgres(url) => {
                self.databases.server().script(RAW_POSTGRES).await.context("create the raw table")?;
                Ok(Raw::Postgres(Pgbench::find(url)?))
            }
            Location::Sqlite(_) => {
                let db = self.log("raw").await?;
                db.script(RAW_SQLITE).await.context("create the raw table")?;
                Ok(Raw::Sqlite(Box::new(db)))
            }
        }
    }

    pub(super) async fn remove(self) -> anyhow::Result<()> {
        self.databases.close().await;
        match self.from {
            From::Folder(folder) => tokio::fs::remove_dir_all(&folder).await.context("remove the scratch folder"),
            From::Server { url, name } => administer(&url, &format!("drop database {name} with (force)"))
                .await
                .context("drop the scratch database"),
        }
    }
}

async fn administer(url: &str, sql: &str) -> Result<(), db::DbError> {
    let server = Db::postgres(url, "public")?;
    let done = server.execute(Statement::new("@table", vec![]).table(sql)).await;
    server.close().await;
    done.map(drop)
}

fn with_database(url: &str, name: &str) -> String {
    let (base, query) = url.split_once('?').map_or((url, None), |(base, query)| (base, Some(query)));
    let authority = base.find("://").map_or(0, |at| at + 3);
    let end = base[authority..].find('/').map_or(base.len(), |at| authority + at);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}/{name}{query}", &base[..end])
}

/// The same work without us: one row, one commit, into a table with the columns and indexes of the log's events.
pub(super) enum Raw {
    Postgres(Pgbench),
    Sqlite(Box<Db>),
}

/// The event table again, under another name, with its positions from a sequence as anybody would do it first.
const RAW_POSTGRES: &str = "\
create sequence guichet.raw_position;
create table guichet.raw_event (
    log integer not null, schema integer not null, position bigint not null, stream bigint not null, revision bigint not null,
    recorded_at timestamptz not null, id uuid not null, hash bytea not null, kind text collate \"C\" not null,
    stream_name text collate \"C\" not null, meta bytea not null, payload bytea not null,
    primary key (log, position), unique (log, stream, revision)
);
create index raw_event_id on guichet.raw_event (log, id);
alter table guichet.raw_event alter column payload set storage external, alter column meta set storage external";

const RAW_SQLITE: &str = "\
create table raw_event (
    log integer not null, schema integer not null, position integer not null, stream integer not null,
    revision integer not null, recorded_at text not null, id text not null, hash blob not null, kind text not null,
    stream_name text not null, meta blob not null, payload blob not null,
    primary key (log, position), unique (log, stream, revision)
) strict;
create index raw_event_id on raw_event (log, id)";

/// One row, one commit: what pgbench repeats.
const INSERT_POSTGRES: &str = "\
insert into guichet.raw_event
    (log, position, stream, revision, stream_name, id, kind, schema, payload, meta, recorded_at, hash)
values (1, nextval('guichet.raw_position'), currval('guichet.raw_position'), 0, 'bench-' || gen_random_uuid(),
        gen_random_uuid(), 'bench.happened', 1, repeat('x', 300)::bytea, repeat('m', 100)::bytea, now(),
        repeat('h', 32)::bytea);
";

const INSERT_SQLITE: &str = "\
insert into raw_event (log, position, stream, revision, stream_name, id, kind, schema, payload, meta, recorded_at, hash)
select 1, next.position, next.position, 0, 'bench-' || hex(randomblob(16)), hex(randomblob(16)), 'bench.happened', 1,
    randomblob(300), randomblob(100), '2026-01-01T00:00:00.000000Z', randomblob(32)
from (select coalesce(max(position), 0) + 1 as position from raw_event where log = 1) as next";

impl Raw {
    pub(super) async fn insert(&self, clients: usize, time: Duration) -> anyhow::Result<Said> {
        match self {
            Self::Postgres(pgbench) => pgbench.run(INSERT_POSTGRES, clients, time.as_secs().max(1)).await,
            Self::Sqlite(db) => insert_sqlite(db, clients, time).await,
        }
    }
}

async fn insert_sqlite(db: &Db, clients: usize, time: Duration) -> anyhow::Result<Said> {
    let start = Instant::now();
    let tasks: Vec<_> = (0..clients).map(|_| tokio::spawn(insert_until(db.clone(), start + time))).collect();
    let (mut count, mut histogram) = (0_usize, Histogram::new());
    for task in tasks {
        let (own, seen) = task.await.context("a raw writer stopped")??;
        count += own;
        histogram.add(&seen);
    }
    Ok(Said { per_second: count as f64 / start.elapsed().as_secs_f64(), latency_ms: histogram.mean_ms() })
}

async fn insert_until(db: Db, until: Instant) -> anyhow::Result<(usize, Histogram)> {
    let (mut count, mut histogram) = (0, Histogram::new());
    while Instant::now() < until {
        let sent = Instant::now();
        db.execute(Statement::new(INSERT_SQLITE, vec![])).await.context("insert a raw row")?;
        histogram.record(sent.elapsed());
        count += 1;
    }
    Ok((count, histogram))
}
