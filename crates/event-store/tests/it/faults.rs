//! A full queue, a database that dies in the middle of commits, and one that goes back in time.

use std::collections::HashSet;
use std::time::Duration;

use db::{Databases, Db, Dialect, Location, Statement};
use event_store::{AppendError, Expected};
use futures_util::FutureExt;
use testkit::on_both_databases;
use tokio::sync::{oneshot, watch};

use crate::harness::{assert_whole, one, open, outcome, put, whole_log};

const LONG: Duration = Duration::from_mins(2);

on_both_databases! {
    async fn a_full_queue_refuses_and_forgets_nothing_it_took(fresh: Fresh) {
        let store = open(&fresh).await;
        let entry = fresh.create_log("quebec").await.expect("the log's entry");
        let elsewhere = fresh.another_process().await.log(&entry).await.expect("open the log's database");
        let (begun, has_begun) = oneshot::channel();
        let (end, ends) = oneshot::channel::<()>();
        let holder = tokio::spawn(async move {
            elsewhere.write(move |tx| Box::pin(async move {
                let hold = Statement::new("update log_head set position = position where log = $1", vec![entry.id.into()]);
                tx.execute(hold).await?;
                begun.send(()).expect("the test waits");
                ends.await.expect("the test says when");
                Ok(())
            })).await
        });
        has_begun.await.expect("the head is held");
        // Polled once each, none awaited: while another process holds the head, the queue fills and nothing empties it.
        let mut waiting = vec![];
        for n in 0..9000 {
            let store = store.clone();
            let mut call = Box::pin(async move { store.append(one(&format!("a-{n}"), Expected::NoStream)).await });
            waiting.push(match (&mut call).now_or_never() {
                Some(answer) => Err(answer),
                None => Ok(call),
            });
        }
        end.send(()).expect("the holder waits");
        holder.await.expect("no panic").expect("it commits");
        let (mut taken, mut refused) = (0, 0);
        for call in waiting {
            match call {
                Err(Err(AppendError::Overloaded)) => refused += 1,
                Err(answer) => panic!("answered too early: {answer:?}"),
                Ok(call) => match tokio::time::timeout(LONG, call).await.expect("in time") {
                    Ok(_) | Err(AppendError::Unknown) => taken += 1,
                    Err(other) => panic!("{other}"),
                },
            }
        }
        assert!(refused > 0, "nothing was refused");
        put(&store, "last", 1).await;
        assert_eq!(assert_whole(&store).await.len(), taken + 1);
    }

    async fn a_writer_that_is_gone_shows(fresh: Fresh) {
        let gone = tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            let store = runtime.block_on(async { open(&fresh.another_process().await).await });
            assert!(store.is_writing());
            // Its writer goes with the runtime, as it would by a panic of its own.
            drop(runtime);
            store
        });
        assert!(!gone.await.expect("no panic").is_writing());
    }

    async fn a_log_that_lost_what_was_acknowledged_is_not_written_on(fresh: Fresh) {
        let store = open(&fresh).await;
        put(&store, "a", 5).await;
        backup(&fresh, "early").await;
        put(&store, "a", 3).await;
        backup(&fresh, "late").await;
        assert!(!store.has_diverged());

        restore(&fresh, "early").await;
        for expected in [Expected::Any, Expected::NoStream, Expected::Revision(4)] {
            assert_eq!(outcome(&store.append(one("a", expected)).await), "diverged");
        }
        assert!(store.has_diverged());
        assert_eq!(whole_log(&store).await.len(), 5, "it can still be read");

        // A process that starts now knows no better. What it writes makes the log longer than the lost one, not the same.
        let restarted = open(&fresh.another_process().await).await;
        put(&restarted, "b", 7).await;
        assert_eq!(outcome(&store.append(one("a", Expected::Any)).await), "diverged");
        assert_eq!(assert_whole(&restarted).await.len(), 12);

        restore(&fresh, "late").await;
        assert_eq!(outcome(&restarted.append(one("b", Expected::Any)).await), "diverged");
        put(&store, "a", 1).await;
        assert!(!store.has_diverged());
        assert_eq!(assert_whole(&store).await.len(), 9);
    }

    async fn what_was_acknowledged_survives_a_database_that_drops_connections(fresh: Fresh) {
        let store = open(&fresh).await;
        let disturbed = watch::Sender::new(0);
        let disturber = tokio::spawn(disturb(fresh.location().clone(), store.watch(), disturbed.clone()));
        let writers: Vec<_> = (0..16)
            .map(|writer| {
                let (store, disturbed) = (store.clone(), disturbed.subscribe());
                tokio::spawn(async move {
                    let mut acknowledged = vec![];
                    // However slow the machine is to disturb them.
                    for n in (0..).take_while(|n| *n < 60 || *disturbed.borrow() < ENOUGH) {
                        let append = one(&format!("a-{writer}-{}", n / 4), Expected::Any);
                        let id = append.writes[0].events[0].id;
                        // A caller that does not know repeats the very same append.
                        loop {
                            match store.append(append.clone()).await {
                                Ok(_) => break acknowledged.push(id),
                                Err(AppendError::Overloaded | AppendError::Unknown) => {}
                                Err(other) => panic!("{other}: {other:?}"),
                            }
                        }
                    }
                    acknowledged
                })
            })
            .collect();
        let mut acknowledged = HashSet::new();
        for writer in writers {
            acknowledged.extend(tokio::time::timeout(LONG, writer).await.expect("in time").expect("no panic"));
        }
        let log: Vec<_> = assert_whole(&store).await.into_iter().map(|record| record.id).collect();
        assert_eq!(log.len(), acknowledged.len(), "written twice or not at all");
        assert_eq!(log.into_iter().collect::<HashSet<_>>(), acknowledged);
        drop(store); // the last handle: its followers learn that it is closed
        disturber.await.expect("no panic");
    }
}

/// Disturbances that a log has to survive.
const ENOUGH: u64 = 11;

const TABLES: [&str; 4] = ["event", "stream", "operation", "log_head"];

/// Keeps the log's tables as they are now.
async fn backup(databases: &Databases, name: &str) {
    let copies = TABLES.map(|table| format!("create table {table}_{name} as select * from {table};"));
    log(databases).await.script(&copies.concat()).await.expect("copy the tables");
}

/// Puts them back, as a restored backup or a promoted standby would, beneath whoever is connected.
async fn restore(databases: &Databases, name: &str) {
    let copies = TABLES.map(|table| format!("delete from {table}; insert into {table} select * from {table}_{name};"));
    log(databases).await.script(&copies.concat()).await.expect("put the tables back");
}

async fn log(databases: &Databases) -> Db {
    let entry = databases.create_log("quebec").await.expect("the log's entry");
    databases.log(&entry).await.expect("open the log's database")
}

/// Whenever some more appends got through. PostgreSQL: kills every connection of the store. SQLite: holds the file's write lock.
async fn disturb(location: Location, mut head: watch::Receiver<i64>, disturbed: watch::Sender<u64>) {
    let databases = Databases::open(&location).await.expect("open again");
    let log = log(&databases).await;
    loop {
        let reached = *head.borrow_and_update();
        if head.wait_for(|head| *head >= reached + 7).await.is_err() {
            break;
        }
        match log.dialect() {
            Dialect::Postgres => {
                let kill = "select pg_terminate_backend(pid)
                            from pg_stat_activity
                            where datname = current_database() and pid <> pg_backend_pid()";
                log.fetch_all::<()>(Statement::new(kill, vec![])).await.expect("kill");
            }
            Dialect::Sqlite => {
                let held = log.write(|_| {
                    Box::pin(async {
                        tokio::time::sleep(Duration::from_millis(15)).await;
                        Ok(())
                    })
                });
                held.await.expect("hold the lock");
            }
        }
        disturbed.send_modify(|disturbed| *disturbed += 1);
    }
    databases.close().await;
}
