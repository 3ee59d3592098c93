//! Persons: found, merged, taken apart.

use application::{MergeError, PersonQuery, Requester, Submission};
use domain::ids::PersonId;
use testkit::on_both_databases;
use uuid::Uuid;
use vault::{MasterKey, Term};

use crate::fixture::{AGENT, Process, hole};

fn named(first: &str, last: &str, email: &str) -> Requester {
    let text = |text: &str| Some(text.to_owned());
    Requester { first_name: text(first), last_name: text(last), email: text(email), phone: None }
}

fn by_name(name: &str) -> PersonQuery {
    PersonQuery { name: Some(name.to_owned()), ..PersonQuery::default() }
}

/// Registers three persons and gives their ids.
async fn three(process: &Process) -> [PersonId; 3] {
    for (first, last) in [("Anne", "Roy"), ("Anne", "Côté"), ("Bruno", "Côté")] {
        let requester = Some(named(first, last, &format!("{first}.{}@example.org", last.len())));
        process.submitted(Submission { requester, ..hole() }).await;
    }
    let find = async |name: &str| {
        let found = process.organisation.find_persons(&by_name(name), 10).await.expect("searched");
        assert_eq!(found.len(), 1, "{name}");
        found[0]
    };
    [find("anne roy").await, find("COTE anne").await, find("bruno").await]
}

on_both_databases! {
    async fn everything_asked_must_match(fresh: Fresh) {
        let process = Process::start(&fresh, &MasterKey::generate()).await;
        let [anne, other_anne, _] = three(&process).await;
        let find = async |query| process.organisation.find_persons(&query, 10).await.expect("searched");
        let mut both = vec![anne, other_anne];
        both.sort_by_key(|person| person.stream());
        assert_eq!(find(by_name("anne")).await, both);
        assert_eq!(find(PersonQuery { email: Some("Anne.3@example.org".to_owned()), ..by_name("anne") }).await, [anne]);
        assert_eq!(find(PersonQuery { email: Some("anne.3@example.org".to_owned()), ..by_name("bruno") }).await, []);
        assert_eq!(find(PersonQuery { phone: Some("not a number".to_owned()), ..by_name("anne") }).await, []);
        assert_eq!(find(PersonQuery::default()).await, []);
    }

    async fn who_was_indexed_but_never_registered_is_nobody(fresh: Fresh) {
        // What an operation lost to another process leaves, or a crash between the key and the append. These sort first.
        let process = Process::start(&fresh, &MasterKey::generate()).await;
        for (persons, ghosts) in [(1, 1), (2, 30)] {
            let email = format!("anne.{ghosts}@example.org");
            let terms: Vec<_> = Term::email(&email).into_iter().chain(Term::name("Anne Roy")).collect();
            for ghost in 0..ghosts {
                let stream = PersonId(Uuid::from_u128(100 * ghosts + ghost)).stream();
                process.vault.create_key(&stream, &terms).await.expect("a key");
            }
            for _ in 0..2 {
                let requester = Some(named("Anne", "Roy", &email));
                process.submitted(Submission { requester, ..hole() }).await;
            }
            let log = process.log().await;
            let registered: Vec<_> = log.iter().filter(|record| record.kind == "person.registered").collect();
            assert_eq!(registered.len(), persons, "{ghosts}");
            let anne = registered.last().and_then(|record| PersonId::of_stream(&record.stream));
            let query = PersonQuery { email: Some(email), ..by_name("anne roy") };
            let found = process.organisation.find_persons(&query, 20).await.expect("searched");
            assert_eq!(found.into_iter().map(Some).collect::<Vec<_>>(), [anne]);
        }
    }

    async fn a_merge_is_one_event_and_so_is_its_end(fresh: Fresh) {
        let process = Process::start(&fresh, &MasterKey::generate()).await;
        let organisation = &process.organisation;
        let [one, two, three] = three(&process).await;
        let merged = organisation.merge(AGENT, one, two, None).await.expect("merged");
        let again = organisation.merge(AGENT, one, two, None).await.expect("already");
        assert_eq!(merged, again);
        let elsewhere = organisation.merge(AGENT, one, three, None).await;
        assert!(matches!(elsewhere, Err(MergeError::Refused("person.merged_elsewhere"))));
        for into in [one, two] {
            let circle = organisation.merge(AGENT, two, into, None).await;
            assert!(matches!(circle, Err(MergeError::Refused("person.circle"))));
        }
        organisation.unmerge(AGENT, one, None).await.expect("taken apart");
        organisation.merge(AGENT, two, one, None).await.expect("the other way round");
        let kinds: Vec<_> = process.kinds().await.into_iter().filter(|kind| kind.contains("merged")).collect();
        assert_eq!(kinds, ["person.merged", "person.unmerged", "person.merged"]);

        let nobody = PersonId(Uuid::from_u128(1));
        assert!(matches!(organisation.merge(AGENT, nobody, one, None).await, Err(MergeError::NotFound)));
        assert!(matches!(organisation.merge(AGENT, three, nobody, None).await, Err(MergeError::NotFound)));
    }

    async fn two_who_merge_into_one_another_make_no_circle(fresh: Fresh) {
        let master = MasterKey::generate();
        let here = Process::start(&fresh, &master).await;
        let there = Process::start(&fresh.another_process().await, &master).await;
        let [one, two, _] = three(&here).await;
        let (first, second) = tokio::join!(
            here.organisation.merge(AGENT, one, two, None),
            there.organisation.merge(AGENT, two, one, None),
        );
        assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    }
}
