//! Subject keys, log keys, the blind index.

use futures_util::FutureExt;
use testkit::on_both_databases;
use uuid::Uuid;
use vault::{ForeignToken, MasterKey, Place, Term, VaultError};

use super::{try_vault, vault};

fn place() -> Place<'static> {
    Place { stream: "request-1", event: Uuid::from_u128(1), path: "/description" }
}

fn terms() -> Vec<Term> {
    let mut terms = Term::name("Élodie Tremblay");
    terms.extend(Term::email("elodie@example.org"));
    terms.extend(Term::phone("418 641-6000"));
    terms
}

on_both_databases! {
    async fn what_was_sealed_opens_after_a_restart(fresh: Fresh) {
        let master = MasterKey::generate();
        let key = vault(&fresh, "boston", &master).await.create_key("person-1", &[]).await.expect("a key");
        let envelope = key.seal(place(), b"secret");

        let reopened = vault(&fresh.another_process().await, "boston", &master).await;
        let found = reopened.key(envelope.key).await.expect("read").expect("the key is durable");
        assert_eq!(found.open(place(), &envelope).expect("untouched").as_slice(), b"secret");
        assert_eq!((found.id(), found.subject()), (key.id(), "person-1"));
        let again = reopened.key_for("person-1").await.expect("the same key");
        assert_eq!(again.id(), key.id());
    }

    async fn another_master_key_is_refused_at_open(fresh: Fresh) {
        vault(&fresh, "boston", &MasterKey::generate()).await;
        let error = try_vault(&fresh, "boston", &MasterKey::generate()).await.err().expect("refused");
        assert!(matches!(&error, VaultError::WrongMasterKey { log } if log == "boston"), "{error}");
        assert_eq!(error.to_string(), "the master key is not the one that wrapped the keys of boston");
    }

    async fn processes_that_race_for_a_subject_get_one_key(fresh: Fresh) {
        let master = MasterKey::generate();
        let other = fresh.another_process().await;
        let (here, there) = tokio::join!(vault(&fresh, "boston", &master), vault(&other, "boston", &master));
        let mut tasks = Vec::new();
        for vault in [here, there] {
            for subject in 0..50 {
                let vault = vault.clone();
                tasks.push(tokio::spawn(async move {
                    let key = vault.key_for(&format!("person-{subject}")).await.expect("a key");
                    (subject, key.id())
                }));
            }
        }
        let mut ids = std::collections::BTreeMap::<i32, std::collections::BTreeSet<Uuid>>::new();
        for task in tasks {
            let (subject, id) = task.await.expect("no panic");
            ids.entry(subject).or_default().insert(id);
        }
        assert_eq!(ids.len(), 50);
        assert!(ids.values().all(|ids| ids.len() == 1), "{ids:?}");
    }

    async fn a_caller_who_goes_away_leaves_the_key(fresh: Fresh) {
        let master = MasterKey::generate();
        let here = vault(&fresh, "boston", &master).await;
        for subject in 0..20 {
            let name = format!("person-{subject}");
            // Polled once, so that the request is in the queue, then dropped.
            assert!(here.create_key(&name, &[]).now_or_never().is_none());
        }
        // The queue is in order: when a later one is durable, so are those before it.
        here.create_key("person-last", &[]).await.expect("a key");
        let there = vault(&fresh.another_process().await, "boston", &master).await;
        let ids = [here.key_for("person-0").await, there.key_for("person-0").await].map(|key| key.expect("kept").id());
        assert_eq!(ids[0], ids[1]);
    }

    async fn a_destroyed_key_opens_nothing_and_never_returns(fresh: Fresh) {
        let master = MasterKey::generate();
        let vault = vault(&fresh, "boston", &master).await;
        let key = vault.create_key("person-1", &terms()).await.expect("a key");
        let at = "2026-11-22T12:00:00Z".parse().expect("an instant");
        assert!(vault.destroy("person-1", at).await.expect("destroyed"));
        assert!(!vault.destroy("person-1", at).await.expect("nothing left"));
        assert!(vault.key(key.id()).await.expect("read").is_none());
        assert!(matches!(vault.key_for("person-1").await, Err(VaultError::Destroyed)));
        assert!(matches!(vault.create_key("person-1", &[]).await, Err(VaultError::Destroyed)));
        assert_eq!(vault.find(&terms(), 1, 10).await.expect("searched"), [] as [String; 0]);
        vault.remember("person-1", &terms()).await.expect("nothing to do");
        vault.remember("person-2", &terms()).await.expect("nothing to do");
        assert_eq!(vault.find(&terms(), 1, 10).await.expect("searched"), [] as [String; 0]);
    }

    async fn a_subject_is_found_by_what_it_gave(fresh: Fresh) {
        let master = MasterKey::generate();
        let vault = vault(&fresh, "boston", &master).await;
        vault.create_key("person-1", &terms()).await.expect("a key");
        vault.create_key("person-2", &Term::name("Elodie Roy")).await.expect("a key");
        let find = async |terms: Vec<Term>, at_least: usize| vault.find(&terms, at_least, 10).await.expect("searched");

        assert_eq!(find(Term::email(" ELODIE@example.org").into_iter().collect(), 1).await, ["person-1"]);
        assert_eq!(find(Term::phone("+1 (418) 641-6000").into_iter().collect(), 1).await, ["person-1"]);
        assert_eq!(find(Term::name("elodie"), 1).await, ["person-1", "person-2"]);
        assert_eq!(find(Term::name("ÉLODIE ROY"), 2).await, ["person-2"]);
        assert_eq!(find(Term::name("elo"), 1).await, [] as [&str; 0]);
        assert_eq!(find(vec![], 0).await, [] as [&str; 0]);

        let added = Term::name("Tremblay-Roy");
        let unknown = vault.unknown_terms("person-1", &added).await.expect("compared");
        assert!(unknown == Term::name("roy"));
        vault.remember("person-1", &unknown).await.expect("indexed");
        assert_eq!(find(Term::name("roy elodie tremblay"), 3).await, ["person-1"]);
    }

    async fn an_organisation_never_sees_another(fresh: Fresh) {
        let master = MasterKey::generate();
        let (boston, montreal) =
            (vault(&fresh, "boston", &master).await, vault(&fresh, "montreal", &master).await);
        let key = boston.create_key("person-1", &terms()).await.expect("a key");
        assert!(montreal.key(key.id()).await.expect("read").is_none());
        assert_eq!(montreal.find(&terms(), 1, 10).await.expect("searched"), [] as [String; 0]);
        let token = boston.tokens().seal("etag", b"1");
        assert_eq!(montreal.tokens().open("etag", &token), Err(ForeignToken));
        assert_ne!(boston.operation_hash(&[b"a"]), montreal.operation_hash(&[b"a"]));
    }

    async fn the_keys_of_a_log_are_made_once(fresh: Fresh) {
        let master = MasterKey::generate();
        let other = fresh.another_process().await;
        let (here, there) = tokio::join!(vault(&fresh, "boston", &master), vault(&other, "boston", &master));
        let token = here.tokens().seal("etag", b"1");
        assert_eq!(there.tokens().open("etag", &token), Ok(b"1".to_vec()));
        assert_eq!(here.operation_hash(&[b"a", b"b"]), there.operation_hash(&[b"a", b"b"]));
        assert_ne!(here.operation_hash(&[b"a", b"b"]), here.operation_hash(&[b"ab"]));
    }
}
