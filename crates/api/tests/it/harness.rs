//! Two organisations, a key for each role, and a way to ask.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use api::{ApiState, Told, router};
use application::{Application, Clock, Organisation, RandomIds, Role};
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode},
};
use domain::{declaration::Declaration, time::Instant};
use event_store::EventStore;
use http_body_util::BodyExt;
use projections::{ReadModels, Worker};
use serde_json::{Value, json};
use testkit::Fresh;
use tower::ServiceExt;
use vault::{ApiKeys, MasterKey, Vault};

/// A clock that a test moves.
pub(crate) struct TestClock(Mutex<Instant>);

impl Clock for TestClock {
    fn now(&self) -> Instant {
        *self.0.lock().expect("a clock")
    }
}

pub(crate) struct House {
    router: Router,
    keys: HashMap<(String, Role), String>,
    clock: Arc<TestClock>,
    read: BTreeMap<String, ReadModels>,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{} is not JSON: {}", self.status, self.text))
    }

    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a plain header"))
    }
}

impl House {
    pub(crate) async fn open(fresh: &Fresh) -> Self {
        let clock = Arc::new(TestClock(Mutex::new("2026-11-20T15:00:00Z".parse().expect("an instant"))));
        let api_keys = ApiKeys::new(fresh.server().clone());
        let master = MasterKey::generate();
        let (mut organisations, mut read, mut keys) = (Vec::new(), BTreeMap::new(), HashMap::new());
        for (slug, jurisdiction) in [("quebec", "ville.quebec.qc.ca"), ("levis", "ville.levis.qc.ca")] {
            let log = fresh.create_log(slug).await.expect("a log");
            let store = EventStore::open(fresh.log(&log).await.expect("a log"), &log).await.expect("a store");
            let vault = Vault::open(fresh.vault(&log).await.expect("a vault"), &log, &master).await.expect("a vault");
            let models = ReadModels::open(store.clone(), fresh.read(&log).await.expect("a read database")).await;
            let models = models.expect("read models");
            tokio::spawn(Worker::run(models.clone(), std::future::pending()));
            read.insert(slug.to_owned(), models);
            for role in Role::ALL {
                let new = api_keys.create(log.id, role.as_str(), "test", clock.now()).await.expect("a key");
                keys.insert((slug.to_owned(), role), new.reveal().to_owned());
            }
            let declaration = declaration(slug, jurisdiction);
            let later = without_graffiti(declaration.clone());
            let published =
                [declaration, later].map(|it| (it.clone(), format!("declaration {} of {slug}", it.version)));
            let ids = Arc::new(RandomIds);
            organisations.push(
                Organisation::start(store, vault, clock.clone(), ids, published.into()).await.expect("an organisation"),
            );
        }
        let state = ApiState {
            application: Application::new(organisations, api_keys),
            read: Arc::new(read.clone()),
            told: Told { ready: Arc::new(|| Ok("ok".to_owned())), metrics: Arc::new(|| "guichet_test 1\n".to_owned()) },
            public_url: Some("https://311.example.org".to_owned()),
        };
        let house = Self { router: router(state), keys, clock, read };
        house.catch_up().await;
        house
    }

    /// The head of Québec's log.
    pub(crate) async fn head(&self) -> i64 {
        self.read["quebec"].store().head().await.expect("a head").position
    }

    /// Waits until every list shows what was written.
    pub(crate) async fn catch_up(&self) {
        for models in self.read.values() {
            let head = models.store().head().await.expect("a head");
            let current = models.wait_for(head.position, Duration::from_secs(20)).await;
            assert!(current.expect("read models"), "the read models are still behind");
        }
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, hours: i64) {
        *self.clock.0.lock().expect("a clock") += chrono::TimeDelta::hours(hours);
    }

    pub(crate) fn key(&self, slug: &str, role: Role) -> &str {
        &self.keys[&(slug.to_owned(), role)]
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("infallible");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
        Answer { status: parts.status, headers: parts.headers, text }
    }

    /// `GET`, without a key.
    pub(crate) async fn get(&self, address: &str) -> Answer {
        self.send(Request::get(address).body(Body::empty()).expect("a request")).await
    }

    /// An Open311 form, posted with the key of a portal of Québec.
    pub(crate) async fn post_form(&self, address: &str, form: &str, headers: &[(&str, &str)]) -> Answer {
        let request = Request::post(address)
            .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
            .header("x-api-key", self.key("quebec", Role::Portal));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.send(request.body(Body::from(form.to_owned())).expect("a request")).await
    }

    /// A call of an agent of Québec.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>, headers: &[(&str, &str)]) -> Answer {
        self.call_as(Role::Agent, method, path, body, headers).await
    }

    pub(crate) async fn call_as(
        &self,
        role: Role,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let method: Method = method.parse().expect("a method");
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header("authorization", format!("Bearer {}", self.key("quebec", role)))
            .header("content-type", "application/json");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.send(request.body(body).expect("a request")).await
    }

    /// A request taken by an agent; its id.
    pub(crate) async fn submitted(&self) -> String {
        let answer = self.call("POST", "/requests", Some(submission()), &[]).await.is(201).json();
        answer["id"].as_str().expect("an id").to_owned()
    }
}

pub(crate) fn submission() -> Value {
    json!({
        "channel": "phone",
        "product": "drinking_water",
        "answers": { "problem": "taste_odour", "since": "2026-11-19T08:00:00-05:00" },
        "place": { "address": "1, rue des Jardins" },
        "description": "Goût de chlore",
        "requester": { "first_name": "Ada", "email": "ada@example.org" },
    })
}

/// A form that is complete.
pub(crate) const FORM: &str = "service_code=drinking_water&lat=46.8138784&long=-71.2079809&attribute%5Bproblem%5D=taste_odour\
     &attribute%5Bsince%5D=2026-11-19T08%3A00%3A00-05%3A00&description=Go%C3%BBt%20de%20chlore&email=ada%40example.org";

/// What is in force from 2027 on.
fn without_graffiti(mut declaration: Declaration) -> Declaration {
    declaration.version = "2027-1".parse().expect("a code");
    declaration.effective_from = "2027-01-01".parse().expect("a day");
    declaration.products.retain(|product| product.code.as_str() != "graffiti");
    declaration
}

fn declaration(slug: &str, jurisdiction: &str) -> Declaration {
    let label = |fr: &str, en: &str| json!({ "fr": fr, "en": en });
    let hours = json!({ "open": "08:00", "close": "19:00" });
    let declaration = json!({
        "organisation": {
            "slug": slug, "jurisdiction": jurisdiction,
            "name": label("Ville", "City"), "contact": label("311", "311"),
        },
        "version": "2024-1",
        "effective_from": "2024-01-01",
        "source": "Test",
        "calendar": {
            "version": "test-2024-1", "zone": "America/Toronto",
            "hours": [{ "from": "2000-01-01", "monday": hours, "tuesday": hours, "wednesday": hours, "thursday": hours, "friday": hours }],
        },
        "channels": [
            { "code": "app", "label": label("Application", "App"), "open311": true },
            { "code": "phone", "label": label("Téléphone", "Phone") },
        ],
        "units": [{ "code": "water", "label": label("Eaux", "Water") }, { "code": "roads", "label": label("Voirie", "Roads") }],
        "standards": [{ "code": "water_5d", "label": label("5 jours", "5 days"), "duration": { "business_days": 5 } }],
        "products": [
            {
                "code": "drinking_water", "label": label("Eau potable", "Drinking water"), "standards": ["water_5d"],
                "precisions": [{ "code": "taste_odour", "label": label("Goût et odeur", "Taste and odour") }],
                "questions": [
                    {
                        "code": "problem", "text": label("Quel problème?", "What problem?"), "kind": "single_value_list", "required": true,
                        "choices": [
                            { "key": "taste_odour", "label": label("Goût et odeur", "Taste and odour"), "precision": "taste_odour" },
                            { "key": "ill", "label": label("Personne malade", "Somebody ill"), "emergency": "life" },
                        ],
                    },
                    {
                        "code": "since", "text": label("Depuis quand?", "Since when?"), "kind": "datetime", "required": true,
                        "when": { "question": "problem", "any_of": ["taste_odour"] },
                    },
                ],
            },
            { "code": "graffiti", "label": label("Graffiti", "Graffiti") },
            { "code": "garden", "label": label("Jardin", "Garden"), "place": "private" },
        ],
        "refusal_reasons": [{ "code": "private_land", "label": label("Terrain privé", "Private land") }],
        "programmes": [{ "code": "pipes", "label": label("Conduites", "Pipes") }],
        "emergencies": [{ "code": "life", "message": label("Composez le 9-1-1.", "Dial 9-1-1.") }],
    });
    serde_json::from_value(declaration).expect("a declaration")
}
