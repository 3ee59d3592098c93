//! Doing it again: by event id for every expectation, and by operation.

use event_store::{Expected, StoredOperation};
use testkit::on_both_databases;

use crate::harness::{all_of, assert_whole, event, one, open, outcome, put, under, whole_log, write};

use Expected::{Any, Exists, NoStream, Revision};

on_both_databases! {
    async fn an_event_id_is_written_once_whatever_is_expected(fresh: Fresh) {
        let store = open(&fresh).await;
        put(&store, "a-1", 1).await;
        let twice = all_of(vec![write("a-1", Revision(0), vec![event("a.x"), event("a.y")])]);
        let first = store.append(twice.clone()).await.expect("append");
        put(&store, "a-1", 1).await;
        for expected in [Revision(0), Revision(3), Revision(9), NoStream, Exists, Any] {
            let mut again = twice.clone();
            again.writes[0].expected = expected;
            // By the writer that wrote it and by one that never saw it.
            let stranger = open(&fresh.another_process().await).await;
            for store in [&store, &stranger] {
                let answer = store.append(again.clone()).await.expect("the first answer again");
                assert!(answer.replayed);
                assert_eq!((answer.first, answer.last, &answer.revisions), (first.first, first.last, &first.revisions));
            }
        }
        assert_eq!(assert_whole(&store).await.len(), 4);
    }

    async fn half_a_repetition_is_a_conflict(fresh: Fresh) {
        let store = open(&fresh).await;
        let (one_event, other) = (event("a.x"), event("a.y"));
        store.append(all_of(vec![write("a-1", NoStream, vec![one_event.clone(), other.clone()])])).await.expect("append");
        let halves = [
            vec![one_event.clone(), event("a.z")],
            vec![event("a.z"), one_event.clone()],
            vec![other.clone(), one_event.clone()],
        ];
        for events in halves {
            assert_eq!(outcome(&store.append(all_of(vec![write("a-1", Any, events)])).await), "conflict");
        }
        let mixed = all_of(vec![write("a-1", Any, vec![one_event.clone()]), write("b-1", Any, vec![event("b.x")])]);
        assert_eq!(outcome(&store.append(mixed).await), "conflict");
        // The same id in another stream is another event.
        assert_eq!(outcome(&store.append(all_of(vec![write("c-1", NoStream, vec![one_event])])).await), "written");
        assert_eq!(assert_whole(&store).await.len(), 3);
    }

    async fn an_operation_gets_its_first_answer_again(fresh: Fresh) {
        let store = open(&fresh).await;
        let (operation, fingerprint) = ([7; 32], Some([1; 32]));
        let append = || under(operation, fingerprint, all_of(vec![
            write("a-1", Any, vec![event("a.x"), event("a.y")]),
            write("b-1", Any, vec![event("b.x")]),
        ]));
        assert_eq!(store.operation(operation).await.expect("look"), None);
        put(&store, "a-1", 1).await;
        let first = store.append(append()).await.expect("append");
        put(&store, "a-1", 1).await;

        let stranger = open(&fresh.another_process().await).await;
        for store in [&store, &stranger] {
            let again = store.append(append()).await.expect("the first answer again");
            assert!(again.replayed);
            assert_eq!((again.first, again.last, &again.revisions), (first.first, first.last, &first.revisions));
        }
        let stored = StoredOperation { fingerprint, first: first.first, last: first.last };
        assert_eq!(store.operation(operation).await.expect("look"), Some(stored));
        assert_eq!(assert_whole(&store).await.len(), 5);
    }

    async fn an_operation_with_another_content_is_refused(fresh: Fresh) {
        let store = open(&fresh).await;
        let by = |fingerprint| under([7; 32], fingerprint, one("a-1", Any));
        assert_eq!(outcome(&store.append(by(Some([1; 32]))).await), "written");
        assert_eq!(outcome(&store.append(by(Some([2; 32]))).await), "reused");
        assert_eq!(outcome(&store.append(by(None)).await), "replayed");
        assert_eq!(outcome(&store.append(under([8; 32], None, one("a-1", Any))).await), "written");
        assert_eq!(outcome(&store.append(under([8; 32], Some([3; 32]), one("a-1", Any))).await), "replayed");
    }

    async fn a_refusal_records_no_operation(fresh: Fresh) {
        let store = open(&fresh).await;
        let append = |expected| under([9; 32], Some([1; 32]), one("a-1", expected));
        assert_eq!(outcome(&store.append(append(Exists)).await), "conflict");
        assert_eq!(store.operation([9; 32]).await.expect("look"), None);
        assert_eq!(outcome(&store.append(append(NoStream)).await), "written");
    }

    async fn the_same_operation_many_times_at_once_is_one(fresh: Fresh) {
        let here = open(&fresh).await;
        let there = open(&fresh.another_process().await).await;
        let tries: Vec<_> = (0..64)
            .map(|n| {
                let store = if n % 2 == 0 { here.clone() } else { there.clone() };
                tokio::spawn(async move { store.append(under([5; 32], None, one(&format!("a-{n}"), NoStream))).await })
            })
            .collect();
        let mut written = 0;
        let mut positions = std::collections::HashSet::new();
        for attempt in tries {
            let answer = attempt.await.expect("the task ends").expect("one of them is the first");
            written += usize::from(!answer.replayed);
            positions.insert((answer.first, answer.last));
        }
        assert_eq!((written, positions.len(), whole_log(&here).await.len()), (1, 1, 1));
    }
}
