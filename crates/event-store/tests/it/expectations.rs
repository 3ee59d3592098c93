//! Every expectation against every state a stream can be in, and appends to several streams.

use event_store::{Append, AppendError, Expected};
use testkit::on_both_databases;

use crate::harness::{all_of, assert_whole, event, id, one, open, outcome, put, whole_log, whole_stream, write};

use Expected::{Any, Exists, NoStream, Revision};

/// (state, expectation, outcome). Streams of two events, hence a last revision of 1; a deleted one keeps it.
const TABLE: [(&str, Expected, &str); 22] = [
    ("absent", NoStream, "written"),
    ("absent", Any, "written"),
    ("absent", Exists, "conflict"),
    ("absent", Revision(0), "conflict"),
    ("live", NoStream, "conflict"),
    ("live", Any, "written"),
    ("live", Exists, "written"),
    ("live", Revision(0), "conflict"),
    ("live", Revision(1), "written"),
    ("live", Revision(2), "conflict"),
    ("truncated", NoStream, "conflict"),
    ("truncated", Any, "written"),
    ("truncated", Exists, "written"),
    ("truncated", Revision(1), "written"),
    ("soft-deleted", NoStream, "written"),
    ("soft-deleted", Any, "written"),
    ("soft-deleted", Exists, "conflict"),
    ("soft-deleted", Revision(1), "written"),
    ("soft-deleted", Revision(0), "conflict"),
    ("tombstoned", NoStream, "deleted"),
    ("tombstoned", Any, "deleted"),
    ("tombstoned", Revision(2), "deleted"),
];

on_both_databases! {
    async fn every_expectation_meets_every_state(fresh: Fresh) {
        let store = open(&fresh).await;
        for (row, (state, expected, wanted)) in TABLE.into_iter().enumerate() {
            let stream = format!("{state}-{row}");
            if state != "absent" {
                put(&store, &stream, 2).await;
            }
            match state {
                "truncated" => drop(store.truncate(&stream, 1, id(), vec![]).await.expect("truncate")),
                "soft-deleted" => drop(store.delete(&stream, Any, id(), vec![]).await.expect("delete")),
                "tombstoned" => drop(store.tombstone(&stream, Any, id(), vec![]).await.expect("tombstone")),
                _ => {}
            }
            // Once by a writer that remembers the stream, once by one that never saw it, with a check instead of a write.
            let stranger = open(&fresh.another_process().await).await;
            let checking = Append { checks: vec![(stream.clone(), expected)], ..one(&format!("other-{row}"), NoStream) };
            let checked = stranger.append(checking).await;
            assert_eq!(outcome(&checked), wanted, "a check of {expected:?} on a {state} stream");
            let written = store.append(one(&stream, expected)).await;
            assert_eq!(outcome(&written), wanted, "{expected:?} on a {state} stream");
            if state == "soft-deleted" && wanted == "written" {
                let visible: Vec<_> = whole_stream(&store, &stream).await.iter().map(|record| record.revision).collect();
                assert_eq!(visible, [2], "a deleted stream goes on at its next revision");
            }
        }
        assert_whole(&store).await;
    }

    async fn a_stranger_writes_by_the_same_table(fresh: Fresh) {
        let store = open(&fresh).await;
        for (row, (state, expected, wanted)) in TABLE.into_iter().enumerate() {
            let stream = format!("{state}-{row}");
            if state != "absent" {
                put(&store, &stream, 2).await;
            }
            match state {
                "truncated" => drop(store.truncate(&stream, 1, id(), vec![]).await.expect("truncate")),
                "soft-deleted" => drop(store.delete(&stream, Any, id(), vec![]).await.expect("delete")),
                "tombstoned" => drop(store.tombstone(&stream, Any, id(), vec![]).await.expect("tombstone")),
                _ => {}
            }
            let written = open(&fresh.another_process().await).await.append(one(&stream, expected)).await;
            assert_eq!(outcome(&written), wanted, "{expected:?} on a {state} stream, unread");
        }
        assert_whole(&store).await;
    }

    async fn a_conflict_tells_where_the_stream_stands(fresh: Fresh) {
        let store = open(&fresh).await;
        put(&store, "a-1", 3).await;
        let Err(AppendError::Conflict { stream, expected, actual }) = store.append(one("a-1", Revision(0))).await else {
            panic!("a stale append must be refused");
        };
        assert_eq!((stream.as_str(), expected, actual), ("a-1", Revision(0), Some(2)));
        let Err(AppendError::Conflict { actual, .. }) = store.append(one("a-2", Exists)).await else {
            panic!("there is no such stream");
        };
        assert_eq!(actual, None);
    }

    async fn several_streams_are_written_together_or_not_at_all(fresh: Fresh) {
        let store = open(&fresh).await;
        put(&store, "a-1", 1).await;
        let both = |expected| all_of(vec![
            write("a-1", Revision(0), vec![event("a.x"), event("a.y")]),
            write("b-1", expected, vec![event("b.x")]),
        ]);
        assert_eq!(outcome(&store.append(both(Exists)).await), "conflict");
        assert_eq!(whole_log(&store).await.len(), 1);

        let written = store.append(both(NoStream)).await.expect("append to both");
        assert_eq!((written.first, written.last, written.replayed), (2, 4, false));
        assert_eq!(written.revisions, [("a-1".to_owned(), 2), ("b-1".to_owned(), 0)]);
        let kinds: Vec<_> = assert_whole(&store).await.into_iter().map(|record| record.kind).collect();
        assert_eq!(kinds, ["thing.done", "a.x", "a.y", "b.x"]);
    }

    async fn a_check_of_another_stream_guards_an_append(fresh: Fresh) {
        let store = open(&fresh).await;
        put(&store, "declaration-x", 1).await;
        let guarded = |revision| Append { checks: vec![("declaration-x".to_owned(), Revision(revision))], ..one("a-1", Any) };
        assert_eq!(outcome(&store.append(guarded(0)).await), "written");
        put(&store, "declaration-x", 1).await;
        assert_eq!(outcome(&store.append(guarded(0)).await), "conflict");
        assert_eq!(outcome(&store.append(guarded(1)).await), "written");
    }

    async fn what_is_malformed_never_reaches_the_writer(fresh: Fresh) {
        let store = open(&fresh).await;
        let with = |change: fn(&mut event_store::NewEvent)| {
            let mut event = event("a.b");
            change(&mut event);
            all_of(vec![write("a-1", Any, vec![event])])
        };
        let twice = event("a.b");
        let table = [
            (all_of(vec![]), "invalid"),
            (all_of(vec![write("a-1", Any, vec![])]), "invalid"),
            (one("", Any), "invalid"),
            (one("a\0b", Any), "invalid"),
            (one(&"a".repeat(201), Any), "invalid"),
            (one("$system", Any), "invalid"),
            (one("a-1", Revision(-1)), "invalid"),
            (all_of(vec![write("a-1", Any, vec![twice.clone(), twice])]), "invalid"),
            (all_of(vec![write("a-1", Any, vec![event("a.b")]), write("a-1", Any, vec![event("a.b")])]), "invalid"),
            (Append { checks: vec![("a-1".to_owned(), Any)], ..one("a-1", Any) }, "invalid"),
            (with(|event| event.kind.insert(0, '$')), "invalid"),
            (with(|event| event.kind = String::new()), "invalid"),
            (with(|event| event.schema = -1), "invalid"),
            (with(|event| event.schema = 32_768), "invalid"),
            (with(|event| event.payload = vec![0; (1 << 20) + 1]), "too large"),
            (all_of(vec![write("a-1", Any, (0..5).map(|_| {
                let mut event = event("a.b");
                event.payload = vec![0; 900_000];
                event
            }).collect())]), "too large"),
            (with(|event| event.payload = vec![0; 1 << 19]), "written"),
        ];
        for (append, wanted) in table {
            let shown = format!("{:.120}", format!("{append:?}"));
            assert_eq!(outcome(&store.append(append).await), wanted, "{shown}");
        }
        assert_eq!(assert_whole(&store).await.len(), 1);
    }
}
