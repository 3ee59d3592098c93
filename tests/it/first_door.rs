//! A generic Open311 client lists services, posts and follows its request; an agent works it to its end.

use serde_json::json;

use testkit::on_both_databases;

use crate::harness::{Client, Site};

const QUEBEC: &str = "jurisdiction_id=ville.quebec.qc.ca";

on_both_databases! {
    async fn a_citizen_posts_and_follows_a_request(fresh: Fresh) {
        let site = Site::new(&fresh);
        site.done(&["migrate"]);
        let portal = site.key("ville_quebec", "portal");
        let server = site.serve(&[]);
        let anyone = Client::new(&server, "");

        let services = anyone.get(&format!("/open311/v2/services.json?{QUEBEC}")).await.expect(200).json();
        let code = "nid_de_poule";
        assert!(services.as_array().expect("a list").iter().any(|service| service["service_code"] == code));

        let posted = anyone
            .form(
                "/open311/v2/requests.json",
                &[
                    ("api_key", &portal),
                    ("jurisdiction_id", "ville.quebec.qc.ca"),
                    ("service_code", code),
                    ("attribute[voie]", "chaussee"),
                    ("attribute[accident]", "non"),
                    ("lat", "46.8139"),
                    ("long", "-71.2080"),
                    ("description", "Trou profond devant le 12"),
                    ("email", "citoyenne@example.org"),
                ],
                &[],
            )
            .await
            .expect(200)
            .json();
        let id = posted[0]["service_request_id"].as_str().expect("a real id at once").to_owned();

        let shown = anyone.get(&format!("/open311/v2/requests/{id}.json?{QUEBEC}")).await.expect(200).json();
        assert_eq!(shown[0]["status"], "open");
        assert_eq!(shown[0]["service_code"], code);
        assert_eq!(shown[0]["description"], serde_json::Value::Null, "nothing a citizen typed is public before an agent releases it");
    }
}

on_both_databases! {
    async fn a_repeated_post_is_one_request(fresh: Fresh) {
        let site = Site::new(&fresh);
        site.done(&["migrate"]);
        let portal = site.key("ville_quebec", "portal");
        let server = site.serve(&[]);
        let client = Client::new(&server, &portal);
        let fields = [
            ("jurisdiction_id", "ville.quebec.qc.ca"),
            ("service_code", "nid_de_poule"),
            ("attribute[voie]", "chaussee"),
            ("attribute[accident]", "non"),
            ("address_string", "12, rue Saint-Jean"),
        ];
        let mut ids = std::collections::BTreeSet::new();
        for _ in 0..3 {
            let answer = client.form("/open311/v2/requests.json", &fields, &[("idempotency-key", "k-1")]).await.expect(200).json();
            ids.insert(answer[0]["service_request_id"].as_str().expect("an id").to_owned());
        }
        assert_eq!(ids.len(), 1);
    }
}

on_both_databases! {
    async fn bad_input_is_answered_clearly_in_the_asked_format(fresh: Fresh) {
        let site = Site::new(&fresh);
        site.done(&["migrate"]);
        let portal = site.key("ville_quebec", "portal");
        let boston = site.key("boston", "portal");
        let server = site.serve(&[]);
        let anyone = Client::new(&server, "");
        let answers = [("attribute[voie]", "chaussee"), ("attribute[accident]", "non")];
        let post = |key: String, fields: Vec<(&'static str, &'static str)>| {
            let anyone = anyone.clone();
            async move {
                let mut all = vec![("api_key", key.as_str())];
                all.extend(answers);
                all.extend(fields);
                anyone.form("/open311/v2/requests.json", &all, &[]).await
            }
        };
        let place = ("address_string", "12, rue Saint-Jean");
        let quebec = ("jurisdiction_id", "ville.quebec.qc.ca");
        let service = ("service_code", "nid_de_poule");

        let cases = [
            (post("gk_nobody_nothing".into(), vec![quebec, service, place]).await, 403),
            (post(boston, vec![quebec, service, place]).await, 403),
            (post(portal.clone(), vec![quebec, ("service_code", "no-such"), place]).await, 404),
            (post(portal.clone(), vec![quebec, place]).await, 400),
            (post(portal.clone(), vec![quebec, service]).await, 400),
            (post(portal.clone(), vec![quebec, service, ("lat", "north"), ("long", "-71")]).await, 400),
            (post(portal, vec![quebec, service, place, ("description", "a\0b")]).await, 400),
        ];
        for (answer, status) in cases {
            assert_eq!(answer.status, status, "{}", answer.text);
            let errors = answer.json();
            let description = errors[0]["description"].as_str().expect("words for a person");
            assert!(!description.is_empty());
        }
        let xml = anyone.get(&format!("/open311/v2/requests/nothing.xml?{QUEBEC}")).await;
        assert_eq!(xml.status, 404);
        assert!(xml.kind.starts_with("text/xml"), "{}", xml.kind);
        assert!(xml.text.contains("<errors><error><code>404</code>"), "{}", xml.text);
    }
}

on_both_databases! {
    async fn an_emergency_creates_no_request(fresh: Fresh) {
        let site = Site::new(&fresh);
        site.done(&["migrate"]);
        let portal = site.key("ville_quebec", "portal");
        let server = site.serve(&[]);
        let client = Client::new(&server, &portal);
        let (service, question, choice) = EMERGENCY;
        let field = format!("attribute[{question}]");
        let answer = client
            .form(
                "/open311/v2/requests.json",
                &[
                    ("jurisdiction_id", "ville.quebec.qc.ca"),
                    ("service_code", service),
                    ("address_string", "12, rue Saint-Jean"),
                    (&field, choice),
                ],
                &[],
            )
            .await
            .expect(400)
            .json();
        assert_eq!(answer[0]["code"], "emergency");
        let words = answer[0]["description"].as_str().expect("words to show");
        assert!(words.contains("9-1-1"), "{words}");
        let list = client.get(&format!("/open311/v2/requests.json?{QUEBEC}")).await.expect(200).json();
        assert_eq!(list, json!([]));
    }
}

/// Service, question and choice of a declared emergency.
const EMERGENCY: (&str, &str, &str) = ("nid_de_poule", "accident", "oui");

on_both_databases! {
    async fn an_agent_works_a_request_to_its_end(fresh: Fresh) {
        let site = Site::new(&fresh);
        site.done(&["migrate"]);
        let agent = site.key("ville_quebec", "agent");
        let server = site.serve(&[]);
        let client = Client::new(&server, &agent);

        let felling = json!({
            "channel": "phone", "product": "abattage_arbre",
            "answers": { "danger": "non", "etat": "mort", "terrain": "rue" },
            "place": { "address": "12, rue Saint-Jean" },
            "description": "Un orme mort penche vers la rue",
            "requester": { "first_name": "Ada", "email": "ada@example.org" },
        });
        let created = client.post("/api/v1/requests", felling, &[("idempotency-key", "call-1")]).await.expect(201).json();
        let id = created["id"].as_str().expect("an id").to_owned();
        let after = created["after"].as_str().expect("a token").to_owned();
        let path = |verb: &str| format!("/api/v1/requests/{id}{verb}");

        let queue = client.get(&format!("/api/v1/queue?after={after}")).await.expect(200).json();
        assert_eq!(queue["items"][0]["standard"], "abattage_arbre", "{queue}");

        let read = client.get(&path("")).await.expect(200);
        let request = read.json();
        let etag = read.etag.expect("an ETag");
        let unit = request["unit"].as_str().expect("the product names a unit");
        client.post(&path("/assignment"), json!({ "unit": unit, "agent": "usr_4f2a" }), &[("if-match", &etag)]).await.expect(200);
        let stale = client.post(&path("/start"), json!({}), &[("if-match", &etag)]).await.expect(412);
        assert_eq!(stale.json()["code"], "request.stale");
        client.post(&path("/start"), json!({}), &[]).await.expect(200);
        client.post(&path("/notes"), json!({ "text": "Vu sur place", "visibility": "internal" }), &[]).await.expect(200);
        client.post(&path("/waiting"), json!({ "question": "De quel arbre s'agit-il?" }), &[]).await.expect(200);
        client.post(&path("/citizen-reply"), json!({}), &[]).await.expect(200);
        let last = client.post(&path("/resolution"), json!({ "text": "Abattu" }), &[]).await.expect(200).json();
        let closed = client.post(&path("/notes"), json!({ "text": "" }), &[]).await;
        assert_eq!(closed.status, 422, "{}", closed.text);

        let done = last["after"].as_str().expect("a token");
        let timeline = client.get(&path("/timeline")).await.expect(200).json();
        let kinds: Vec<&str> = timeline["items"].as_array().expect("items").iter().filter_map(|item| item["kind"].as_str()).collect();
        assert!(kinds.starts_with(&["request.submitted", "promise.made"]), "{kinds:?}");
        assert!(kinds.contains(&"promise.kept"), "resolved within twenty business days: {kinds:?}");

        let promises = client.get(&format!("/api/v1/statistics/promises?after={done}")).await.expect(200).json();
        assert_eq!(promises["items"][0]["kept"], 1, "{promises}");
        let queue = client.get(&format!("/api/v1/queue?after={done}")).await.expect(200).json();
        assert_eq!(queue["items"], json!([]));

        let person = client.post("/api/v1/persons/search", json!({ "email": "ADA@example.org " }), &[]).await.expect(200).json();
        let person = person["items"][0]["id"].as_str().expect("the person is found").to_owned();
        let history = client.get(&format!("/api/v1/persons/{person}/history")).await.expect(200).json();
        assert_eq!(history["items"].as_array().map(Vec::len), Some(1), "{history}");
    }
}
