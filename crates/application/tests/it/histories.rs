//! What was lived elsewhere goes in once, dated as it happened.

use application::{History, HistoryError};
use domain::{
    codec::Event,
    ids::RequestId,
    number::Number,
    request::{self, Act, Submission},
    time::Instant,
};
use testkit::on_both_databases;
use uuid::Uuid;
use vault::MasterKey;

use crate::fixture::{Process, decoded};

const IMPORT: &str = "usr_import";

fn at(text: &str) -> Instant {
    text.parse().expect("an instant")
}

fn history(row: &str) -> History {
    let [channel, product] = ["phone", "rats"].map(|code| code.parse().expect("a code"));
    let submission = Submission::new(Number::of(RequestId(Uuid::nil())), channel, product);
    let acts = vec![
        (at("2021-07-01T12:00:00Z"), Act::Submit(Box::new(submission))),
        (at("2021-07-02T12:00:00Z"), Act::Resolve { outcome: None, text: None }),
    ];
    History { row: row.to_owned(), fingerprint: [7; 32], acts }
}

on_both_databases! {
    async fn a_row_goes_in_once(fresh: Fresh) {
        let master = MasterKey::generate();
        let process = Process::start(&fresh, &master).await;
        let first = process.organisation.append_history(IMPORT, &history("1")).await.expect("kept");
        assert_eq!((first.events, first.replayed), (2, false));
        let restarted = Process::start(&fresh.another_process().await, &master).await;
        let again = restarted.organisation.append_history(IMPORT, &history("1")).await.expect("kept");
        assert_eq!((again.request, again.events, again.replayed), (first.request, 2, true));
        assert_eq!(process.kinds().await, ["request.submitted", "request.resolved", "number.reserved"]);
        let Event::Request(request::Event::Submitted(submitted)) = decoded(&process.log().await[0]) else {
            panic!("the submission comes first");
        };
        assert_eq!(submitted.at.to_utc(), at("2021-07-01T12:00:00Z"));
        assert_eq!(process.organisation.resolve(submitted.number.as_str()).await.expect("found"), Some(first.request));
    }

    async fn a_row_that_changed_is_told(fresh: Fresh) {
        let process = Process::start(&fresh, &MasterKey::generate()).await;
        process.organisation.append_history(IMPORT, &history("1")).await.expect("kept");
        let changed = History { fingerprint: [8; 32], ..history("1") };
        let error = process.organisation.append_history(IMPORT, &changed).await.expect_err("changed");
        assert!(matches!(error, HistoryError::Changed));
    }

    async fn words_of_persons_are_not_imported(fresh: Fresh) {
        let process = Process::start(&fresh, &MasterKey::generate()).await;
        let mut personal = history("1");
        personal.acts[1].1 = Act::Resolve { outcome: None, text: Some("dit par quelqu'un".to_owned()) };
        let error = process.organisation.append_history(IMPORT, &personal).await.expect_err("refused");
        assert!(matches!(error, HistoryError::Personal) && error.is_of_the_row());
        assert_eq!(process.kinds().await, [] as [&str; 0]);
    }

    async fn rows_begun_in_order_stand_in_order(fresh: Fresh) {
        let process = Process::start(&fresh, &MasterKey::generate()).await;
        let rows: Vec<_> = (0..100).map(|row| history(&row.to_string())).collect();
        let kept = rows.iter().map(|row| process.organisation.append_history(IMPORT, row));
        let kept = futures_util::future::join_all(kept).await;
        let expected: Vec<_> = kept.into_iter().map(|kept| kept.expect("kept").request.stream()).collect();
        let mut found: Vec<_> = process.log().await.into_iter().map(|record| record.stream).collect();
        found.retain(|stream| stream.starts_with("request-"));
        found.dedup();
        assert_eq!(found, expected);
    }
}
