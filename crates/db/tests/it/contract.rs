//! What every other crate relies on: values come back as they went, writes survive their callers, reads see one state.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use db::{Column, Databases, DbError, Dialect, Kind, Location, OnConflict, Statement, Value};
use futures_util::{FutureExt, StreamExt};
use testkit::on_both_databases;
use uuid::Uuid;

const COLUMNS: [Column; 8] = [
    Column { name: "yes", kind: Kind::Bool },
    Column { name: "number", kind: Kind::Int },
    Column { name: "word", kind: Kind::Text },
    Column { name: "id", kind: Kind::Uuid },
    Column { name: "seen_at", kind: Kind::At },
    Column { name: "seen_on", kind: Kind::Day },
    Column { name: "answers", kind: Kind::Json },
    Column { name: "bytes", kind: Kind::Bytes },
];

type Everything = (Option<bool>, Option<i64>, Option<String>, Option<Uuid>, Option<DateTime<Utc>>, Option<NaiveDate>);

async fn with_table(db: &db::Db) {
    let columns = COLUMNS.map(|column| match db.dialect() {
        db::Dialect::Sqlite => format!("{} {}", column.name, column.kind.sqlite()),
        db::Dialect::Postgres => format!("{} {}", column.name, column.kind.postgres()),
    });
    db.script(&format!("create table sample ({}, unique (number))", columns.join(", "))).await.expect("make a table");
}

fn full_row(number: i64) -> Vec<Value> {
    vec![
        true.into(),
        number.into(),
        "Où est l’égout? \"\\\n".into(),
        Uuid::from_u128(7).into(),
        DateTime::from_timestamp_micros(1_700_000_000_123_456).expect("in range").into(),
        NaiveDate::from_ymd_opt(2024, 2, 29).expect("a leap day").into(),
        Value::Json(Some(r#"{"b":1, "a":[null,"é"]}"#.to_owned())),
        vec![0_u8, 255, 10].into(),
    ]
}

fn null_row(number: i64) -> Vec<Value> {
    vec![
        Value::Bool(None),
        number.into(),
        Value::Text(None),
        Value::Uuid(None),
        Value::At(None),
        Value::Day(None),
        Value::Json(None),
        Value::Bytes(None),
    ]
}

const INSERT: &str = "insert into sample (yes, number, word, id, seen_at, seen_on, answers, bytes)
                      values ($1, $2, $3, $4, $5, $6, $7, $8)";
const PLAIN: &str = "select yes, number, word, id, seen_at, seen_on from sample order by number limit 1000";
const OPAQUE: &str = "select cast(answers as text), bytes from sample order by number limit 1000";

on_both_databases! {
    async fn values_come_back_as_they_went_bound_or_in_bulk(fresh: Fresh) {
        let db = fresh.read(&fresh.create_log("quebec").await.expect("a log")).await.expect("a read database");
        with_table(&db).await;
        db.execute(Statement::new(INSERT, full_row(1))).await.expect("bind a full row");
        db.execute(Statement::new(INSERT, null_row(2))).await.expect("bind nulls");
        let bulk: Vec<_> = (3..=103).map(|n| if n % 2 == 1 { full_row(n) } else { null_row(n) }).collect();
        let touched = db.write(|tx| Box::pin(async move {
            tx.insert_rows("sample", &COLUMNS, bulk, OnConflict::Fail).await
        })).await.expect("insert in bulk");
        assert_eq!(touched, 101);

        let rows: Vec<Everything> = db.fetch_all(Statement::new(PLAIN, vec![])).await.expect("read");
        let opaque: Vec<(Option<String>, Option<Vec<u8>>)> =
            db.fetch_all(Statement::new(OPAQUE, vec![])).await.expect("read");
        assert_eq!(rows.len(), 103);
        let at = DateTime::from_timestamp_micros(1_700_000_000_123_456);
        for (index, (row, opaque)) in rows.into_iter().zip(opaque).enumerate() {
            let number = Some(index as i64 + 1);
            if index % 2 == 0 {
                let word = Some("Où est l’égout? \"\\\n".to_owned());
                assert_eq!(row, (Some(true), number, word, Some(Uuid::from_u128(7)), at, NaiveDate::from_ymd_opt(2024, 2, 29)));
                assert_eq!(opaque, (Some(r#"{"b":1, "a":[null,"é"]}"#.to_owned()), Some(vec![0, 255, 10])));
            } else {
                assert_eq!(row, (None, number, None, None, None, None));
                assert_eq!(opaque, (None, None));
            }
        }
    }

    async fn a_bulk_write_replaces_ignores_and_deletes(fresh: Fresh) {
        let db = fresh.read(&fresh.create_log("quebec").await.expect("a log")).await.expect("a read database");
        with_table(&db).await;
        db.write(|tx| Box::pin(async move {
            tx.insert_rows("sample", &COLUMNS, vec![null_row(1), null_row(2), null_row(3)], OnConflict::Fail).await?;
            tx.insert_rows("sample", &COLUMNS, vec![full_row(1)], OnConflict::Update { key: &["number"] }).await?;
            tx.insert_rows("sample", &COLUMNS, vec![full_row(2)], OnConflict::Ignore).await?;
            tx.delete_rows("sample", &COLUMNS[1..2], vec![vec![3_i64.into()], vec![9_i64.into()]]).await
        })).await.expect("write");
        let rows: Vec<(i64, Option<bool>)> = db
            .fetch_all(Statement::new("select number, yes from sample order by number limit 9", vec![]))
            .await
            .expect("read");
        assert_eq!(rows, [(1, Some(true)), (2, None)]);
    }

    async fn a_refused_transaction_leaves_nothing(fresh: Fresh) {
        let db = fresh.server().clone();
        let refused: Result<(), DbError> = db.write(|tx| Box::pin(async move {
            tx.execute(Statement::new("insert into log_directory (id, slug, epoch) values (9, 'x', $1)", vec![Uuid::nil().into()])).await?;
            Err(DbError::Refused("changed my mind".to_owned()))
        })).await;
        assert!(refused.is_err());
        assert!(fresh.logs().await.expect("read the directory").is_empty());
    }

    async fn an_abandoned_write_still_happens_and_no_connection_is_lost(fresh: Fresh) {
        let db = fresh.server().clone();
        for id in 1..=60_i64 {
            let write = db.write(move |tx| Box::pin(async move {
                tx.execute(Statement::new("insert into log_directory (id, slug, epoch) values ($1, $2, $3)",
                    vec![id.into(), format!("log-{id}").into(), Uuid::nil().into()])).await
            }));
            // Polled once, which begins it, then dropped as a handler is when its client hangs up.
            drop(Box::pin(write).now_or_never());
        }
        let after = db.write(|tx| Box::pin(async move {
            tx.execute(Statement::new("insert into log_directory (id, slug, epoch) values (1000, 'last', $1)", vec![Uuid::nil().into()])).await
        })).await;
        assert_eq!(after.expect("the pool still works"), 1);
        tokio::time::timeout(Duration::from_secs(20), async {
            while fresh.logs().await.expect("read").len() < 61 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("every abandoned write ended");
    }

    async fn a_snapshot_sees_one_state(fresh: Fresh) {
        let (db, others) = (fresh.server().clone(), fresh.clone());
        let counts = db.snapshot(move |tx| Box::pin(async move {
            let count = || Statement::new("select count(*) from log_directory", vec![]);
            let before: Option<(i64,)> = tx.fetch_optional(count()).await?;
            others.create_log("new").await?;
            let after: Option<(i64,)> = tx.fetch_optional(count()).await?;
            Ok((before, after))
        })).await.expect("read twice");
        assert_eq!(counts, (Some((0,)), Some((0,))));
        assert_eq!(fresh.logs().await.expect("read").len(), 1);
    }

    async fn a_log_is_created_once_whoever_asks(fresh: Fresh) {
        let other = fresh.another_process().await;
        let (here, there) = (fresh.create_log("boston"), other.create_log("boston"));
        let (here, there) = tokio::join!(here, there);
        assert_eq!(here.expect("created"), there.expect("found"));
        let second = fresh.create_log("montreal").await.expect("created");
        assert_eq!(second.id, 2);
        assert!(matches!(fresh.create_log("../etc").await, Err(DbError::Slug(_))));
    }

    async fn what_is_there_is_told_without_making_it(fresh: Fresh) {
        assert!(Databases::exist(fresh.location()).await.expect("looked"));
        let entry = fresh.create_log("boston").await.expect("created");
        let in_one = fresh.dialect() == Dialect::Postgres;
        assert_eq!(fresh.hold(&entry).await.expect("looked"), in_one, "the log's file is made when it is opened");
        fresh.log(&entry).await.expect("opened");
        assert!(fresh.hold(&entry).await.expect("looked"));
        let elsewhere = match fresh.location() {
            Location::Sqlite(folder) => Location::Sqlite(folder.join("elsewhere")),
            Location::Postgres(url) => {
                fresh.server().script("alter schema guichet rename to elsewhere").await.expect("renamed");
                Location::Postgres(url.clone())
            }
        };
        for _ in 0..2 {
            assert!(!Databases::exist(&elsewhere).await.expect("looked"));
        }
    }

    async fn a_long_read_may_be_dropped_half_way(fresh: Fresh) {
        let many = "with recursive n (i) as (select 1 union all select i + 1 from n where i < 200000) select cast(i as bigint) from n";
        for _ in 0..20 {
            let mut rows = fresh.server().stream::<(i64,)>(Statement::new(many, vec![]));
            assert_eq!(rows.next().await.expect("a first row").expect("readable"), (1,));
        }
        let all: Vec<_> = fresh.server().stream::<(i64,)>(Statement::new(many, vec![])).collect().await;
        assert_eq!(all.len(), 200_000);
    }

    async fn a_short_read_is_answered_at_once_and_a_long_one_keeps_nobody_waiting(fresh: Fresh) {
        if fresh.dialect() == Dialect::Postgres {
            return; // every read waits for the server there, and keeps no thread
        }
        let counted = |until: i64| {
            let many = "with recursive n (i) as (select 1 union all select i + 1 from n where i < $1) select count(*) from n";
            fresh.server().fetch_one::<(i64,)>(Statement::new(many, vec![until.into()]))
        };
        assert_eq!(counted(10).now_or_never().expect("answered where it was asked").expect("readable"), (10,));
        let mut long = Box::pin(counted(300_000));
        assert!((&mut long).now_or_never().is_none(), "the thread is given back");
        assert_eq!(long.await.expect("readable"), (300_000,));
    }

    async fn a_column_of_another_kind_is_refused_and_not_quoted(fresh: Fresh) {
        let told = fresh.server().fetch_one::<([u8; 32],)>(Statement::new("select $1", vec!["secret".into()])).await;
        let told = told.expect_err("text is no digest");
        assert!(told.is_permanent(), "{told:?}");
        assert!(!format!("{told:?}").contains("secret"));
    }

    async fn several_processes_open_a_new_place_at_once(fresh: Fresh) {
        let place = match fresh.location() {
            Location::Sqlite(folder) => Location::Sqlite(folder.join("elsewhere")),
            Location::Postgres(url) => {
                fresh.server().script("drop schema guichet cascade").await.expect("dropped");
                Location::Postgres(url.clone())
            }
        };
        let opening: Vec<_> = (0..8).map(|_| tokio::spawn({
            let place = place.clone();
            async move {
                let databases = Databases::open(&place).await?;
                let entry = databases.create_log("boston").await?;
                databases.log(&entry).await?;
                databases.close().await;
                Ok::<_, DbError>(entry)
            }
        })).collect();
        let mut entries = Vec::new();
        for opened in opening {
            entries.push(opened.await.expect("no panic").expect("opened"));
        }
        assert!(entries.iter().all(|entry| *entry == entries[0]));
    }

    async fn what_another_program_migrated_is_refused(fresh: Fresh) {
        let server = fresh.server();
        let refused = async || Databases::open(fresh.location()).await.map(drop).expect_err("refused");
        server.script("insert into migration (version, sha256) select 4711, sha256 from migration where version = 1").await.expect("forged");
        assert!(matches!(refused().await, DbError::Newer { version: 4711 }));
        server.script("delete from migration where version = 4711").await.expect("mended");
        Databases::open(fresh.location()).await.expect("whole again").close().await;
        let other = Statement::new("update migration set sha256 = $1 where version = 1", vec![[7_u8; 32].into()]);
        server.execute(other).await.expect("forged");
        assert!(matches!(refused().await, DbError::Migrated { version: 1 }));
    }

    async fn both_databases_accept_every_statement(fresh: Fresh) {
        for statement in db::statements() {
            let prepared = fresh.server().prepare(&statement).await;
            assert!(prepared.is_ok(), "{}: {prepared:?}", statement.sql(fresh.dialect()));
        }
    }
}

/// SQLite does not wait for whoever makes the file write ahead at the same moment.
#[test]
fn processes_that_meet_in_a_new_folder_all_open_it() {
    testkit::run(Dialect::Sqlite, async |fresh| {
        let Location::Sqlite(folder) = fresh.location() else { unreachable!("SQLite was asked for") };
        for round in 0..300 {
            let location = Location::Sqlite(folder.join(format!("new-{round}")));
            let opened = futures_util::future::join_all((0..8).map(|_| {
                let location = location.clone();
                tokio::spawn(async move { Databases::open(&location).await })
            }));
            for databases in opened.await {
                databases.expect("no panic").expect("opened").close().await;
            }
        }
    });
}
