//! A bit flipped anywhere in a log that the program wrote: both verifiers, the Rust one and the Python one, say so.
//!
//! `event-store` flips every bit of a log made by hand, in memory; here the rows are real and lie in a database.

use std::process::{Command, Stdio};

use db::{Databases, Db, DbError, Dialect, LogEntry, Statement, Value};
use event_store::verify;
use testkit::on_both_databases;

use crate::harness::{self, Site};

const FLIPS: usize = 30;
/// Of the draws: the same flips every time.
const SEED: u64 = 0x6775_6963_6865_7431;
/// The exit code of either program where a log does not verify.
const DIFFERENT: i32 = 3;

/// How a column is read and written bit by bit, where the databases keep it differently.
#[derive(Clone, Copy)]
enum Kind {
    Int,
    Bytes,
    Text,
    Uuid,
    Instant,
    Flag,
}

/// Every column under a rule, with what names a row of its table.
const COLUMNS: [(&str, &str, &str, Kind); 19] = [
    ("event", "position", "position", Kind::Int),
    ("event", "position", "stream", Kind::Int),
    ("event", "position", "revision", Kind::Int),
    ("event", "position", "stream_name", Kind::Text),
    ("event", "position", "id", Kind::Uuid),
    ("event", "position", "kind", Kind::Text),
    ("event", "position", "schema", Kind::Int),
    ("event", "position", "payload", Kind::Bytes),
    ("event", "position", "meta", Kind::Bytes),
    ("event", "position", "recorded_at", Kind::Instant),
    ("event", "position", "hash", Kind::Bytes),
    ("stream", "name", "name", Kind::Text),
    ("stream", "name", "first_position", Kind::Int),
    ("stream", "name", "truncated_before", Kind::Int),
    ("stream", "name", "tombstoned", Kind::Flag),
    ("log_head", "log", "epoch", Kind::Uuid),
    ("log_head", "log", "position", Kind::Int),
    ("log_head", "log", "hash", Kind::Bytes),
    ("log_head", "log", "recorded_at", Kind::Instant),
];

on_both_databases! {
    async fn both_verifiers_find_a_bit_flipped_anywhere(fresh: Fresh) {
        let site = Site::new(&fresh);
        // Some of its rows are rejected, which is another story.
        site.run(&["import", "--mapping", "mappings/ottawa.toml", "tests/data/ottawa_like.csv", "--rejects", "/dev/null"]);
        let log = Log::open(&fresh).await;
        log.keep().await;
        assert_eq!(log.verdicts(&site).await, [0; 2], "whole");

        let mut draws = Draws(SEED);
        let mut found = 0;
        while found < FLIPS {
            let (column, row, bit) = (COLUMNS[draws.below(COLUMNS.len())], draws.next(), draws.next());
            if let Some(flip) = log.flip(column, row, bit).await {
                assert_eq!(log.verdicts(&site).await, [DIFFERENT; 2], "flip {found} of seed {SEED:#x}: {flip}");
                found += 1;
                if found == FLIPS {
                    assert_eq!(site.run(&["verify"]).status.code(), Some(DIFFERENT), "the command says what its rules say");
                }
                log.restore(column.0).await;
            }
        }
        site.done(&["verify"]);
    }
}

struct Log {
    db: Db,
    entry: LogEntry,
}

impl Log {
    async fn open(databases: &Databases) -> Self {
        let entry = harness::entry(databases, "ottawa").await;
        Self { db: databases.log(&entry).await.expect("the log opens"), entry }
    }

    /// What each verifier says, as an exit code.
    async fn verdicts(&self, site: &Site) -> [i32; 2] {
        let report = verify::verify(&self.db, &self.entry, |_| {}).await.expect("the log reads");
        let script = Command::new("python3")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/verify_log.py"))
            .args([&site.database, &self.entry.slug])
            .stdin(Stdio::null())
            .output()
            .expect("python3 is on PATH: the second verifier is written in it");
        [if report.ok() { 0 } else { DIFFERENT }, script.status.code().expect("the script ends by itself")]
    }

    async fn keep(&self) {
        for table in ["event", "stream", "log_head"] {
            let sql = format!("create table kept_{table} as select * from {table}");
            self.db.script(&sql).await.expect("a copy of the table");
        }
    }

    async fn restore(&self, table: &str) {
        let sql = format!("delete from {table}; insert into {table} select * from kept_{table}");
        self.db.script(&sql).await.expect("the copy is there");
    }

    /// Flips one bit and says which; `None` where the database cannot hold what that makes, or holds the same as before.
    async fn flip(&self, (table, key, column, kind): (&str, &str, &str, Kind), row: u64, bit: u64) -> Option<String> {
        let count = "select count(*) from @table where log = $1";
        let count = Statement::new(count, vec![self.entry.id.into()]).table(table);
        let (rows,) = self.db.fetch_one::<(i64,)>(count).await.expect("the table reads");
        let row = (row % rows.unsigned_abs()) as i64;
        let cell = Cell { table, key, column, kind, row };
        let before = self.read(&cell).await.expect("the cell reads");
        let (flipped, bit) = flipped(&before, bit)?;
        self.write(&cell, flipped).await.ok()?;
        // PostgreSQL takes any number for a flag, and keeps what it means.
        let changed = cell.is_key() || self.read(&cell).await.ok().as_ref() != Some(&before);
        changed.then(|| format!("bit {bit} of {table}.{column}, row {row}"))
    }

    async fn read(&self, cell: &Cell<'_>) -> Result<Stored, DbError> {
        let sql = "select @read from @table where log = $1 order by @key limit 1 offset $2";
        let statement = cell.fill(Statement::new(sql, vec![self.entry.id.into(), cell.row.into()]));
        if cell.is_number(self.db.dialect()) {
            return Ok(Stored::Number(self.db.fetch_one::<(i64,)>(statement).await?.0));
        }
        Ok(Stored::Bytes(self.db.fetch_one::<(Vec<u8>,)>(statement).await?.0))
    }

    async fn write(&self, cell: &Cell<'_>, stored: Stored) -> Result<u64, DbError> {
        let sql = "update @table
                   set @column = @write
                   where log = $2 and @key = (select @key from @table where log = $2 order by @key limit 1 offset $3)";
        let value = match stored {
            Stored::Number(number) => Value::from(number),
            Stored::Bytes(bytes) => Value::from(bytes),
        };
        self.db.execute(cell.fill(Statement::new(sql, vec![value, self.entry.id.into(), cell.row.into()]))).await
    }
}

struct Cell<'a> {
    table: &'a str,
    key: &'a str,
    column: &'a str,
    kind: Kind,
    row: i64,
}

#[derive(Debug, PartialEq)]
enum Stored {
    Number(i64),
    Bytes(Vec<u8>),
}

impl Cell<'_> {
    /// A changed key may stand elsewhere, so the same place does not show whether it has changed; every change does.
    fn is_key(&self) -> bool {
        self.key == self.column
    }

    fn is_number(&self, dialect: Dialect) -> bool {
        match self.kind {
            Kind::Int | Kind::Flag => true,
            Kind::Instant => dialect == Dialect::Postgres,
            Kind::Bytes | Kind::Text | Kind::Uuid => false,
        }
    }

    /// SQLite keeps ids and instants as text, and text may be no UTF-8; PostgreSQL keeps them natively.
    fn fill(&self, statement: Statement) -> Statement {
        let (text, bytes) = ("cast(@column as blob)", "cast($1 as text)");
        let ((read_sqlite, write_sqlite), (read_postgres, write_postgres)) = match self.kind {
            Kind::Int => (("@column", "$1"), ("cast(@column as bigint)", "$1")),
            Kind::Bytes => (("@column", "$1"), ("@column", "$1")),
            Kind::Text => ((text, bytes), ("convert_to(@column, 'UTF8')", "convert_from($1, 'UTF8')")),
            Kind::Uuid => ((text, bytes), ("uuid_send(@column)", "cast(encode($1, 'hex') as uuid)")),
            Kind::Instant => (
                (text, bytes),
                (
                    "cast(extract(epoch from @column) * 1000000 as bigint)",
                    "timestamptz 'epoch' + $1 * interval '1 microsecond'",
                ),
            ),
            Kind::Flag => (("@column", "$1"), ("cast(cast(@column as integer) as bigint)", "$1 = 1")),
        };
        statement
            .fill_per_dialect("@read", read_sqlite, read_postgres)
            .fill_per_dialect("@write", write_sqlite, write_postgres)
            .fill("@column", self.column)
            .fill("@key", self.key)
            .table(self.table)
    }
}

/// The value with one bit flipped, and which; an empty one has none.
fn flipped(stored: &Stored, draw: u64) -> Option<(Stored, usize)> {
    match stored {
        Stored::Number(number) => {
            let bit = (draw % 64) as usize;
            Some((Stored::Number(number ^ (1 << bit)), bit))
        }
        Stored::Bytes(bytes) if bytes.is_empty() => None,
        Stored::Bytes(bytes) => {
            let bit = (draw % (bytes.len() as u64 * 8)) as usize;
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            Some((Stored::Bytes(bytes), bit))
        }
    }
}

/// `SplitMix64`: numbers that look random and are the same on every machine.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}
