//! Reading streams and the log, both ways, from anywhere, by filter, in pages and in one go.

use event_store::{Direction, Expected, Filter, From, Record};
use futures_util::{StreamExt, TryStreamExt};
use testkit::on_both_databases;

use crate::harness::{all_of, event, open, put, write};

use Direction::{Backward, Forward};

fn positions(records: &[Record]) -> Vec<i64> {
    records.iter().map(|record| record.position).collect()
}

fn filter(prefixes: &[&str], kinds: &[&str]) -> Filter {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Filter { prefixes: owned(prefixes), kinds: owned(kinds) }
}

on_both_databases! {
    async fn an_event_comes_back_as_it_was_written(fresh: Fresh) {
        let store = open(&fresh).await;
        let mut written = event("request.submitted");
        written.schema = 3;
        written.payload = vec![0, 255, b'{', 10];
        written.meta = "{\"é\":\"…\"}".as_bytes().to_vec();
        store.append(all_of(vec![write("request-Ünïcode-1", Expected::NoStream, vec![written.clone()])])).await.expect("append");
        let read = store.read_stream("request-Ünïcode-1", From::Start, Forward, 9).await.expect("read");
        let [record] = read.as_slice() else { panic!("one event was written") };
        assert_eq!((record.position, record.revision, record.id, record.schema), (1, 0, written.id, 3));
        assert_eq!((&record.kind, &record.payload, &record.meta), (&written.kind, &written.payload, &written.meta));
        assert_eq!(store.hash_at(1).await.expect("read"), Some(record.hash));
        assert_eq!(store.hash_at(2).await.expect("read"), None);
    }

    async fn a_stream_is_read_both_ways_from_any_revision(fresh: Fresh) {
        let store = open(&fresh).await;
        put(&store, "b-1", 3).await;
        put(&store, "a-1", 10).await;
        let table: [(From, Direction, usize, &[i64]); 8] = [
            (From::Start, Forward, 3, &[0, 1, 2]),
            (From::At(4), Forward, 3, &[4, 5, 6]),
            (From::At(8), Forward, 5, &[8, 9]),
            (From::At(10), Forward, 5, &[]),
            (From::End, Backward, 3, &[9, 8, 7]),
            (From::At(1), Backward, 5, &[1, 0]),
            (From::Start, Backward, 5, &[0]),
            (From::End, Forward, 5, &[]),
        ];
        for (from, direction, limit, wanted) in table {
            let read = store.read_stream("a-1", from, direction, limit).await.expect("read");
            let revisions: Vec<_> = read.iter().map(|record| record.revision).collect();
            assert_eq!(revisions, wanted, "{from:?} {direction:?} {limit}");
        }
        assert!(store.read_stream("nothing", From::Start, Forward, 5).await.expect("read").is_empty());
    }

    async fn pages_of_the_log_join_without_gap_or_overlap(fresh: Fresh) {
        let store = open(&fresh).await;
        for stream in 0..25 {
            put(&store, &format!("a-{stream}"), 2).await;
        }
        for size in [1, 7, 50, 51] {
            let (mut forward, mut backward) = (vec![], vec![]);
            loop {
                let from = forward.last().map_or(From::Start, |last| From::At(last + 1));
                let page = store.read_log(from, Forward, size, &Filter::all()).await.expect("read");
                if page.is_empty() { break }
                forward.extend(positions(&page));
            }
            loop {
                let from = backward.last().map_or(From::End, |last| From::At(last - 1));
                let page = store.read_log(from, Backward, size, &Filter::all()).await.expect("read");
                if page.is_empty() { break }
                backward.extend(positions(&page));
            }
            assert_eq!(forward, (1..=50).collect::<Vec<_>>());
            assert_eq!(backward, (1..=50).rev().collect::<Vec<_>>());
        }
    }

    async fn a_filter_takes_prefixes_and_kinds(fresh: Fresh) {
        let store = open(&fresh).await;
        let streams = [("request-1", "request.submitted"), ("request-1", "promise.made"), ("person-1", "person.merged"),
            ("requests_-1", "request.submitted"), ("RÉQ%_-1", "promise.made")];
        for (stream, kind) in streams {
            store.append(all_of(vec![write(stream, Expected::Any, vec![event(kind)])])).await.expect("append");
        }
        let table: [(Filter, &[i64]); 8] = [
            (Filter::all(), &[1, 2, 3, 4, 5]),
            (filter(&["request-"], &[]), &[1, 2]),
            (filter(&["request-", "person-"], &[]), &[1, 2, 3]),
            (filter(&["request"], &[]), &[1, 2, 4]),
            (filter(&[], &["promise.made"]), &[2, 5]),
            (filter(&["request-"], &["promise.made", "person.merged"]), &[2]),
            (filter(&["RÉQ%"], &[]), &[5]),
            (filter(&["%", "_", "\"'"], &[]), &[]),
        ];
        for (filter, wanted) in table {
            let forward = store.read_log(From::Start, Forward, 10, &filter).await.expect("read");
            assert_eq!(positions(&forward), wanted, "{filter:?}");
            let mut backward = positions(&store.read_log(From::End, Backward, 10, &filter).await.expect("read"));
            backward.reverse();
            assert_eq!(backward, wanted, "{filter:?} backward");
            let scanned: Vec<Record> = store.scan(0, filter.clone()).try_collect().await.expect("scan");
            assert_eq!(positions(&scanned), wanted, "{filter:?} scanned");
        }
    }

    async fn a_scan_hands_out_everything_after_a_position(fresh: Fresh) {
        let store = open(&fresh).await;
        for _ in 0..4 {
            put(&store, "a-1", 600).await;
        }
        let all: Vec<Record> = store.scan(400, Filter::all()).try_collect().await.expect("scan");
        assert_eq!(positions(&all), (401..=2400).collect::<Vec<_>>());
        for _ in 0..40 {
            let mut begun = store.scan(0, Filter::all());
            assert_eq!(begun.next().await.expect("a first").expect("readable").position, 1);
            // Dropped half-way: the connection goes, the pool stays whole.
        }
        assert_eq!(store.head().await.expect("read").position, 2400);
    }
}
