//! Many writers in two processes against readers that follow: nothing skipped, nothing twice, no gap.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use db::{BoxFuture, DbError, Dialect, Statement, Tx};
use event_store::{AppendError, Delivery, EventStore, Expected, Filter};
use testkit::on_both_databases;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::harness::{all_of, assert_whole, event, one, open, put, under, write};

const WRITERS: usize = 64;
const APPENDS: usize = 25;
const LONG: Duration = Duration::from_mins(2);

/// Follows until it has seen so many events, and checks that each is the next one.
async fn follow(store: EventStore, count: i64) -> Vec<Uuid> {
    let mut subscription = store.subscribe(0, Filter::all());
    let mut seen = vec![];
    while (seen.len() as i64) < count {
        if let Delivery::Event(record) = subscription.next().await.expect("a readable log") {
            assert_eq!(record.position, seen.len() as i64 + 1, "skipped or repeated");
            seen.push(record.id);
        }
    }
    seen
}

/// A transaction that has begun and does nothing more. On PostgreSQL it has even written, which holds back every reader that
/// waits for older transactions to end.
fn idling(
    writes: bool,
    begun: oneshot::Sender<()>,
    ends: oneshot::Receiver<()>,
) -> impl for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<(), DbError>> + Send + 'static {
    move |tx| {
        Box::pin(async move {
            if writes {
                let sql = "insert into log_directory (id, slug, epoch) values (99, 'idle', $1)";
                tx.execute(Statement::new(sql, vec![Uuid::nil().into()])).await?;
            }
            tx.fetch_all::<(i64,)>(Statement::new("select count(*) from event", vec![])).await?;
            begun.send(()).expect("the test waits");
            drop(ends.await);
            Ok(())
        })
    }
}

on_both_databases! {
    async fn racing_writers_never_mislead_a_tailing_reader(fresh: Fresh) {
        let here = open(&fresh).await;
        let there = open(&fresh.another_process().await).await;
        let total = (WRITERS * APPENDS) as i64;
        let readers = [&here, &there].map(|store| tokio::spawn(follow(store.clone(), total)));
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let store = if writer % 2 == 0 { here.clone() } else { there.clone() };
                tokio::spawn(async move {
                    let mut acknowledged = vec![];
                    for n in 0..APPENDS {
                        // Some streams are shared by writers of both processes, some are new, some a writer's own.
                        let (stream, expected) = match n % 3 {
                            0 => (format!("shared-{}", n % 5), Expected::Any),
                            1 => (format!("new-{writer}-{n}"), Expected::NoStream),
                            _ => (format!("own-{writer}"), Expected::Any),
                        };
                        let append = one(&stream, expected);
                        let id = append.writes[0].events[0].id;
                        let answer = store.append(append).await.expect("nobody is in its way");
                        acknowledged.push((answer.first, id));
                    }
                    acknowledged
                })
            })
            .collect();
        let mut acknowledged = HashMap::new();
        for writer in writers {
            acknowledged.extend(tokio::time::timeout(LONG, writer).await.expect("in time").expect("no panic"));
        }
        let log: HashMap<_, _> = assert_whole(&here).await.into_iter().map(|record| (record.position, record.id)).collect();
        assert_eq!(log, acknowledged, "the log is exactly what was acknowledged");
        for reader in readers {
            let seen = tokio::time::timeout(LONG, reader).await.expect("in time").expect("no panic");
            assert_eq!(seen.iter().collect::<HashSet<_>>().len() as i64, total);
        }
    }

    async fn writers_that_expect_a_revision_take_turns(fresh: Fresh) {
        let stores = [open(&fresh).await, open(&fresh.another_process().await).await];
        put(&stores[0], "counter", 1).await;
        let writers: Vec<_> = (0..16)
            .map(|writer| {
                let store = stores[writer % 2].clone();
                tokio::spawn(async move {
                    let (mut written, mut revision) = (0, 0);
                    while written < 5 {
                        match store.append(one("counter", Expected::Revision(revision))).await {
                            Ok(appended) => {
                                written += 1;
                                revision = appended.revisions[0].1;
                            }
                            Err(AppendError::Conflict { actual, .. }) => revision = actual.expect("it has events"),
                            Err(other) => panic!("{other}"),
                        }
                    }
                })
            })
            .collect();
        for writer in writers {
            tokio::time::timeout(LONG, writer).await.expect("in time").expect("no panic");
        }
        assert_eq!(assert_whole(&stores[0]).await.len(), 81);
    }

    async fn appends_whose_callers_hang_up_are_written_all_the_same(fresh: Fresh) {
        let store = open(&fresh).await;
        let mut operations = vec![];
        for n in 0..400_u32 {
            let mut operation = [0; 32];
            operation[..4].copy_from_slice(&n.to_be_bytes());
            let append = under(operation, None, all_of(vec![write(&format!("a-{}", n % 7), Expected::Any, vec![event("a.x"), event("a.y")])]));
            let store = store.clone();
            let call = tokio::spawn(async move { store.append(append).await });
            if n % 3 == 0 {
                tokio::task::yield_now().await;
            }
            call.abort();
            if let Ok(answer) = call.await {
                operations.push((operation, answer.expect("written")));
            }
        }
        // The writer takes requests in order: once this one is answered, so are all before it.
        let last = put(&store, "last", 1).await;
        let log = assert_whole(&store).await;
        assert_eq!(log.len() as i64, last.last);
        for (operation, answer) in operations {
            let stored = store.operation(operation).await.expect("look").expect("an acknowledged operation is stored");
            assert_eq!((stored.first, stored.last), (answer.first, answer.last));
        }
        for pair in log[..log.len() - 1].chunks(2) {
            assert_eq!(pair[0].stream, pair[1].stream, "an abandoned append is whole or absent");
        }
    }

    async fn a_transaction_left_open_stalls_nobody(fresh: Fresh) {
        let store = open(&fresh).await;
        put(&store, "a-1", 10).await;
        let entry = fresh.create_log("quebec").await.expect("the log's entry");
        let elsewhere = fresh.another_process().await.log(&entry).await.expect("open the log's database");
        let (begun, has_begun) = oneshot::channel();
        let (end, ends) = oneshot::channel::<()>();
        let idle = tokio::spawn(async move {
            let writes = elsewhere.dialect() == Dialect::Postgres;
            let work = idling(writes, begun, ends);
            if writes { elsewhere.write(work).await } else { elsewhere.snapshot(work).await }
        });
        has_begun.await.expect("the transaction begins");
        let reader = tokio::spawn(follow(store.clone(), 110));
        for _ in 0..100 {
            put(&store, "a-1", 1).await;
        }
        tokio::time::timeout(LONG, reader).await.expect("the reader is not stalled").expect("no panic");
        end.send(()).expect("the transaction is still open");
        idle.await.expect("no panic").expect("it commits");
    }
}
