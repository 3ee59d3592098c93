//! Truncation and tombstones hide events from stream reads, and never from the log.

use event_store::{Direction, Expected, From};
use testkit::on_both_databases;

use crate::harness::{assert_whole, id, one, open, outcome, put, whole_log, whole_stream};

async fn visible(store: &event_store::EventStore, stream: &str) -> Vec<i64> {
    whole_stream(store, stream).await.iter().map(|record| record.revision).collect()
}

on_both_databases! {
    async fn a_truncation_hides_what_is_older(fresh: Fresh) {
        let store = open(&fresh).await;
        put(&store, "a-1", 5).await;
        store.truncate("a-1", 3, id(), b"{}".to_vec()).await.expect("truncate");
        assert_eq!(visible(&store, "a-1").await, [3, 4]);
        let back = store.read_stream("a-1", From::End, Direction::Backward, 9).await.expect("read");
        assert_eq!(back.iter().map(|record| record.revision).collect::<Vec<_>>(), [4, 3]);
        // The last one counts, and may show again what the first one hid.
        store.truncate("a-1", 1, id(), vec![]).await.expect("truncate");
        assert_eq!(visible(&store, "a-1").await, [1, 2, 3, 4]);
        assert_eq!(outcome(&store.truncate("a-1", 6, id(), vec![]).await), "invalid");
        assert_eq!(outcome(&store.truncate("a-2", 0, id(), vec![]).await), "conflict");
        let log = assert_whole(&store).await;
        assert_eq!(log.len(), 7);
        assert_eq!((log[5].stream.as_str(), log[5].kind.as_str()), ("$$a-1", "$metadata"));
        assert_eq!(log[5].payload, br#"{"$tb":3}"#);
    }

    async fn a_deleted_stream_goes_on_at_its_next_revision(fresh: Fresh) {
        let store = open(&fresh).await;
        put(&store, "a-1", 2).await;
        assert_eq!(outcome(&store.delete("a-1", Expected::Revision(0), id(), vec![]).await), "conflict");
        let deletion = id();
        for repeated in [false, true] {
            let deleted = store.delete("a-1", Expected::Revision(1), deletion, vec![]).await.expect("delete");
            assert_eq!(deleted.replayed, repeated);
        }
        assert!(visible(&store, "a-1").await.is_empty());
        assert!(store.stream("a-1").await.expect("read").expect("it had events").is_deleted());
        let stranger = open(&fresh.another_process().await).await;
        assert_eq!(outcome(&stranger.append(one("a-1", Expected::NoStream)).await), "written");
        assert_eq!(visible(&store, "a-1").await, [2]);
        assert_whole(&store).await;
    }

    async fn a_tombstone_ends_a_stream(fresh: Fresh) {
        let store = open(&fresh).await;
        put(&store, "a-1", 2).await;
        let last = store.append(one("a-1", Expected::Any)).await.expect("append");
        let tombstone = id();
        let ended = store.tombstone("a-1", Expected::Revision(2), tombstone, vec![]).await.expect("tombstone");
        assert_eq!(ended.revisions, [("a-1".to_owned(), 3)]);
        assert!(visible(&store, "a-1").await.is_empty());
        for store in [&store, &open(&fresh.another_process().await).await] {
            assert_eq!(outcome(&store.append(one("a-1", Expected::Any)).await), "deleted");
            assert_eq!(outcome(&store.delete("a-1", Expected::Any, id(), vec![]).await), "deleted");
            let again = store.tombstone("a-1", Expected::Any, tombstone, vec![]).await;
            assert_eq!(outcome(&again), "replayed", "an acknowledged tombstone is not refused when it is repeated");
        }
        let log = whole_log(&store).await;
        assert_eq!(log.len(), 4, "the log hides nothing");
        assert_eq!((log[2].position, log[3].kind.as_str()), (last.last, "$tombstone"));
    }
}
