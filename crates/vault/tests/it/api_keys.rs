//! API keys: shown once, proved by a hash, revoked at once.

use chrono::{DateTime, Utc};
use testkit::on_both_databases;
use vault::ApiKeys;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

on_both_databases! {
    async fn a_key_names_its_log_and_role(fresh: Fresh) {
        let keys = ApiKeys::new(fresh.server().clone());
        let made = keys.create(7, "agent", "comptoir", at("2026-11-22T12:00:00Z")).await.expect("made");
        let found = keys.find(made.reveal()).await.expect("read").expect("known");
        assert_eq!((found.prefix.as_str(), found.log, found.role.as_str()), (made.prefix(), 7, "agent"));
        assert_eq!(found.revoked_at, None);
        assert_eq!(keys.list(Some(7)).await.expect("listed"), std::slice::from_ref(&found));
        assert_eq!(keys.list(None).await.expect("listed"), [found]);
        assert_eq!(keys.list(Some(8)).await.expect("listed"), []);
    }

    async fn nothing_but_the_whole_key_is_let_in(fresh: Fresh) {
        let keys = ApiKeys::new(fresh.server().clone());
        let made = keys.create(1, "agent", "", at("2026-11-22T12:00:00Z")).await.expect("made");
        let other = keys.create(1, "admin", "", at("2026-11-22T12:00:01Z")).await.expect("made");
        let key = made.reveal();
        let secret = &key[key.len() - 43..];
        let mixed = format!("gk_{}_{secret}", other.prefix());
        let unknown = format!("gk_aaaaaaaaaa_{secret}");
        for presented in ["", "gk_", &key[..key.len() - 1], &key.to_uppercase(), &mixed, &unknown, secret] {
            assert_eq!(keys.find(presented).await.expect("read"), None, "{presented}");
        }
        assert!(!format!("{made:?}").contains(secret));
    }

    async fn a_revoked_key_is_unknown(fresh: Fresh) {
        let keys = ApiKeys::new(fresh.server().clone());
        let made = keys.create(1, "agent", "", at("2026-11-22T12:00:00Z")).await.expect("made");
        assert!(keys.find(made.reveal()).await.expect("read").is_some());
        assert!(keys.revoke(made.prefix(), at("2026-11-22T13:00:00Z")).await.expect("revoked"));
        assert!(!keys.revoke(made.prefix(), at("2026-11-22T14:00:00Z")).await.expect("was revoked"));
        assert_eq!(keys.find(made.reveal()).await.expect("read"), None);
        let elsewhere = ApiKeys::new(fresh.another_process().await.server().clone());
        assert_eq!(elsewhere.find(made.reveal()).await.expect("read"), None);
        let listed = keys.list(None).await.expect("listed");
        assert_eq!(listed[0].revoked_at, Some(at("2026-11-22T13:00:00Z")));
    }
}
