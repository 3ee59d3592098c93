//! An agent works a request to its end, and reads every read model.

use application::Role;
use serde_json::{Value, json};
use testkit::on_both_databases;

use crate::harness::{House, submission};

async fn read(house: &House, path: &str) -> Value {
    house.call("GET", path, None, &[]).await.is(200).json()
}

async fn work(house: &House, id: &str, verb: &str, body: Value) -> Value {
    house.call("POST", &format!("/requests/{id}/{verb}"), Some(body), &[]).await.is(200).json()
}

on_both_databases! {
    async fn a_request_is_worked_to_its_end(fresh: Fresh) {
        let house = House::open(&fresh).await;
        let id = house.submitted().await;
        for (verb, body, status) in [
            ("triage", json!({ "priority": "high" }), "triaged"),
            ("assignment", json!({ "unit": "water" }), "assigned"),
            ("transfer", json!({ "to": "roads" }), "assigned"),
            ("start", json!({}), "in_progress"),
            ("waiting", json!({ "question": "Depuis quand?" }), "waiting"),
            ("citizen-reply", json!({}), "in_progress"),
            ("notes", json!({ "text": "Conduite de 1950" }), "in_progress"),
            ("interim-answers", json!({ "anticipated_on": "2026-12-04", "text": "Nous creusons" }), "in_progress"),
            ("category", json!({ "product": "graffiti" }), "in_progress"),
            ("category", json!({ "product": "drinking_water", "precision": "taste_odour" }), "in_progress"),
            ("answer", json!({ "text": "C’est réparé" }), "answered"),
            ("released-text", json!({ "text": "Goût de chlore" }), "answered"),
            ("resolution", json!({ "text": "Conduite rincée" }), "resolved"),
            ("reopening", json!({}), "received"),
            ("programme", json!({ "programme": "pipes" }), "planned"),
            ("cancellation", json!({}), "cancelled"),
        ] {
            work(&house, &id, verb, body).await;
            assert_eq!(read(&house, &format!("/requests/{id}")).await["status"], status, "{verb}");
        }
        let timeline = read(&house, &format!("/requests/{id}/timeline")).await;
        let kinds: Vec<_> =
            timeline["items"].as_array().expect("entries").iter().map(|entry| entry["kind"].clone()).collect();
        assert_eq!(kinds.first(), Some(&json!("request.submitted")));
        assert!(kinds.contains(&json!("request.transferred")), "{kinds:?}");
        assert!(!timeline.to_string().contains("Conduite"), "texts stay sealed");
    }

    async fn what_is_sealed_is_opened_for_one_answer_and_recorded(fresh: Fresh) {
        let house = House::open(&fresh).await;
        let id = house.submitted().await;
        work(&house, &id, "notes", json!({ "text": "Rappeler le soir" })).await;
        let shown = read(&house, &format!("/requests/{id}")).await;
        assert_eq!(shown["sealed"], json!(["description", "answers"]));
        assert!(!shown.to_string().contains("chlore"));

        let head = house.head().await;
        let opened = read(&house, &format!("/requests/{id}/personal?purpose=call_back")).await;
        assert_eq!(opened["description"], "Goût de chlore");
        assert_eq!(opened["requester"]["email"], json!(["ada@example.org"]));
        assert_eq!(opened["texts"][1]["text"], "Rappeler le soir");
        assert_eq!(opened["answers"]["problem"], json!(["taste_odour"]));
        assert_eq!(house.head().await, head + 1, "that it was opened is in the log");

        let body = json!({ "channel": "phone", "product": "garden", "place": { "lat": 46.8, "long": -71.2, "address": "7, rue X" } });
        let id = house.call("POST", "/requests", Some(body), &[]).await.is(201).json()["id"]
            .as_str()
            .expect("an id")
            .to_owned();
        assert!(read(&house, &format!("/requests/{id}")).await["place"].is_null(), "a private place is sealed");
        assert_eq!(read(&house, &format!("/requests/{id}/personal")).await["place"]["address"], "7, rue X");
    }

    async fn what_nobody_asked_is_kept_sealed_with_its_name(fresh: Fresh) {
        let house = House::open(&fresh).await;
        let mut body = submission();
        body["answers"]["Nom de ma voisine"] = json!("Ada");
        let id = house.call("POST", "/requests", Some(body), &[]).await.is(201).json()["id"].clone();
        let id = id.as_str().expect("an id");
        for path in [format!("/requests/{id}"), format!("/requests/{id}/timeline")] {
            assert!(!read(&house, &path).await.to_string().contains("voisine"), "{path}");
        }
        let opened = read(&house, &format!("/requests/{id}/personal")).await;
        assert_eq!(opened["answers"]["Nom de ma voisine"], "Ada");
        assert_eq!(opened["answers"]["problem"], json!(["taste_odour"]));
    }

    async fn what_would_stay_in_clear_or_never_read_back_is_refused(fresh: Fresh) {
        let house = House::open(&fresh).await;
        let id = house.submitted().await;
        let announced = |day: &str| json!({ "anticipated_on": day, "text": "Bientôt" });
        for (verb, body, pointer, code) in [
            ("assignment", json!({ "unit": "water", "agent": "jean_tremblay" }), "/agent", "request.not_an_agent"),
            ("interim-answers", announced("2026-11-19"), "/anticipated_on", "request.anticipated_in_the_past"),
            ("interim-answers", announced("2036-11-21"), "/anticipated_on", "request.anticipated_too_far"),
            ("interim-answers", announced("9999-12-31"), "/anticipated_on", "field.bad_date"),
            ("interim-answers", announced("+262142-12-31"), "/anticipated_on", "field.bad_date"),
        ] {
            let answer = house.call("POST", &format!("/requests/{id}/{verb}"), Some(body), &[]).await.is(422).json();
            assert_eq!((&answer["errors"][0]["pointer"], &answer["errors"][0]["code"]), (&json!(pointer), &json!(code)));
            assert_ne!(answer["errors"][0]["detail"], code, "words, not a code");
        }
        let mut body = submission();
        body["answers"]["since"] = json!("9999-12-31T23:59:59-05:00");
        let answer = house.call("POST", "/requests", Some(body), &[]).await.is(422).json();
        assert_eq!(answer["errors"][0]["pointer"], "/answers/since");
        work(&house, &id, "assignment", json!({ "unit": "water", "agent": "usr_4f2a" })).await;
        work(&house, &id, "interim-answers", announced("2036-11-20")).await;
        house.catch_up().await;
        house.call("GET", "/statistics/volume?from=-99999-1-1", None, &[]).await.is(422);
    }

    async fn a_stale_version_is_refused_with_the_one_that_stands(fresh: Fresh) {
        let house = House::open(&fresh).await;
        let id = house.submitted().await;
        let path = format!("/requests/{id}/start");
        let etag = house.call("GET", &format!("/requests/{id}"), None, &[]).await.header("etag").to_owned();
        work(&house, &id, "triage", json!({ "priority": "low" })).await;
        let stale = house.call("POST", &path, None, &[("if-match", &etag)]).await.is(412);
        assert_eq!(stale.json()["code"], "request.stale");
        let current = stale.header("etag").to_owned();
        house.call("POST", &path, None, &[("if-match", &current)]).await.is(200);
        house.call("POST", &path, None, &[("if-match", "\"of-nothing\"")]).await.is(400);
    }

    async fn an_operation_is_done_once(fresh: Fresh) {
        let house = House::open(&fresh).await;
        let key = [("idempotency-key", "call-4711")];
        let first = house.call("POST", "/requests", Some(submission()), &key).await.is(201).json();
        let again = house.call("POST", "/requests", Some(submission()), &key).await.is(201).json();
        assert_eq!((&again["id"], &again["replayed"]), (&first["id"], &json!(true)));
        let other = json!({ "channel": "phone", "product": "graffiti" });
        let reused = house.call("POST", "/requests", Some(other), &key).await.is(422);
        assert_eq!(reused.json()["code"], "operation.reused");

        let id = first["id"].as_str().expect("an id");
        let note = json!({ "text": "vu" });
        for _ in 0..2 {
            house
                .call("POST", &format!("/requests/{id}/notes"), Some(note.clone()), &[("idempotency-key", "n1")])
                .await
                .is(200);
        }
        let timeline = read(&house, &format!("/requests/{id}/timeline")).await.to_string();
        assert_eq!(timeline.matches("request.noted").count(), 1);
    }

    async fn a_refusal_has_a_stable_code_and_words(fresh: Fresh) {
        let house = House::open(&fresh).await;
        let id = house.submitted().await;
        work(&house, &id, "cancellation", json!({})).await;
        let refused =
            house.call("POST", &format!("/requests/{id}/start"), None, &[("accept-language", "en")]).await.is(409);
        let refused = refused.json();
        assert_eq!(
            (&refused["code"], &refused["type"]),
            (&json!("request.closed"), &json!("urn:guichet:problem:request.closed"))
        );
        assert_ne!(refused["title"], "request.closed", "words, not a code");
        let emergency = json!({ "channel": "phone", "product": "drinking_water", "answers": { "problem": "ill" } });
        let answer = house.call("POST", "/requests", Some(emergency), &[]).await.is(409).json();
        assert_eq!((&answer["code"], &answer["detail"]), (&json!("request.emergency"), &json!("Composez le 9-1-1.")));
    }

    async fn a_duplicate_is_linked_by_number_and_unlinked(fresh: Fresh) {
        let house = House::open(&fresh).await;
        let (one, other) = (house.submitted().await, house.submitted().await);
        let number = read(&house, &format!("/requests/{one}")).await["number"].clone();
        work(&house, &other, "duplicate-of", json!({ "of": number })).await;
        assert_eq!(read(&house, &format!("/requests/{other}")).await["duplicate_of"], one.as_str());
        house.call("DELETE", &format!("/requests/{other}/duplicate-of"), None, &[]).await.is(200);
        assert_eq!(read(&house, &format!("/requests/{other}")).await["status"], "received");
        let nothing =
            house.call("POST", &format!("/requests/{other}/duplicate-of"), Some(json!({ "of": "NONE" })), &[]).await;
        assert_eq!(nothing.is(422).json()["errors"][0]["pointer"], "/of");
    }

    async fn persons_are_found_merged_and_taken_apart(fresh: Fresh) {
        let house = House::open(&fresh).await;
        let first = house.submitted().await;
        let mut body = submission();
        body["requester"] = json!({ "first_name": "Ada", "phone": "418 555-0101" });
        let second = house.call("POST", "/requests", Some(body), &[]).await.is(201).json();
        let found = house
            .call("POST", "/persons/search", Some(json!({ "email": "ADA@example.org" })), &[])
            .await
            .is(200)
            .json();
        assert_eq!(found["items"][0]["first_name"], json!(["Ada"]));
        let ada = found["items"][0]["id"].as_str().expect("an id").to_owned();
        let other =
            read(&house, &format!("/requests/{}", second["id"].as_str().expect("an id"))).await["requester"].clone();
        let other = other.as_str().expect("a person");

        let history = async |after: Value| {
            let path = format!("/persons/{ada}/history?after={}", after.as_str().expect("a token"));
            read(&house, &path).await["items"].as_array().expect("items").len()
        };
        assert_eq!(history(second["after"].clone()).await, 1);
        let merged = house
            .call("POST", &format!("/persons/{other}/merge"), Some(json!({ "into": ada })), &[])
            .await
            .is(200)
            .json();
        assert_eq!(history(merged["after"].clone()).await, 2);
        let apart = house.call("DELETE", &format!("/persons/{other}/merge"), None, &[]).await.is(200).json();
        assert_eq!(history(apart["after"].clone()).await, 1);
        house.call("GET", "/persons/per_00000000000040008000000000000000/history", None, &[]).await.is(404);
        house.call("POST", "/persons/search", Some(json!({})), &[]).await.is(422);
        assert!(first.starts_with("req_"));
    }

    async fn the_queue_pages_and_tells_what_is_due(fresh: Fresh) {
        let house = House::open(&fresh).await;
        for _ in 0..3 {
            house.submitted().await;
        }
        house.catch_up().await;
        let first = read(&house, "/queue?limit=2").await;
        assert_eq!(first["items"].as_array().map(Vec::len), Some(2));
        assert_eq!(first["items"][0]["due_on"], "2026-11-27");
        let next = first["next"].as_str().expect("a cursor");
        let second = read(&house, &format!("/queue?limit=2&cursor={next}")).await;
        assert_eq!((second["items"].as_array().map(Vec::len), &second["next"]), (Some(1), &Value::Null));
        assert_eq!(read(&house, "/queue?window=overdue").await["items"], json!([]));
        house.pass(24 * 30);
        assert_eq!(read(&house, "/queue?window=overdue").await["items"][0]["overdue"], true);
        house.call("GET", &format!("/requests?cursor={next}"), None, &[]).await.is(400);
    }

    async fn a_list_waits_for_ones_own_write(fresh: Fresh) {
        let house = House::open(&fresh).await;
        let after = house.call("POST", "/requests", Some(submission()), &[]).await.is(201).json()["after"].clone();
        let path = format!("/requests?after={}", after.as_str().expect("a token"));
        assert_eq!(read(&house, &path).await["items"].as_array().map(Vec::len), Some(1));
        house.call("GET", "/requests?after=elsewhere", None, &[]).await.is(400);
    }

    async fn figures_come_as_json_and_as_csv(fresh: Fresh) {
        let house = House::open(&fresh).await;
        let id = house.submitted().await;
        house.pass(2);
        work(&house, &id, "resolution", json!({})).await;
        house.catch_up().await;
        let volume = read(&house, "/statistics/volume?period=month&by=channel").await;
        assert_eq!(volume["items"], json!([{ "period": "2026-11", "value": "phone", "opened": 1, "closed": 1 }]));
        let csv = house.call("GET", "/statistics/volume.csv?period=month&by=channel", None, &[]).await.is(200);
        assert_eq!(csv.text, "period,value,opened,closed\r\n2026-11,phone,1,1\r\n");
        let accepted = house.call("GET", "/statistics/promises", None, &[("accept", "text/csv")]).await.is(200).text;
        assert_eq!(accepted, "period,value,owed,kept,missed,released,kept_percent\r\n,water_5d,0,1,0,0,100.0\r\n");
        let delays = read(&house, "/statistics/delays").await;
        assert_eq!(
            delays["items"][1],
            json!({ "to": "closing", "count": 1, "median_seconds": 7200, "p90_seconds": 7200 })
        );
        assert_eq!(read(&house, "/statistics/backlog?until=2026-12-01").await["items"][0]["open"], 0);
        house.call("GET", "/statistics/volume?period=week", None, &[]).await.is(422);
        let header = "day,channel,product,precision,area,standard,opened,closed,owed,kept,missed,released\r\n";
        let cells = async |query: &str| {
            let csv = house.call("GET", &format!("/statistics/cells.csv?{query}"), None, &[]).await.is(200).text;
            csv.strip_prefix(header).expect("the header").to_owned()
        };
        let opened = "2026-11-20,phone,drinking_water,taste_odour,,,1,1,0,0,0,0\r\n";
        assert_eq!(cells("until=2026-11-21").await, opened);
        let promised = cells("standard=water_5d").await;
        assert!(promised.ends_with(",phone,drinking_water,taste_odour,,water_5d,0,0,0,1,0,0\r\n"), "{promised}");
        assert_eq!(cells("limit=1&page=1").await + &cells("limit=1&page=2").await, cells("").await);
        assert_eq!(cells("page=2").await, "");
        house.call("GET", "/statistics/cells?limit=10001", None, &[]).await.is(422);
    }

    async fn the_planning_base_the_declarations_and_oneself(fresh: Fresh) {
        let house = House::open(&fresh).await;
        let id = house.submitted().await;
        let after = work(&house, &id, "programme", json!({ "programme": "pipes" })).await["after"].clone();
        let path = format!("/planning-base?programme=pipes&after={}", after.as_str().expect("a token"));
        assert_eq!(read(&house, &path).await["items"][0]["request"], id.as_str());
        let declarations = read(&house, "/declarations").await;
        assert_eq!(declarations["items"][0]["standards"][0]["code"], "water_5d");
        let me = house.call_as(Role::Analyst, "GET", "/me", None, &[]).await.is(200).json();
        assert_eq!((&me["role"], &me["organisation"]["slug"]), (&json!("analyst"), &json!("quebec")));
    }
}
