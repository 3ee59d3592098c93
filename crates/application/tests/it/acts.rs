//! An act on a request: decided on what is, appended once.

use application::{ExecuteError, OperationKey, Submission};
use domain::{
    ids::RequestId,
    request::{Act, Visibility},
};
use testkit::on_both_databases;
use uuid::Uuid;
use vault::MasterKey;

use crate::fixture::{AGENT, Process, elodie, hole};

fn note(text: &str) -> Act {
    Act::Note { visibility: Visibility::Internal, text: text.to_owned() }
}

fn once(key: &str, content: &str) -> OperationKey {
    OperationKey::idempotency("native", key, content.as_bytes().to_vec())
}

on_both_databases! {
    async fn an_act_moves_the_version(fresh: Fresh) {
        let process = Process::start(&fresh, &MasterKey::generate()).await;
        let organisation = &process.organisation;
        let request = process.submitted(hole()).await;
        let etag = organisation.etag(request, 1);
        let done = organisation.execute(AGENT, request, Act::Start, Some(&etag), None).await.expect("started");
        assert_eq!((done.revision, done.etag.clone()), (2, organisation.etag(request, 2)));
        assert!(organisation.read_after(&done.after).expect("its own token") > 0);

        let again = organisation.execute(AGENT, request, Act::Start, None, None).await.expect("already");
        assert_eq!((again.revision, again.after), (2, done.after), "nothing happened");

        let stale = organisation.execute(AGENT, request, Act::Cancel, Some(&etag), None).await;
        assert!(matches!(stale, Err(ExecuteError::PreconditionFailed { current }) if current == done.etag));
        let other = process.submitted(hole()).await;
        let foreign = organisation.execute(AGENT, other, Act::Start, Some(&done.etag), None).await;
        assert!(matches!(foreign, Err(ExecuteError::ForeignEtag)));
    }

    async fn an_act_that_comes_many_times_at_once_is_done_once_and_answered_alike(fresh: Fresh) {
        let process = Process::start(&fresh, &MasterKey::generate()).await;
        for round in 0..20 {
            let request = process.submitted(hole()).await;
            let etag = process.organisation.etag(request, 1);
            let attempts = (0..32).map(|_| {
                let (organisation, etag, key) = (process.organisation.clone(), etag.clone(), once(&format!("k{round}"), "vu"));
                tokio::spawn(async move { organisation.execute(AGENT, request, note("vu"), Some(&etag), Some(key)).await })
            });
            for attempt in attempts.collect::<Vec<_>>() {
                let done = attempt.await.expect("an attempt ends").expect("its own success is in nobody's way");
                assert_eq!((done.revision, done.etag), (2, process.organisation.etag(request, 2)));
            }
        }
    }

    async fn what_may_not_be_done_is_refused_with_its_code(fresh: Fresh) {
        let process = Process::start(&fresh, &MasterKey::generate()).await;
        let organisation = &process.organisation;
        let nobody = RequestId(Uuid::from_u128(1));
        let absent = organisation.execute(AGENT, nobody, Act::Start, None, None).await;
        assert!(matches!(absent, Err(ExecuteError::NotFound)));
        let request = process.submitted(hole()).await;
        organisation.execute(AGENT, request, Act::Cancel, None, None).await.expect("cancelled");
        let closed = organisation.execute(AGENT, request, Act::Start, None, None).await;
        assert!(matches!(closed, Err(ExecuteError::Refused("request.closed"))));
        let unknown = Act::Refuse { reason: "bad_mood".parse().expect("a code"), text: None };
        let other = process.submitted(hole()).await;
        let unknown = organisation.execute(AGENT, other, unknown, None, None).await;
        assert!(matches!(unknown, Err(ExecuteError::Invalid { problems }) if problems[0].field == "reason"));
    }

    async fn what_an_agent_writes_is_sealed_for_who_asked(fresh: Fresh) {
        let process = Process::start(&fresh, &MasterKey::generate()).await;
        for requester in [Some(elodie()), None] {
            let request = process.submitted(Submission { requester, ..hole() }).await;
            process.organisation.execute(AGENT, request, note("Le canari va bien"), None, None).await.expect("noted");
        }
        let log = process.log().await;
        assert_eq!(log.iter().filter(|record| record.kind == "request.noted").count(), 2);
        assert!(log.iter().all(|record| !String::from_utf8_lossy(&record.payload).contains("canari")));
    }

    async fn a_repeated_act_is_done_once(fresh: Fresh) {
        let master = MasterKey::generate();
        let process = Process::start(&fresh, &master).await;
        let request = process.submitted(hole()).await;
        let act = async |organisation: &application::Organisation, content: &str| {
            organisation.execute(AGENT, request, note("une fois"), None, Some(once("1", content))).await
        };
        let first = act(&process.organisation, "a").await.expect("noted");
        let again = act(&process.organisation, "a").await.expect("the same");
        let restarted = Process::start(&fresh.another_process().await, &master).await;
        let later = act(&restarted.organisation, "a").await.expect("the same");
        assert_eq!((first.replayed, again.replayed, later.replayed), (false, true, true));
        assert_eq!((&first.etag, &first.after), (&again.etag, &again.after));
        assert_eq!((&first.etag, &first.after), (&later.etag, &later.after));
        assert!(matches!(act(&process.organisation, "b").await, Err(ExecuteError::OperationReused)));
        assert_eq!(process.kinds().await.iter().filter(|kind| *kind == "request.noted").count(), 1);
    }

    async fn who_is_slower_decides_again(fresh: Fresh) {
        let master = MasterKey::generate();
        let here = Process::start(&fresh, &master).await;
        let there = Process::start(&fresh.another_process().await, &master).await;
        let request = here.submitted(hole()).await;
        for turn in 0..10 {
            let (one, two) = (note(&format!("ici {turn}")), note(&format!("là {turn}")));
            let (one, two) = tokio::join!(
                here.organisation.execute(AGENT, request, one, None, None),
                there.organisation.execute(AGENT, request, two, None, None),
            );
            one.expect("noted");
            two.expect("noted");
        }
        assert_eq!(here.kinds().await.iter().filter(|kind| *kind == "request.noted").count(), 20);
    }

    async fn with_a_version_expected_one_wins(fresh: Fresh) {
        let process = Process::start(&fresh, &MasterKey::generate()).await;
        let request = process.submitted(hole()).await;
        let etag = process.organisation.etag(request, 1);
        let acts = (0..8).map(|_| process.organisation.execute(AGENT, request, note("moi"), Some(&etag), None));
        let done = futures_util::future::join_all(acts).await;
        assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1);
        let failed = |done: &&Result<_, _>| matches!(done, Err(ExecuteError::PreconditionFailed { .. }));
        assert_eq!(done.iter().filter(failed).count(), 7);
    }

    async fn a_duplicate_looks_at_its_original(fresh: Fresh) {
        let process = Process::start(&fresh, &MasterKey::generate()).await;
        let organisation = &process.organisation;
        let (first, second) = (process.submitted(hole()).await, process.submitted(hole()).await);
        let link = |of| Act::LinkAsDuplicate { of, original: None };
        let nobody = organisation.execute(AGENT, second, link(RequestId(Uuid::from_u128(1))), None, None).await;
        assert!(matches!(nobody, Err(ExecuteError::Invalid { problems }) if problems[0].field == "of"));
        organisation.execute(AGENT, second, link(first), None, None).await.expect("linked");
        let circle = organisation.execute(AGENT, first, link(second), None, None).await;
        assert!(matches!(circle, Err(ExecuteError::Refused("request.original_is_duplicate"))));
    }
}
