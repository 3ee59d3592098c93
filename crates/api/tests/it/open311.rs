//! What a generic Open311 client sees.

use application::Role;
use axum::{body::Body, http::Request};
use testkit::on_both_databases;

use crate::harness::{Answer, FORM, House};

const Q: &str = "jurisdiction_id=ville.quebec.qc.ca";

async fn posted(house: &House, form: &str) -> String {
    let answer = house.post_form("/open311/v2/requests.json", form, &[]).await.is(200).json();
    answer[0]["service_request_id"].as_str().expect("a real id, a text").to_owned()
}

async fn shown(house: &House, id: &str) -> serde_json::Value {
    house.get(&format!("/open311/v2/requests/{id}.json?{Q}&extensions=true")).await.is(200).json()[0].clone()
}

#[track_caller]
fn described(answer: &Answer) -> Vec<String> {
    let errors = answer.json();
    let errors = errors.as_array().expect("a list of errors");
    errors.iter().map(|error| error["description"].as_str().expect("words").to_owned()).collect()
}

on_both_databases! {
    async fn a_client_lists_services_posts_and_follows_its_request(fresh: Fresh) {
        let house = House::open(&fresh).await;
        let services = house.get(&format!("/open311/v2/services.json?{Q}")).await.is(200).json();
        assert_eq!(services[0]["service_code"], "drinking_water");
        assert_eq!(services[0]["metadata"], true);
        let definition = house.get(&format!("/open311/v2/services/drinking_water.json?{Q}")).await.is(200).json();
        assert_eq!(definition["attributes"][1]["required"], false, "a conditional question");

        let id = posted(&house, FORM).await;
        let shown = shown(&house, &id).await;
        assert_eq!(shown["service_request_id"], id.as_str());
        assert_eq!(shown["status"], "open");
        assert_eq!(shown["extended_attributes"]["status"], "received");
        assert_eq!(shown["requested_datetime"], "2026-11-20T10:00:00-05:00");
        assert_eq!(shown["expected_datetime"], "2026-11-27T23:59:59-05:00");
        assert_eq!((&shown["lat"], &shown["long"]), (&46.813_878.into(), &(-71.207_981).into()));
        assert!(shown["description"].is_null(), "until an agent releases a text");
        assert!(shown["media_url"].is_null());

        let list =
            house.get(&format!("/open311/v2/requests.json?{Q}&service_request_id={id},NONE")).await.is(200).json();
        assert_eq!(list.as_array().map(Vec::len), Some(1), "by id, at once");
        let token = house.get(&format!("/open311/v2/tokens/{id}.json?{Q}")).await.is(200).json();
        assert_eq!(token[0]["service_request_id"], id.as_str());
    }

    async fn what_an_agent_does_shows_at_once(fresh: Fresh) {
        let house = House::open(&fresh).await;
        let id = posted(&house, FORM).await;
        house
            .call(
                "POST",
                &format!("/requests/{id}/released-text"),
                Some(serde_json::json!({ "text": "Goût de chlore" })),
                &[],
            )
            .await
            .is(200);
        let refusal = serde_json::json!({ "reason": "private_land" });
        house.call("POST", &format!("/requests/{id}/refusal"), Some(refusal), &[]).await.is(200);
        let shown = shown(&house, &id).await;
        assert_eq!(shown["description"], "Goût de chlore");
        assert_eq!((&shown["status"], &shown["status_notes"]), (&"closed".into(), &"Terrain privé".into()));
        assert_eq!(shown["extended_attributes"]["status"], "refused");
    }

    async fn xml_is_declared_typed_and_open_to_any_page(fresh: Fresh) {
        let house = House::open(&fresh).await;
        let id = posted(&house, FORM).await;
        let answer = house.get(&format!("/open311/v2/requests/{id}.xml?{Q}")).await.is(200);
        assert_eq!(answer.header("content-type"), "text/xml; charset=utf-8");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert!(answer.text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"), "{}", answer.text);
        assert!(answer.text.contains("<service_requests><request><service_request_id>"), "{}", answer.text);
    }

    async fn a_post_repeated_is_one_request(fresh: Fresh) {
        let house = House::open(&fresh).await;
        let key = [("idempotency-key", "k1")];
        let first = house.post_form("/open311/v2/requests.json", FORM, &key).await.is(200).text;
        assert_eq!(house.post_form("/open311/v2/requests.json", FORM, &key).await.is(200).text, first);
        let other = FORM.replace("taste_odour", "taste_odour&address_string=x");
        house.post_form("/open311/v2/requests.json", &other, &key).await.is(400);

        let report = format!("{FORM}&attribute%5Bfixmystreet_id%5D=4711");
        let first = posted(&house, &report).await;
        assert_eq!(posted(&house, &report.replace("chlore", "javel")).await, first, "a portal edits between two tries");
        assert_ne!(posted(&house, FORM).await, posted(&house, FORM).await, "without a key each is its own");
    }

    async fn a_repetition_has_its_answer_after_the_service_is_gone(fresh: Fresh) {
        let house = House::open(&fresh).await;
        let form = "service_code=graffiti&address_string=x";
        let report = format!("{form}&attribute[fixmystreet_id]=4711");
        let key = [("idempotency-key", "k1")];
        let address = "/open311/v2/requests.json";
        let first = house.post_form(address, form, &key).await.is(200).text;
        let reported = house.post_form(address, &report, &[]).await.is(200).text;
        house.pass(24 * 60);
        assert_eq!(house.post_form(address, form, &key).await.is(200).text, first);
        assert_eq!(house.post_form(address, &report, &[]).await.is(200).text, reported);
        let gone = house.post_form(address, form, &[]).await.is(404).json();
        assert_eq!(gone[0]["code"], 404);
    }

    async fn an_emergency_creates_nothing_and_says_so_twice(fresh: Fresh) {
        let house = House::open(&fresh).await;
        let form = "service_code=drinking_water&address_string=x&attribute[problem]=ill";
        let answer = house.post_form("/open311/v2/requests.json", form, &[("accept-language", "en")]).await.is(400);
        assert_eq!(described(&answer), ["Dial 9-1-1.", "Composez le 9-1-1."]);
        assert_eq!(answer.json()[0]["code"], "emergency");
        let xml = house.post_form("/open311/v2/requests.xml", form, &[]).await.is(400).text;
        assert!(xml.contains("<code>emergency</code><description>Composez le 9-1-1.</description>"), "{xml}");
    }

    async fn every_fault_is_named_in_the_asked_format(fresh: Fresh) {
        let house = House::open(&fresh).await;
        let answer = house.post_form("/open311/v2/requests.json", "lat=1", &[]).await.is(400);
        assert_eq!(described(&answer).len(), 2, "{}", answer.text);
        let form = "service_code=drinking_water&address_string=x&attribute[problem]=sour";
        let answer = house.post_form("/open311/v2/requests.json", form, &[("accept-language", "en")]).await.is(400);
        assert!(described(&answer)[0].starts_with("attribute[problem]: "), "{}", answer.text);
        let xml = house.post_form("/open311/v2/requests.xml", "", &[]).await.is(400);
        assert!(xml.text.contains("<errors><error><code>400</code>"), "{}", xml.text);
        let answer = house.post_form("/open311/v2/requests.json", "service_code=volcano&address_string=x", &[]).await;
        assert_eq!(answer.is(404).json()[0]["code"], 404);
    }

    async fn a_jurisdiction_chooses_the_organisation(fresh: Fresh) {
        let house = House::open(&fresh).await;
        house.get("/open311/v2/services.json").await.is(400);
        house.get("/open311/v2/services.json?jurisdiction_id=nowhere.example").await.is(404);
        house.get("/open311/v2/discovery.json").await.is(200);
        let id = posted(&house, FORM).await;
        house.get(&format!("/open311/v2/requests/{id}.json?jurisdiction_id=ville.levis.qc.ca")).await.is(404);
        let key = house.key("quebec", Role::Portal);
        house.get(&format!("/open311/v2/services.json?api_key={key}")).await.is(200);
        house.get(&format!("/open311/v2/services.json?api_key={key}&jurisdiction_id=ville.levis.qc.ca")).await.is(403);
    }

    async fn a_key_comes_in_the_form_the_query_or_a_header_and_must_be_known(fresh: Fresh) {
        let house = House::open(&fresh).await;
        let key = house.key("quebec", Role::Portal);
        let post = |address: String, form: String| {
            let request = Request::post(address).header("content-type", "application/x-www-form-urlencoded");
            house.send(request.body(Body::from(form)).expect("a request"))
        };
        let address = "/open311/v2/requests.json";
        post(address.into(), format!("{FORM}&api_key={key}")).await.is(200);
        post(format!("{address}?api_key={key}&{Q}"), FORM.into()).await.is(200);
        post(address.into(), FORM.into()).await.is(403);
        post(address.into(), format!("{FORM}&api_key=gk_no_such")).await.is(403);
        let analyst = house.key("quebec", Role::Analyst);
        post(address.into(), format!("{FORM}&api_key={analyst}")).await.is(403);
    }

    async fn what_is_not_there_is_404_in_the_asked_format(fresh: Fresh) {
        let house = House::open(&fresh).await;
        let xml = house.get(&format!("/open311/v2/services.html?{Q}")).await.is(404).text;
        assert!(xml.contains("<errors><error><code>404</code>"), "{xml}");
        for path in ["requests/Q0M3VX7K1ZP.json", "services/volcano.json", "tokens/none.json", "nothing.json"] {
            assert_eq!(house.get(&format!("/open311/v2/{path}?{Q}")).await.is(404).json()[0]["code"], 404, "{path}");
        }
        house.get("/open311/v2/").await.is(404);
    }

    async fn filters_and_pages(fresh: Fresh) {
        let house = House::open(&fresh).await;
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.push(posted(&house, FORM).await);
            house.pass(1);
        }
        house.catch_up().await;
        let list = async |query: &str| -> Vec<String> {
            let list = house.get(&format!("/open311/v2/requests.json?{Q}&{query}")).await.is(200).json();
            let list = list.as_array().expect("a list").clone();
            list.iter().map(|row| row["service_request_id"].as_str().expect("a text").to_owned()).collect()
        };
        ids.reverse();
        assert_eq!(list("").await, ids, "newest first");
        assert_eq!(list("page=1&page_size=2").await, ids[..2]);
        assert_eq!(list("page=2&page_size=2").await, ids[2..]);
        assert!(list("page=9").await.is_empty(), "past the end");
        assert!(list("status=closed").await.is_empty());
        assert_eq!(list("status=open,closed&service_code=drinking_water").await.len(), 3);
        let bounds = "start_date=2026-11-20T10:00:00-05:00&end_date=2026-11-20T12:00:00-05:00";
        assert_eq!(list(bounds).await, ids[1..], "the end is excluded");
        assert_eq!(list("start_date=2026-11-20T15:00:00+00:00").await.len(), 3, "a plus that became a space");
        for (query, named) in [
            ("status=pending", "status"),
            ("start_date=2026-11-20T15:00:00", "start_date"),
            ("start_date=-99999-1-1", "start_date"),
            ("updated_before=9999-12-31T23:59:59Z", "updated_before"),
            ("page=1000000&page_size=1000", "page"),
        ] {
            let answer = house.get(&format!("/open311/v2/requests.json?{Q}&{query}")).await.is(400);
            assert!(described(&answer)[0].starts_with(&format!("{named}: ")), "{query}: {}", answer.text);
        }
        assert!(list("page=101&page_size=1000").await.is_empty());
    }
}
