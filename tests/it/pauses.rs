//! Promises that pause, extend, are released and made again, over HTTP: what no shipped declaration does, with one that does.

use chrono::{DateTime, Days, FixedOffset, TimeDelta};
use serde_json::{Value, json};
use testkit::on_both_databases;

use crate::harness::{self, Client, Site};

/// `tests/declarations/pauses.toml`: of a leak are owed `reponse`, which pauses and extends, and `reparation`, which
/// pauses; of a tree `abattage`, which does neither.
const DECLARATIONS: [&str; 2] = ["--declarations", "tests/declarations"];

on_both_databases! {
    async fn promises_are_paused_extended_released_and_made_again(fresh: Fresh) {
        let site = Site::new(&fresh);
        site.done(&[&["migrate"], &DECLARATIONS[..]].concat());
        let agent = site.key("essai", "agent");
        let server = site.serve(&DECLARATIONS);
        let desk = Desk(Client::new(&server, &agent));

        waiting_gives_time_back_and_an_announced_date_extends(&desk).await;
        another_category_is_owed_something_else_from_the_same_trigger(&desk).await;
        a_duplicate_is_owed_nothing_and_an_unlinked_one_what_it_was(&desk).await;
        a_planned_request_leaves_the_queue_for_the_planning_base(&desk).await;

        harness::current(&fresh, "essai").await;
        server.kill();
        site.done(&["verify"]);
        site.done(&["check"]);
    }
}

async fn waiting_gives_time_back_and_an_announced_date_extends(desk: &Desk) {
    let mut leak = desk.submit("fuite").await;
    let (answer, repair) = (leak.owed("reponse").await, leak.owed("reparation").await);
    assert_eq!(instant(&answer["due_at"]) - instant(&answer["trigger_at"]), TimeDelta::hours(48));
    assert_eq!(leak.queue("soon&within_hours=49").await, ["reponse"]);
    assert!(leak.queue("paused").await.is_empty());

    leak.act("waiting", json!({ "question": "À quel étage?" })).await;
    assert_eq!(leak.queue("paused").await, ["reponse", "reparation"]);
    assert!(leak.queue("soon&within_hours=49").await.is_empty(), "nobody hurries while the citizen is awaited");
    assert_eq!(leak.owed("reponse").await["due_at"], answer["due_at"], "while it is paused its date stands");

    leak.act("citizen-reply", json!({})).await;
    assert!(leak.queue("paused").await.is_empty());
    let (paused, resumed) =
        (leak.told("promise.paused", "reponse").await, leak.told("promise.resumed", "reponse").await);
    let resumed_answer = leak.owed("reponse").await;
    assert_eq!(
        instant(&resumed_answer["due_at"]) - instant(&answer["due_at"]),
        instant(&resumed["at"]) - instant(&paused["at"]),
        "hours get back what the pause took, to the microsecond"
    );
    assert!(instant(&resumed_answer["due_at"]) > instant(&answer["due_at"]));
    let resumed_repair = leak.owed("reparation").await;
    assert!(instant(&resumed_repair["due_at"]) >= instant(&repair["due_at"]), "a pause never shortens");
    if instant(&resumed["at"]).date_naive() == instant(&paused["at"]).date_naive() {
        assert_eq!(resumed_repair["due_at"], repair["due_at"], "a pause within a day takes no day");
    }

    let announced = instant(&answer["trigger_at"]).date_naive() + Days::new(10);
    leak.act("interim-answers", json!({ "anticipated_on": announced, "text": "Un plombier passera." })).await;
    let extended = leak.owed("reponse").await;
    assert_eq!((&extended["extended"], &extended["due_on"]), (&json!(true), &json!(announced)));
    assert_eq!(instant(&extended["due_at"]).date_naive(), announced + Days::new(1), "until the end of that day");
    let repair = leak.owed("reparation").await;
    assert_eq!(
        (&repair["extended"], &repair["due_at"]),
        (&json!(false), &resumed_repair["due_at"]),
        "it does not extend"
    );

    leak.act("answer", json!({ "text": "La conduite est fermée." })).await;
    assert_eq!(leak.queue("open").await, ["reparation"]);
    leak.act("resolution", json!({})).await;
    assert!(leak.queue("open").await.is_empty());
    let [kept, _] = leak.promises().await.try_into().expect("two promises");
    assert_eq!(kept["standard"], "reponse");
    assert_eq!((&kept["state"], &kept["paused"], &kept["extended"]), (&json!("kept"), &json!(true), &json!(true)));
    assert_eq!(kept["first_due_at"], answer["due_at"], "both dates are told");
    assert_eq!(kept["due_at"], extended["due_at"]);
    assert_eq!(leak.states().await, [("reponse", 0, "kept"), ("reparation", 0, "kept")].map(stated));
}

async fn another_category_is_owed_something_else_from_the_same_trigger(desk: &Desk) {
    let mut leak = desk.submit("fuite").await;
    let first = leak.owed("reponse").await;
    leak.act("waiting", json!({})).await;
    leak.act("category", json!({ "product": "arbre" })).await;
    assert_eq!(leak.queue("open").await, ["abattage"]);
    let felling = leak.owed("abattage").await;
    assert_eq!(felling["trigger_at"], first["trigger_at"]);
    assert_eq!((&felling["product"], &felling["paused"]), (&json!("arbre"), &json!(false)));
    let expected = [("reponse", 0, "released"), ("reparation", 0, "released"), ("abattage", 0, "owed")].map(stated);
    assert_eq!(leak.states().await, expected);
    assert_eq!(leak.promise("reponse").await["released_for"], "recategorised");
    let kinds = leak.kinds("reponse").await;
    assert_eq!(
        kinds,
        ["promise.made", "promise.paused", "promise.resumed", "promise.released"],
        "what is paused resumes before it is released"
    );

    leak.act("category", json!({ "product": "fuite" })).await;
    let again = leak.owed("reponse").await;
    assert_eq!((&again["ordinal"], &again["trigger_at"]), (&json!(1), &first["trigger_at"]));
    assert_eq!(again["due_at"], first["due_at"], "remade from the same trigger, it is owed for the same instant");
}

async fn a_duplicate_is_owed_nothing_and_an_unlinked_one_what_it_was(desk: &Desk) {
    let (mut original, mut twin) = (desk.submit("fuite").await, desk.submit("fuite").await);
    // The date that comes back is the one that was moved, not the one that was made first.
    twin.act("waiting", json!({})).await;
    twin.act("citizen-reply", json!({})).await;
    let (answer, repair) = (twin.owed("reponse").await, twin.owed("reparation").await);
    assert!(instant(&answer["due_at"]) - instant(&answer["trigger_at"]) > TimeDelta::hours(48));

    twin.act("duplicate-of", json!({ "of": original.id })).await;
    assert!(twin.queue("open").await.is_empty());
    original.after.clone_from(&twin.after);
    assert_eq!(original.queue("open").await, ["reponse", "reparation"], "the other one is owed what it was");
    assert_eq!(twin.promise("reponse").await["released_for"], "duplicate");

    twin.unlink().await;
    for (standard, before) in [("reponse", &answer), ("reparation", &repair)] {
        let after = twin.owed(standard).await;
        assert_eq!(after["ordinal"], 1, "{standard}");
        for same in ["due_at", "due_on", "trigger_at", "milestone", "basis"] {
            assert_eq!(after[same], before[same], "{same} of {standard}");
        }
    }
}

async fn a_planned_request_leaves_the_queue_for_the_planning_base(desk: &Desk) {
    let mut leak = desk.submit("fuite").await;
    assert!(leak.planned().await.is_empty());
    leak.act("programme", json!({ "programme": "conduites_2027" })).await;
    assert!(leak.queue("open").await.is_empty());
    assert_eq!(leak.planned().await, ["conduites_2027"]);
    assert_eq!(leak.states().await, [("reponse", 0, "released"), ("reparation", 0, "released")].map(stated));
    assert_eq!(leak.promise("reparation").await["released_for"], "planned");

    leak.act("reopening", json!({})).await;
    assert!(leak.planned().await.is_empty());
    assert_eq!(leak.queue("open").await, ["reponse", "reparation"]);
    let (first, again) = (leak.promise("reponse").await, leak.owed("reponse").await);
    assert!(instant(&again["trigger_at"]) > instant(&first["trigger_at"]), "it is owed anew, from the reopening");
}

/// An agent's tool.
struct Desk(Client);

/// One request, and the token of what was last done to it.
struct Matter<'a> {
    client: &'a Client,
    id: String,
    after: String,
}

impl Desk {
    async fn submit(&self, product: &str) -> Matter<'_> {
        let body = json!({ "channel": "web", "product": product });
        let created = self.0.post("/api/v1/requests", body, &[]).await.expect(201).json();
        let id = created["id"].as_str().expect("an id").to_owned();
        Matter { client: &self.0, id, after: token(&created) }
    }
}

impl Matter<'_> {
    fn path(&self, rest: &str) -> String {
        format!("/api/v1/requests/{}{rest}", self.id)
    }

    async fn act(&mut self, verb: &str, body: Value) {
        self.after = token(&self.client.post(&self.path(&format!("/{verb}")), body, &[]).await.expect(200).json());
    }

    async fn unlink(&mut self) {
        self.after = token(&self.client.delete(&self.path("/duplicate-of")).await.expect(200).json());
    }

    /// Its items of a list that shows what was last done to it.
    async fn list(&self, path: &str) -> Vec<Value> {
        let joint = if path.contains('?') { '&' } else { '?' };
        let path = format!("/api/v1{path}{joint}limit=500&after={}", self.after);
        let list = self.client.get(&path).await.expect(200).json();
        let items = list["items"].as_array().expect("items").iter();
        items.filter(|item| item["request"] == self.id.as_str()).cloned().collect()
    }

    /// The standards owed to it in one window of the queue, earliest due first.
    async fn queue(&self, window: &str) -> Vec<String> {
        named(&self.list(&format!("/queue?window={window}")).await, "standard")
    }

    /// Its promise of a standard, as the queue shows it.
    async fn owed(&self, standard: &str) -> Value {
        let found = self.list(&format!("/queue?standard={standard}")).await;
        let [owed] = found.try_into().unwrap_or_else(|found| panic!("{standard} is owed once: {found:?}"));
        owed
    }

    async fn planned(&self) -> Vec<String> {
        named(&self.list("/planning-base").await, "programme")
    }

    /// Its promises in the order of their making.
    async fn promises(&self) -> Vec<Value> {
        let request = self.client.get(&self.path("")).await.expect(200).json();
        let mut promises = request["promises"].as_array().expect("promises").clone();
        let made = named(&self.entries("promise.made").await, "about");
        promises.sort_by_key(|promise| {
            let standard = promise["standard"].as_str().expect("a code");
            (promise["ordinal"].as_i64(), made.iter().position(|made| made == standard))
        });
        promises
    }

    /// The first of its promises of a standard.
    async fn promise(&self, standard: &str) -> Value {
        let promises = self.promises().await;
        promises.into_iter().find(|promise| promise["standard"] == standard).expect("it was promised")
    }

    async fn states(&self) -> Vec<(String, i64, String)> {
        let promises = self.promises().await;
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let state = |it: &Value| (text(&it["standard"]), it["ordinal"].as_i64().expect("a number"), text(&it["state"]));
        promises.iter().map(state).collect()
    }

    async fn timeline(&self) -> Vec<Value> {
        let timeline = self.client.get(&self.path("/timeline")).await.expect(200).json();
        timeline["items"].as_array().expect("items").clone()
    }

    async fn entries(&self, kind: &str) -> Vec<Value> {
        self.timeline().await.into_iter().filter(|entry| entry["kind"] == kind).collect()
    }

    /// The one entry of that kind about a standard.
    async fn told(&self, kind: &str, standard: &str) -> Value {
        let told: Vec<Value> =
            self.entries(kind).await.into_iter().filter(|entry| entry["about"] == standard).collect();
        let [entry] = told.try_into().unwrap_or_else(|told| panic!("{kind} stands once: {told:?}"));
        entry
    }

    /// What happened to the promises of a standard.
    async fn kinds(&self, standard: &str) -> Vec<String> {
        let about = self.timeline().await.into_iter().filter(|entry| entry["about"] == standard);
        named(&about.collect::<Vec<_>>(), "kind")
    }
}

fn token(answer: &Value) -> String {
    answer["after"].as_str().expect("a token").to_owned()
}

fn named(items: &[Value], field: &str) -> Vec<String> {
    items.iter().map(|item| item[field].as_str().expect("a text").to_owned()).collect()
}

fn stated((standard, ordinal, state): (&str, i64, &str)) -> (String, i64, String) {
    (standard.to_owned(), ordinal, state.to_owned())
}

fn instant(value: &Value) -> DateTime<FixedOffset> {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{value} is no instant"))
}
