//! What only PostgreSQL can get wrong: its connections die, its plans age, its errors repeat what they were given.

use std::error::Error;
use std::time::Duration;

use db::{Db, DbError, Dialect, Statement};
use futures_util::FutureExt;
use testkit::{Fresh, run};
use uuid::Uuid;

const INSERT: &str = "insert into log_directory (id, slug, epoch) values ($1, $2, $3)";

fn entry(id: i64, slug: &str) -> Statement {
    Statement::new(INSERT, vec![id.into(), slug.into(), Uuid::nil().into()])
}

/// Everything an operator may get to see of an error.
fn told(error: &DbError) -> String {
    let mut text = format!("{error:?}");
    let mut source = Some(error as &dyn Error);
    while let Some(error) = source {
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

#[test]
fn an_error_repeats_no_value() {
    async fn body(fresh: Fresh) {
        let db = fresh.server();
        db.execute(entry(1, "secret-word")).await.expect("the first of its name");
        let taken = db.execute(entry(2, "secret-word")).await.expect_err("the name is taken");
        assert!(taken.is_unique_violation() && taken.is_permanent(), "{taken:?}");
        let cast = Statement::new("select cast($1 as bigint)", vec!["secret-word".into()]);
        let unread = db.fetch_all::<()>(cast).await.expect_err("not a number");
        assert!(unread.is_permanent(), "{unread:?}");
        for error in [taken, unread] {
            assert!(!told(&error).contains("secret-word"), "{}", told(&error));
        }
    }
    run(Dialect::Postgres, body);
}

#[test]
fn text_with_a_nul_is_refused_for_good() {
    async fn body(fresh: Fresh) {
        let refused = fresh.server().execute(entry(1, "a\0b")).await.expect_err("PostgreSQL has no such text");
        assert!(refused.is_permanent(), "{refused:?}");
        assert!(fresh.logs().await.expect("the connection is whole").is_empty());
    }
    run(Dialect::Postgres, body);
}

/// PostgreSQL answers `commit` with a rollback then, and calls it a success.
#[test]
fn a_transaction_with_a_failed_statement_is_not_called_committed() {
    async fn body(fresh: Fresh) {
        let work = fresh.server().write(|tx| {
            Box::pin(async move {
                tx.execute(entry(1, "one")).await?;
                assert!(tx.execute(entry(1, "two")).await.is_err(), "the id is taken");
                Ok(())
            })
        });
        assert!(work.await.is_err());
        assert!(fresh.logs().await.expect("read").is_empty());
    }
    run(Dialect::Postgres, body);
}

#[test]
fn reads_outlive_the_connections_they_had() {
    async fn body(fresh: Fresh) {
        let read = || Statement::new("select count(*) from log_directory", vec![]);
        let other = fresh.another_process().await;
        for _ in 0..3 {
            for statement in [read(), read().by_key()] {
                let counted: (i64,) = fresh.server().fetch_one(statement).await.expect("another connection answers");
                assert_eq!(counted, (0,));
            }
            let all = "select pg_terminate_backend(pid)
                       from pg_stat_activity
                       where datname = current_database() and pid <> pg_backend_pid()";
            other.server().fetch_all::<()>(Statement::new(all, vec![])).await.expect("a superuser may");
        }
        other.close().await;
    }
    run(Dialect::Postgres, body);
}

/// Two indexes are as good as each other for a table that is known to be empty; the later one wins.
#[test]
fn a_plan_that_was_made_for_an_empty_table_is_not_kept_for_a_full_one() {
    async fn body(fresh: Fresh) {
        let server = fresh.server();
        let table = "create table grown (log bigint, id bigint, name text, primary key (log, id));
                     create index grown_name on grown (log, name);
                     analyze grown";
        server.script(table).await.expect("a table");
        // Beside it: how many entries of the other index its connection has gone through since PostgreSQL last took stock.
        let look_up = async || {
            let sql = "select
                           (select name from grown where log = $1 and id = $2),
                           pg_stat_get_xact_tuples_returned('grown_name'::regclass)";
            let read: (Option<String>, i64) =
                server.fetch_one(Statement::new(sql, vec![1_i64.into(), 7_i64.into()]).by_key()).await.expect("read");
            read
        };
        assert_eq!(look_up().await, (None, 0));
        let rows = "insert into grown select 1, i, 'name-' || i from generate_series(1, $1::bigint) as i";
        server.execute(Statement::new(rows, vec![5_000_i64.into()])).await.expect("rows");
        let most = async |times: usize| {
            let mut most = 0;
            for _ in 0..times {
                let (name, entries) = look_up().await;
                assert_eq!(name.as_deref(), Some("name-7"));
                most = most.max(entries);
            }
            most
        };
        assert!(most(8).await >= 5_000, "the plan of the empty table does not walk: this test shows nothing");
        most(4 * 64).await;
        let before = most(8).await;
        most(8).await;
        assert!(most(8).await <= before, "it still walks");
    }
    run(Dialect::Postgres, body);
}

/// Takes as long as a connection is kept.
#[test]
fn what_a_burst_needed_is_closed_after_it() {
    async fn body(fresh: Fresh) {
        let sessions = async || {
            let others = "select count(*) from pg_stat_activity
                          where datname = current_database() and pid <> pg_backend_pid()";
            let counted: (i64,) = fresh.server().fetch_one(Statement::new(others, vec![])).await.expect("count");
            counted.0
        };
        let before = sessions().await;
        let slow = || Statement::new("select count(*) from pg_sleep(0.5)", vec![]);
        let burst = (0..8).map(|_| fresh.server().fetch_one::<(i64,)>(slow()));
        futures_util::future::try_join_all(burst).await.expect("eight at once");
        assert!(sessions().await >= before + 7);
        let closed = async {
            while sessions().await > before {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), closed).await.expect("they were not needed any more");
    }
    run(Dialect::Postgres, body);
}

#[test]
fn a_table_may_be_replaced_beneath_a_prepared_statement() {
    async fn body(fresh: Fresh) {
        let db = fresh.server();
        let make = |kind: &str| format!("drop table if exists moving; create table moving as select {kind} as value");
        for kind in ["1::bigint", "true"] {
            db.script(&make(kind)).await.expect("make the table");
            for statement in [
                Statement::new("select * from moving", vec![]),
                Statement::new("select * from moving ", vec![]).by_key(),
            ] {
                match kind {
                    "true" => assert_eq!(db.fetch_one::<(bool,)>(statement).await.expect("prepared again"), (true,)),
                    _ => assert_eq!(db.fetch_one::<(i64,)>(statement).await.expect("prepared"), (1,)),
                }
            }
        }
    }
    run(Dialect::Postgres, body);
}

/// Reads by key share connections, whose answers come in order: one that nobody waits for must not be in the way.
#[test]
fn a_read_that_is_left_alone_holds_nobody_back() {
    async fn body(fresh: Fresh) {
        let db: &Db = fresh.server();
        let long = "select cast(i as bigint), repeat('x', 1000) from generate_series(1, 5000) as i";
        let mut left: Vec<_> =
            (0..16).map(|_| Box::pin(db.fetch_all::<(i64, String)>(Statement::new(long, vec![]).by_key()))).collect();
        for read in &mut left {
            assert!(read.as_mut().now_or_never().is_none(), "the answer takes a while");
        }
        for _ in 0..16 {
            let short = Statement::new("select cast($1 as bigint)", vec![7_i64.into()]).by_key();
            assert_eq!(db.fetch_one::<(i64,)>(short).await.expect("answered"), (7,));
        }
        for read in left {
            assert_eq!(read.await.expect("answered too").len(), 5000);
        }
    }
    run(Dialect::Postgres, body);
}
