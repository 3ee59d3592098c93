//! Reading what is sealed is a fact, and ends with the key.

use application::{OpenError, Submission};
use domain::{access, codec::Event, personal::Sealed};
use serde_json::{Value, json};
use testkit::on_both_databases;
use vault::MasterKey;

use crate::fixture::{AGENT, Process, decoded, elodie, hole};

/// Every sealed value of the log, in its order.
async fn sealed(process: &Process) -> Vec<Sealed> {
    fn collect(value: &Value, found: &mut Vec<Sealed>) {
        match value {
            Value::Object(fields) => match fields.get("$sealed") {
                Some(sealed) => found.push(serde_json::from_value(sealed.clone()).expect("a sealed value")),
                None => fields.values().for_each(|value| collect(value, found)),
            },
            Value::Array(items) => items.iter().for_each(|value| collect(value, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    for record in process.log().await {
        collect(&serde_json::from_slice(&record.payload).expect("JSON"), &mut found);
    }
    found
}

async fn open(process: &Process, sealed: Vec<Sealed>) -> Result<Vec<Option<Value>>, OpenError> {
    let [door, purpose] = ["native_request", "work"].map(|code| code.parse().expect("a code"));
    process.organisation.open(AGENT, door, purpose, sealed).await
}

on_both_databases! {
    async fn who_may_reads_and_is_seen_reading(fresh: Fresh) {
        let master = MasterKey::generate();
        let process = Process::start(&fresh, &master).await;
        let description = Some("Un trou".to_owned());
        let request = process.submitted(Submission { requester: Some(elodie()), description: description.clone(), ..hole() }).await;
        let anonymous = process.submitted(Submission { description, ..hole() }).await;
        let sealed = sealed(&process).await;

        let restarted = Process::start(&fresh.another_process().await, &master).await;
        let opened: Vec<_> = open(&restarted, sealed).await.expect("opened").into_iter().flatten().collect();
        assert_eq!(opened, [
            json!("elodie.canari@example.org"), json!("Élodie"), json!("Canari-Tremblay"), json!("418 641-6000"),
            json!("Un trou"), json!("Un trou"),
        ]);

        let mut seen = Vec::new();
        for record in process.log().await {
            let Event::Access(access::Event::Opened { subject, fields, door, purpose, actor, .. }) = decoded(&record) else {
                continue;
            };
            assert_eq!(record.stream, format!("access-{subject}"));
            assert_eq!((door.as_str(), purpose.as_str(), actor.as_str()), ("native_request", "work", AGENT));
            seen.push((subject, fields));
        }
        seen.sort();
        assert_eq!(seen.len(), 2, "one event for each subject");
        assert_eq!(seen[0].1.len(), 5);
        assert!(seen[0].0.starts_with("person-"));
        assert!(seen[0].1.contains(&format!("{}/description", request.stream())));
        assert_eq!(seen[1], (anonymous.stream(), vec![format!("{}/description", anonymous.stream())]));
    }

    async fn a_destroyed_key_opens_nothing_and_nothing_is_said_to_be_read(fresh: Fresh) {
        let process = Process::start(&fresh, &MasterKey::generate()).await;
        let request = process.submitted(Submission { description: Some("Un trou".to_owned()), ..hole() }).await;
        let sealed = sealed(&process).await;
        process.vault.destroy(&request.stream(), process.organisation.now()).await.expect("destroyed");
        assert_eq!(open(&process, sealed).await.expect("answered"), [None]);
        assert!(!process.kinds().await.contains(&"access.opened".to_owned()));
    }

    async fn an_altered_value_is_no_answer(fresh: Fresh) {
        let process = Process::start(&fresh, &MasterKey::generate()).await;
        let texts = ["Un trou", "Un pont"].map(|text| Some(text.to_owned()));
        for description in texts {
            process.submitted(Submission { description, ..hole() }).await;
        }
        let sealed = sealed(&process).await;
        let [one, two] = [&sealed[0], &sealed[1]];
        for altered in [
            Sealed { stream: two.stream.clone(), ..one.clone() },
            Sealed { path: "/text".to_owned(), ..one.clone() },
            Sealed { event: two.event, ..one.clone() },
            Sealed { key: two.key, ..one.clone() },
            Sealed { ciphertext: two.ciphertext.clone(), ..one.clone() },
            Sealed { nonce: "not base64".to_owned(), ..one.clone() },
            Sealed { nonce: "AAAA".to_owned(), ..one.clone() },
        ] {
            assert!(matches!(open(&process, vec![altered]).await, Err(OpenError::Altered)));
        }
        assert!(!process.kinds().await.contains(&"access.opened".to_owned()));
    }
}
