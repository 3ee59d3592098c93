//! A declaration is published once, and every process follows.

use std::sync::Arc;

use application::{PublishError, RandomIds};
use testkit::on_both_databases;
use vault::MasterKey;

use crate::fixture::{Process, declaration};

fn versions(process: &Process) -> Vec<String> {
    process.organisation.rules().versions().iter().map(|version| version.version.to_string()).collect()
}

on_both_databases! {
    async fn a_version_is_published_once(fresh: Fresh) {
        let master = MasterKey::generate();
        let process = Process::start(&fresh, &master).await;
        assert!(!process.organisation.publish(declaration("2026-1"), "text".to_owned()).await.expect("known"));
        let restarted = Process::start(&fresh.another_process().await, &master).await;
        assert_eq!(versions(&restarted), ["2026-1"]);
        assert_eq!(restarted.store.head().await.expect("the head").position, 1);
    }

    async fn another_text_for_a_published_version_stops_the_start(fresh: Fresh) {
        let master = MasterKey::generate();
        Process::start(&fresh, &master).await;
        let again = Process::start_with(&fresh, &master, Arc::new(RandomIds), "2026-1", "another text").await;
        let error = again.err().expect("refused");
        assert!(matches!(error, PublishError::TextChanged { .. }));
        assert_eq!(
            error.to_string(),
            "declaration essai 2026-1 differs from the text published as that version: give it a new version"
        );
    }

    async fn processes_that_start_at_once_publish_once(fresh: Fresh) {
        let master = MasterKey::generate();
        let other = fresh.another_process().await;
        let (here, there) = tokio::join!(Process::start(&fresh, &master), Process::start(&other, &master));
        assert_eq!((versions(&here), versions(&there)), (vec!["2026-1".to_owned()], vec!["2026-1".to_owned()]));
        assert_eq!(here.store.head().await.expect("the head").position, 1);
    }

    async fn a_version_published_elsewhere_arrives(fresh: Fresh) {
        let master = MasterKey::generate();
        let here = Process::start(&fresh, &master).await;
        let there = Process::start(&fresh.another_process().await, &master).await;
        assert!(there.organisation.publish(declaration("2026-2"), "more".to_owned()).await.expect("published"));
        assert_eq!(versions(&there), ["2026-1", "2026-2"]);
        let followed = async {
            while versions(&here).len() < 2 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), followed).await.expect("in time");
        assert_eq!(versions(&here), ["2026-1", "2026-2"]);
    }

    async fn a_declaration_of_another_organisation_is_refused(fresh: Fresh) {
        let process = Process::start(&fresh, &MasterKey::generate()).await;
        let mut foreign = declaration("2026-2");
        foreign.organisation.slug = "ailleurs".parse().expect("a code");
        let error = process.organisation.publish(foreign, "text".to_owned()).await.expect_err("refused");
        assert!(matches!(error, PublishError::AnotherOrganisation { .. }));
    }
}
