//! A request comes in, once.

use application::{OperationKey, Outcome, Submission, SubmitError};
use domain::{codec::Event, ids::RequestId, number::Number, request};
use futures_util::FutureExt;
use testkit::on_both_databases;
use uuid::Uuid;
use vault::MasterKey;

use crate::fixture::{AGENT, Process, Told, answer, decoded, elodie, fields, hole};

fn once(key: &str) -> OperationKey {
    OperationKey::idempotency("open311", key, b"body".to_vec())
}

fn request_of(outcome: &Outcome) -> RequestId {
    match outcome {
        Outcome::Created { request, .. } => *request,
        Outcome::Emergency { code, .. } => panic!("an emergency: {code}"),
    }
}

/// The same answer, whether it was replayed or not.
fn answer_of(outcome: Outcome) -> (RequestId, Number, i64, String, String) {
    match outcome {
        Outcome::Created { request, number, revision, after, etag, replayed: _ } => {
            (request, number, revision, after, etag)
        }
        Outcome::Emergency { code, .. } => panic!("an emergency: {code}"),
    }
}

on_both_databases! {
    async fn a_request_takes_its_number_in_the_same_append(fresh: Fresh) {
        let process = Process::start(&fresh, &MasterKey::generate()).await;
        let outcome = process.organisation.submit(AGENT, hole(), None).await.expect("submitted");
        let (request, number, revision, ..) = answer_of(outcome);
        assert_eq!(number, Number::of(request));
        assert_eq!(revision, 1);
        assert_eq!(process.kinds().await, ["request.submitted", "promise.made", "number.reserved"]);
        let found = process.organisation.resolve(&number.as_str().to_lowercase()).await.expect("looked up");
        assert_eq!(found, Some(request));
        for other in ["", "0", "not a number", Number::of(RequestId(Uuid::nil())).as_str()] {
            assert_eq!(process.organisation.resolve(other).await.expect("looked up"), None, "{other}");
        }
    }

    async fn nothing_personal_is_written_in_clear(fresh: Fresh) {
        let process = Process::start(&fresh, &MasterKey::generate()).await;
        let submission = Submission {
            product: "rats".to_owned(),
            place: Some(request::Location { address: Some("1, rue du Canari".to_owned()), ..Default::default() }),
            description: Some("Le canari chante".to_owned()),
            media_url: Some("https://canari.example/photo".to_owned()),
            answers: vec![answer("Le nom de mon canari?", "canari jaune")],
            requester: Some(elodie()),
            ..Submission::default()
        };
        process.submitted(submission).await;
        let log = process.log().await;
        assert_eq!(process.kinds().await, ["person.registered", "request.submitted", "number.reserved"]);
        for record in &log {
            let written = String::from_utf8_lossy(&record.payload).to_lowercase();
            for canary in ["canari", "élodie", "elodie", "641-6000", "$plain"] {
                assert!(!written.contains(canary), "{canary} in {}: {written}", record.kind);
            }
        }
        assert!(String::from_utf8_lossy(&log[1].payload).contains(r#""question":"unknown""#));
    }

    async fn an_emergency_leaves_no_request(fresh: Fresh) {
        let process = Process::start(&fresh, &MasterKey::generate()).await;
        let danger = Submission {
            answers: vec![answer("danger", "yes")],
            requester: Some(elodie()),
            description: Some("Au secours".to_owned()),
            ..hole()
        };
        let outcome = process.organisation.submit(AGENT, danger.clone(), Some(once("1"))).await.expect("recorded");
        assert!(matches!(&outcome, Outcome::Emergency { code, replayed: false } if code.as_str() == "life"));
        let outcome = process.organisation.submit(AGENT, danger, Some(once("1"))).await.expect("recorded");
        assert!(matches!(&outcome, Outcome::Emergency { code, replayed: true } if code.as_str() == "life"));
        assert_eq!(process.kinds().await, ["contact.directed_to_911"]);
        assert!(process.organisation.find_persons(&query("elodie.canari@example.org"), 9).await.expect("searched").is_empty());
    }

    async fn every_field_that_does_not_read_is_named(fresh: Fresh) {
        let process = Process::start(&fresh, &MasterKey::generate()).await;
        let cases = [
            (Submission { product: String::new(), ..hole() }, ("product", "required")),
            (Submission { product: "ponts".to_owned(), ..hole() }, ("product", "request.unknown_product")),
            (Submission { product: "un pont".to_owned(), ..hole() }, ("product", "request.unknown_product")),
            (Submission { precision: Some("deep".to_owned()), ..hole() }, ("precision", "request.unknown_precision")),
            (Submission { answers: vec![], ..hole() }, ("answers/depth", "required")),
            (Submission { answers: vec![answer("depth", "deep")], ..hole() }, ("answers/depth", "not_a_number")),
            (Submission { description: Some("\0".to_owned()), ..hole() }, ("description", "text.nul")),
            (Submission { channel: Some("pigeon".parse().expect("a code")), ..hole() }, ("channel", "request.unknown_channel")),
        ];
        for (submission, (field, code)) in cases {
            let error = process.organisation.submit(AGENT, submission, None).await.expect_err("refused");
            assert_eq!(fields(error), [(field.to_owned(), code)]);
        }
        let mut requester = elodie();
        requester.first_name = Some("É".repeat(10_000));
        let error = process.organisation.submit(AGENT, Submission { requester: Some(requester), ..hole() }, None).await;
        assert_eq!(fields(error.expect_err("refused")), [("first_name".to_owned(), "text.too_long")]);
        assert_eq!(process.kinds().await, [] as [&str; 0]);
    }

    async fn a_repeated_operation_has_one_answer_even_after_a_restart(fresh: Fresh) {
        let master = MasterKey::generate();
        let process = Process::start(&fresh, &master).await;
        let submission = Submission { requester: Some(elodie()), ..hole() };
        let first = process.organisation.submit(AGENT, submission.clone(), Some(once("1"))).await.expect("submitted");
        let again = process.organisation.submit(AGENT, submission.clone(), Some(once("1"))).await.expect("the same");
        let restarted = Process::start(&fresh.another_process().await, &master).await;
        let later = restarted.organisation.submit(AGENT, submission.clone(), Some(once("1"))).await.expect("the same");
        assert!(matches!((&first, &again, &later), (
            Outcome::Created { replayed: false, .. },
            Outcome::Created { replayed: true, .. },
            Outcome::Created { replayed: true, .. },
        )));
        let first = answer_of(first);
        assert_eq!((answer_of(again), answer_of(later)), (first.clone(), first.clone()));

        let other_body = Some(OperationKey::idempotency("open311", "1", b"another".to_vec()));
        let error = process.organisation.submit(AGENT, submission.clone(), other_body).await.expect_err("reused");
        assert!(matches!(error, SubmitError::OperationReused));
        let other_key = process.organisation.submit("key_other", submission.clone(), Some(once("1"))).await.expect("submitted");
        assert_ne!(request_of(&other_key), first.0, "two portals never collide");
        let other_door = Some(OperationKey::idempotency("native", "1", b"body".to_vec()));
        let other_door = process.organisation.submit(AGENT, submission, other_door).await.expect("submitted");
        assert_ne!(request_of(&other_door), first.0);
    }

    async fn a_report_reported_again_is_the_same_whatever_it_says(fresh: Fresh) {
        let process = Process::start(&fresh, &MasterKey::generate()).await;
        let report = || Some(OperationKey::report("open311", "1234"));
        let first = process.organisation.submit(AGENT, hole(), report()).await.expect("submitted");
        let more = Submission { description: Some("et un détail".to_owned()), ..hole() };
        let again = process.organisation.submit(AGENT, more, report()).await.expect("the same");
        assert_eq!(answer_of(first), answer_of(again));
    }

    async fn the_same_key_of_another_caller_is_another_operation(fresh: Fresh) {
        let process = Process::start(&fresh, &MasterKey::generate()).await;
        let submit = async |actor| {
            request_of(&process.organisation.submit(actor, hole(), Some(once("1"))).await.expect("submitted"))
        };
        let (one, other) = (submit("key_one").await, submit("key_other").await);
        assert_ne!(one, other, "a portal that reads another's answer");
        assert_eq!(submit("key_one").await, one);
    }

    async fn fifty_at_once_are_one_request(fresh: Fresh) {
        let process = Process::start(&fresh, &MasterKey::generate()).await;
        let tasks: Vec<_> = (0..50)
            .map(|_| {
                let organisation = process.organisation.clone();
                let submission = Submission { requester: Some(elodie()), ..hole() };
                tokio::spawn(async move { organisation.submit(AGENT, submission, Some(once("1"))).await })
            })
            .collect();
        let mut fresh_answers = 0;
        let mut answers = Vec::new();
        for task in tasks {
            let outcome = task.await.expect("no panic").expect("submitted");
            fresh_answers += i32::from(matches!(outcome, Outcome::Created { replayed: false, .. }));
            answers.push(answer_of(outcome));
        }
        answers.dedup();
        assert_eq!((answers.len(), fresh_answers), (1, 1));
        let kinds = process.kinds().await;
        assert_eq!(kinds.iter().filter(|kind| *kind == "request.submitted").count(), 1, "{kinds:?}");
    }

    async fn a_number_that_is_taken_gives_way_to_new_ids(fresh: Fresh) {
        let master = MasterKey::generate();
        Process::start(&fresh, &master).await; // It publishes the declaration, which takes an id too.
        // The same last 50 bits: the same number.
        let [first, second] = [1_u128 << 64 | 7, 2 << 64 | 7].map(Uuid::from_u128);
        // A submission takes the request's id, then one for each of its two events and for that of its number.
        let events = |from: u128| (from..from + 3).map(Uuid::from_u128);
        let ids = Told::first([first].into_iter().chain(events(100)).chain([second]).chain(events(200)));
        let process = Process::start_with(&fresh, &master, ids, "2026-1", "text").await.expect("it starts");
        let one = request_of(&process.organisation.submit(AGENT, hole(), None).await.expect("submitted"));
        let two = request_of(&process.organisation.submit(AGENT, hole(), None).await.expect("submitted"));
        assert_eq!(one.0, first);
        assert_ne!(two.0, second);
        let found = process.organisation.resolve(Number::of(one).as_str()).await.expect("looked up");
        assert_eq!(found, Some(one));
        assert_eq!(process.organisation.resolve(Number::of(two).as_str()).await.expect("looked up"), Some(two));
    }

    async fn a_caller_who_goes_away_loses_nothing(fresh: Fresh) {
        let process = Process::start(&fresh, &MasterKey::generate()).await;
        // Anonymous and without text: the first thing awaited is the append. Polled once, then dropped.
        let left = (0..20).filter(|_| process.organisation.submit(AGENT, hole(), None).now_or_never().is_none());
        // Now and then the writer is done before the poll is.
        assert!(left.count() > 10);
        process.submitted(hole()).await;
        let kinds = process.kinds().await;
        assert_eq!(kinds.iter().filter(|kind| *kind == "request.submitted").count(), 21);
    }

    async fn who_asks_again_is_the_same_person(fresh: Fresh) {
        let process = Process::start(&fresh, &MasterKey::generate()).await;
        let submit = async |requester| {
            let request = process.submitted(Submission { requester: Some(requester), ..hole() }).await;
            let log = process.log().await;
            let mut events = log.iter().filter(|record| record.stream == request.stream()).map(decoded);
            events
                .find_map(|event| match event {
                    Event::Request(request::Event::Submitted(submitted)) => submitted.requester,
                    _ => None,
                })
                .expect("somebody asked")
        };
        let first = submit(elodie()).await;
        let mut by_mail = elodie();
        by_mail.phone = None;
        by_mail.email = Some(" ELODIE.Canari@example.org".to_owned());
        assert_eq!(submit(by_mail).await, first);
        let mut by_phone = elodie();
        by_phone.email = None;
        by_phone.phone = Some("+1 418-641-6000".to_owned());
        assert_eq!(submit(by_phone.clone()).await, first);
        assert!(!process.kinds().await.contains(&"person.details_added".to_owned()), "nothing was new");

        by_phone.email = Some("elodie@travail.example".to_owned());
        assert_eq!(submit(by_phone.clone()).await, first);
        assert_eq!(submit(by_phone).await, first);
        let kinds = process.kinds().await;
        assert_eq!(kinds.iter().filter(|kind| *kind == "person.details_added").count(), 1, "{kinds:?}");
        let found = process.organisation.find_persons(&query("elodie@travail.example"), 9).await.expect("searched");
        assert_eq!(found, [first]);

        let mut named = elodie();
        (named.email, named.phone) = (None, None);
        assert_ne!(submit(named).await, first, "a name alone identifies nobody");
    }

    async fn who_was_indexed_but_never_registered_is_registered(fresh: Fresh) {
        let process = Process::start(&fresh, &MasterKey::generate()).await;
        let term: Vec<_> = vault::Term::email("elodie.canari@example.org").into_iter().collect();
        let ghost = domain::ids::PersonId(Uuid::from_u128(7));
        process.vault.create_key(&ghost.stream(), &term).await.expect("a key");
        process.submitted(Submission { requester: Some(elodie()), ..hole() }).await;
        assert_eq!(process.kinds().await[0], "person.registered");
        let log = process.log().await;
        assert_ne!(log[0].stream, ghost.stream());
    }
}

fn query(email: &str) -> application::PersonQuery {
    application::PersonQuery { email: Some(email.to_owned()), ..Default::default() }
}
