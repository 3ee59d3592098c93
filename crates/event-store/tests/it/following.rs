//! Subscriptions: what was there, then a word that it was all, then what comes.

use std::time::Duration;

use event_store::{Delivery, Expected, Filter, Subscription};
use testkit::on_both_databases;

use crate::harness::{all_of, event, open, put, write};

const SOON: Duration = Duration::from_secs(20);

async fn next(subscription: &mut Subscription) -> Delivery {
    tokio::time::timeout(SOON, subscription.next()).await.expect("a delivery in time").expect("a readable log")
}

/// Positions until the subscription says that it caught up, and where it did.
async fn until_caught_up(subscription: &mut Subscription) -> (Vec<i64>, i64) {
    let mut positions = vec![];
    loop {
        match next(subscription).await {
            Delivery::Event(record) => positions.push(record.position),
            Delivery::Passed { .. } => {}
            Delivery::CaughtUp { position } => return (positions, position),
        }
    }
}

on_both_databases! {
    async fn a_subscription_catches_up_says_so_and_goes_live(fresh: Fresh) {
        let store = open(&fresh).await;
        put(&store, "a-1", 700).await;
        put(&store, "a-2", 700).await;
        let mut subscription = store.subscribe(100, Filter::all());
        assert_eq!(until_caught_up(&mut subscription).await, ((101..=1400).collect(), 1400));
        for position in 1401..1420 {
            put(&store, "a-3", 1).await;
            let Delivery::Event(record) = next(&mut subscription).await else { panic!("an event is due") };
            assert_eq!((record.position, subscription.position()), (position, position));
        }
    }

    async fn an_empty_log_is_caught_up_with_at_once(fresh: Fresh) {
        let store = open(&fresh).await;
        let mut subscription = store.subscribe(0, Filter::all());
        assert_eq!(next(&mut subscription).await, Delivery::CaughtUp { position: 0 });
    }

    async fn another_process_is_followed_too(fresh: Fresh) {
        let store = open(&fresh).await;
        let other = open(&fresh.another_process().await).await;
        let mut subscription = store.subscribe(0, Filter::all());
        assert_eq!(until_caught_up(&mut subscription).await.1, 0);
        let mut seen = vec![];
        for _ in 0..5 {
            put(&other, "a-1", 3).await;
            put(&store, "a-2", 2).await;
        }
        while seen.len() < 25 {
            if let Delivery::Event(record) = next(&mut subscription).await {
                seen.push(record.position);
            }
        }
        assert_eq!(seen, (1..=25).collect::<Vec<_>>());
        let mut watch = store.watch();
        put(&other, "a-1", 1).await;
        tokio::time::timeout(SOON, watch.wait_for(|head| *head == 26)).await.expect("in time").expect("still open");
    }

    async fn a_filtered_subscription_moves_on_without_deliveries(fresh: Fresh) {
        let store = open(&fresh).await;
        put(&store, "a-1", 1200).await;
        store.append(all_of(vec![write("b-1", Expected::Any, vec![event("b.x")])])).await.expect("append");
        let filter = Filter { prefixes: vec!["b-".to_owned()], kinds: vec![] };
        let mut subscription = store.subscribe(0, filter);
        assert_eq!(until_caught_up(&mut subscription).await, (vec![1201], 1201));
        put(&store, "a-1", 600).await;
        let Delivery::Passed { position } = next(&mut subscription).await else { panic!("nothing else is due") };
        assert!((1202..=1801).contains(&position) && subscription.position() == position);
        store.append(all_of(vec![write("b-1", Expected::Any, vec![event("b.y")])])).await.expect("append");
        let record = loop {
            match next(&mut subscription).await {
                Delivery::Event(record) => break record,
                Delivery::Passed { .. } => {}
                Delivery::CaughtUp { .. } => panic!("an event is due"),
            }
        };
        assert_eq!((record.position, record.revision), (1802, 1));
    }

    async fn a_checkpoint_never_runs_ahead_of_what_was_delivered(fresh: Fresh) {
        let store = open(&fresh).await;
        let kinds = |n: usize| if n.is_multiple_of(3) { "wanted.x" } else { "other.x" };
        for n in 0..40 {
            let events = (0..50).map(|m| event(kinds(n + m))).collect();
            store.append(all_of(vec![write("a-1", Expected::Any, events)])).await.expect("append");
        }
        let filter = Filter { prefixes: vec![], kinds: vec!["wanted.x".to_owned()] };
        let wanted: Vec<_> = {
            let mut all = store.subscribe(0, filter.clone());
            until_caught_up(&mut all).await.0
        };
        // Resuming from any place a follower may have stopped at gives exactly the rest.
        for stop in (0..wanted.len()).step_by(97) {
            let mut first = store.subscribe(0, filter.clone());
            let mut got = vec![];
            while got.len() < stop {
                if let Delivery::Event(record) = next(&mut first).await {
                    got.push(record.position);
                }
            }
            let mut second = store.subscribe(first.position(), filter.clone());
            got.extend(until_caught_up(&mut second).await.0);
            assert_eq!(got, wanted);
        }
    }

    async fn a_slow_follower_misses_nothing(fresh: Fresh) {
        let store = open(&fresh).await;
        let mut slow = store.subscribe(0, Filter::all());
        assert_eq!(until_caught_up(&mut slow).await.1, 0);
        // More than the ring holds, while nobody reads.
        for _ in 0..12 {
            put(&store, "a-1", 1000).await;
        }
        let mut seen = 0;
        while seen < 12_000 {
            if let Delivery::Event(record) = next(&mut slow).await {
                seen += 1;
                assert_eq!(record.position, seen);
            }
        }
        put(&store, "a-1", 1).await;
        while next(&mut slow).await == (Delivery::CaughtUp { position: 12_000 }) {}
        assert_eq!(slow.position(), 12_001);
    }
}
