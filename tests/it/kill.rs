//! kill -9 under load, restart: nothing acknowledged is missing, nothing is there twice, log and read models agree.
//!
//! Nothing is rebuilt here: the rows that are compared are those that the live runner wrote around the kills.

use std::collections::BTreeMap;

use testkit::on_both_databases;

use crate::harness::{self, Client, Site};

const CLIENTS: usize = 8;
const ROUNDS: usize = 3;
/// Acknowledged posts of one client before the server is killed, in each round.
const POSTS: usize = 15;

/// What one client was told: its idempotency key, and the id if the answer came.
type Told = BTreeMap<String, Option<String>>;

on_both_databases! {
    async fn nothing_acknowledged_is_missing_after_kill_9(fresh: Fresh) {
        let site = Site::new(&fresh);
        site.done(&["migrate"]);
        let key = site.key("ville_quebec", "portal");
        let mut told = Told::new();
        for round in 0..ROUNDS {
            let server = site.serve(&[]);
            let client = Client::new(&server, &key);
            let tasks: Vec<_> = (0..CLIENTS).map(|n| tokio::spawn(load(client.clone(), round, n))).collect();
            // Killed as soon as the first client has what it wants: the others are in the middle of a post.
            let mut tasks = tasks.into_iter();
            let first = tasks.next().expect("there are clients").await;
            server.kill();
            told.extend(first.expect("the first client ends"));
            for task in tasks {
                told.extend(task.await.expect("a client ends"));
            }
            // As the kill left them: rows and checkpoint moved together, however far they came.
            agree(&site);
        }

        let server = site.serve(&[]);
        let client = Client::new(&server, &key);
        let mut ids = BTreeMap::new();
        for (operation, answered) in &told {
            let id = post(&client, operation).await.expect("the server is up");
            if let Some(answered) = answered {
                assert_eq!(&id, answered, "{operation} was acknowledged with another id");
            }
            assert_eq!(ids.insert(id.clone(), operation), None, "{id} answers two operations");
            client.get(&format!("/open311/v2/requests/{id}.json?jurisdiction_id=ville.quebec.qc.ca")).await.expect(200);
        }
        harness::current(&fresh, "ville_quebec").await;
        server.kill();
        agree(&site);
        assert!(told.values().filter(|answer| answer.is_some()).count() >= ROUNDS * POSTS);
    }
}

/// The log verifies, and every row of the read models is what it says up to their checkpoints.
#[track_caller]
fn agree(site: &Site) {
    site.done(&["verify"]);
    site.done(&["check", "--organisation", "ville_quebec"]);
}

async fn load(client: Client, round: usize, number: usize) -> Told {
    let mut told = Told::new();
    loop {
        let operation = format!("{round}-{number}-{}", told.len());
        let answer = post(&client, &operation).await;
        let broken = answer.is_none();
        told.insert(operation, answer);
        // The first client stops when it has enough and so ends the round; the others go on until they are cut off.
        if broken || (number == 0 && told.len() == POSTS) {
            return told;
        }
    }
}

async fn post(client: &Client, operation: &str) -> Option<String> {
    let fields = [
        ("jurisdiction_id", "ville.quebec.qc.ca"),
        ("service_code", "nid_de_poule"),
        ("attribute[voie]", "chaussee"),
        ("attribute[accident]", "non"),
        ("address_string", "12, rue Saint-Jean"),
        ("email", "citoyenne@example.org"),
    ];
    let answer = client.try_form("/open311/v2/requests.json", &fields, &[("idempotency-key", operation)]).await?;
    assert_eq!(answer.status, 200, "{}", answer.text);
    Some(answer.json()[0]["service_request_id"].as_str().expect("an id").to_owned())
}
