//! The same rows, however the events arrive and whoever folds them.

use db::{Databases, Dialect, Location};
use event_store::{Direction, EventStore, Filter, From};
use projections::{ReadModels, rebuild};
use testkit::on_both_databases;

use crate::{
    harness::{caught_up, checked, digests, models, tell, work},
    story::woven,
};

on_both_databases! {
    async fn rows_do_not_depend_on_how_the_events_arrive(fresh: Fresh) {
        let story = woven(60, 1);
        let models = models(&fresh).await;
        let running = work(&models);
        // Three at a time, each folded before the next: batches as small as they get.
        for (chunk, events) in story.chunks(3).enumerate().take(30) {
            tell(&models, chunk * 3, events).await;
            caught_up(&models).await;
        }
        tell(&models, 90, &story[90..]).await;
        caught_up(&models).await;
        let live = checked(&models).await;
        running.end().await;

        rebuild(&models, &[], &mut |_| {}).await.unwrap();
        let rebuilt = checked(&models).await;
        assert_eq!(digests(&live), digests(&rebuilt));
    }

    async fn a_worker_that_dies_leaves_nothing_half_done(fresh: Fresh) {
        let story = woven(80, 2);
        let models = models(&fresh).await;
        for (chunk, events) in story.chunks(40).enumerate() {
            let running = work(&models);
            tell(&models, chunk * 40, events).await;
            running.kill().await;
        }
        let running = work(&models);
        caught_up(&models).await;
        checked(&models).await;
        running.end().await;
    }

    async fn workers_may_compete(fresh: Fresh) {
        let story = woven(80, 3);
        let mine = models(&fresh).await;
        let other_process = fresh.another_process().await;
        let theirs = models(&other_process).await;
        let running = [work(&mine), work(&mine), work(&theirs)];
        tell(&mine, 0, &story).await;
        caught_up(&mine).await;
        caught_up(&theirs).await;
        checked(&mine).await;
        for worker in running {
            worker.end().await;
        }
        other_process.close().await;
    }

    async fn a_checkpoint_in_another_process_is_seen(fresh: Fresh) {
        let mine = models(&fresh).await;
        let other_process = fresh.another_process().await;
        let theirs = models(&other_process).await;
        let running = work(&theirs);
        tell(&mine, 0, &woven(3, 4)).await;
        caught_up(&mine).await;
        running.end().await;
        other_process.close().await;
    }
}

/// Both databases given the same raw records, byte for byte.
#[test]
fn digests_are_equal_on_both_databases() {
    let (sender, receiver) = std::sync::mpsc::channel();
    testkit::run(Dialect::Sqlite, {
        let sender = sender.clone();
        move |fresh| copied_and_digested(fresh.clone(), sender)
    });
    testkit::run(Dialect::Postgres, move |fresh| copied_and_digested(fresh.clone(), sender));
    let (on_sqlite, on_postgres) = (receiver.recv().unwrap(), receiver.recv().unwrap());
    assert_eq!(on_sqlite, on_postgres);
    assert!(on_sqlite.iter().all(|(table, rows, _)| *rows > 0 || *table == "no_cells"), "{on_sqlite:?}");
}

type Digests = Vec<(&'static str, i64, String)>;

async fn copied_and_digested(fresh: testkit::Fresh, sender: std::sync::mpsc::Sender<Digests>) {
    // The original is always in SQLite; what it holds is copied here.
    let directory = tempfile::tempdir().unwrap();
    let original = Databases::open(&Location::Sqlite(directory.path().to_owned())).await.unwrap();
    let first = models(&original).await;
    tell(&first, 0, &woven(60, 5)).await;
    let copy = models(&fresh).await;
    copy_log(first.store(), &copy).await;
    let running = work(&copy);
    caught_up(&copy).await;
    sender.send(digests(&checked(&copy).await)).unwrap();
    running.end().await;
    original.close().await;
}

async fn copy_log(from: &EventStore, to: &ReadModels) {
    let all = from.read_log(From::Start, Direction::Forward, 10_000, &Filter::all()).await.unwrap();
    for record in all {
        let event = event_store::NewEvent {
            id: record.id,
            kind: record.kind,
            schema: record.schema,
            payload: record.payload,
            meta: record.meta,
        };
        crate::harness::append(to, &record.stream, event).await;
    }
}
