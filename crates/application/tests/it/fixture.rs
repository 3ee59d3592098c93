//! An organisation to try things on: one declaration, a clock that stands still, ids as they come or as told.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use application::{Clock, Ids, Organisation, Outcome, PublishError, RandomIds, Requester, Submission, SubmitError};
use db::Databases;
use domain::{codec::Event, declaration::Declaration, ids::RequestId, time::Instant};
use event_store::{Direction, EventStore, Filter, From, Record};
use uuid::Uuid;
use vault::{MasterKey, Vault};

pub(crate) const AGENT: &str = "key_agent";

/// Midday, 22 November 2026, Québec time.
pub(crate) struct Noon;

impl Clock for Noon {
    fn now(&self) -> Instant {
        "2026-11-22T17:00:00Z".parse().expect("an instant")
    }
}

/// Gives these ids first, then random ones.
pub(crate) struct Told(Mutex<VecDeque<Uuid>>);

impl Told {
    pub(crate) fn first(ids: impl IntoIterator<Item = Uuid>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(ids.into_iter().collect())))
    }
}

impl Ids for Told {
    fn uuid(&self) -> Uuid {
        let told = self.0.lock().expect("no test panics while it holds this").pop_front();
        told.unwrap_or_else(|| RandomIds.uuid())
    }
}

pub(crate) fn declaration(version: &str) -> Declaration {
    serde_json::from_value(serde_json::json!({
        "organisation": {"slug": "essai", "jurisdiction": "essai.example",
            "name": {"fr": "Essai", "en": "Trial"}, "contact": {"fr": "-", "en": "-"}},
        "version": version, "effective_from": "2020-01-01", "source": "test",
        "calendar": {"version": format!("essai-{version}"), "zone": "America/Toronto",
            "hours": [{"from": "2020-01-01", "monday": {"open": "08:30", "close": "17:00"}}]},
        "channels": [
            {"code": "web", "label": {"fr": "Web", "en": "Web"}, "open311": true},
            {"code": "phone", "label": {"fr": "Téléphone", "en": "Phone"}},
        ],
        "standards": [{"code": "hole", "label": {"fr": "Trou", "en": "Hole"}, "duration": {"calendar_days": 3}}],
        "products": [
            {"code": "hole", "label": {"fr": "Trou", "en": "Hole"}, "standards": ["hole"],
             "questions": [
                {"code": "danger", "text": {"fr": "Danger ?", "en": "Danger?"}, "kind": "single_value_list",
                 "choices": [
                    {"key": "no", "label": {"fr": "Non", "en": "No"}},
                    {"key": "yes", "label": {"fr": "Oui", "en": "Yes"}, "emergency": "life"}]},
                {"code": "depth", "text": {"fr": "Profondeur", "en": "Depth"}, "kind": "number", "required": true}]},
            {"code": "rats", "label": {"fr": "Rats", "en": "Rats"}, "place": "private"},
        ],
        "refusal_reasons": [{"code": "not_ours", "label": {"fr": "Pas à nous", "en": "Not ours"}}],
        "emergencies": [{"code": "life", "message": {"fr": "Faites le 9-1-1", "en": "Call 9-1-1"}}],
    }))
    .expect("a declaration")
}

/// One process: an organisation on the databases of the test.
pub(crate) struct Process {
    pub(crate) organisation: Organisation,
    pub(crate) store: EventStore,
    pub(crate) vault: Vault,
}

impl Process {
    pub(crate) async fn start(databases: &Databases, master: &MasterKey) -> Self {
        Self::start_with(databases, master, Arc::new(RandomIds), "2026-1", "text")
            .await
            .expect("the organisation starts")
    }

    pub(crate) async fn start_with(
        databases: &Databases,
        master: &MasterKey,
        ids: Arc<dyn Ids>,
        version: &str,
        text: &str,
    ) -> Result<Self, PublishError> {
        let log = databases.create_log("essai").await.expect("name the log");
        let log_db = databases.log(&log).await.expect("open the log's database");
        let store = EventStore::open(log_db, &log).await.expect("open the log");
        let vault_db = databases.vault(&log).await.expect("open the vault's database");
        let vault = Vault::open(vault_db, &log, master).await.expect("open the vault");
        let published = vec![(declaration(version), text.to_owned())];
        let organisation = Organisation::start(store.clone(), vault.clone(), Arc::new(Noon), ids, published).await?;
        Ok(Self { organisation, store, vault })
    }

    /// The whole log after the declarations.
    pub(crate) async fn log(&self) -> Vec<Record> {
        let all =
            self.store.read_log(From::Start, Direction::Forward, 10_000, &Filter::all()).await.expect("read the log");
        all.into_iter().filter(|record| !record.stream.starts_with("declaration-")).collect()
    }

    pub(crate) async fn kinds(&self) -> Vec<String> {
        self.log().await.into_iter().map(|record| record.kind).collect()
    }

    pub(crate) async fn submitted(&self, submission: Submission) -> RequestId {
        match self.organisation.submit(AGENT, submission, None).await.expect("submitted") {
            Outcome::Created { request, .. } => request,
            Outcome::Emergency { code, .. } => panic!("an emergency: {code}"),
        }
    }
}

pub(crate) fn decoded(record: &Record) -> Event {
    Event::decode(&record.kind, record.schema, &record.payload).expect("an event of the domain")
}

pub(crate) fn hole() -> Submission {
    Submission { product: "hole".to_owned(), answers: vec![answer("depth", "12,5")], ..Submission::default() }
}

pub(crate) fn answer(question: &str, value: &str) -> (String, Vec<String>) {
    (question.to_owned(), vec![value.to_owned()])
}

pub(crate) fn elodie() -> Requester {
    Requester {
        first_name: Some("Élodie".to_owned()),
        last_name: Some("Canari-Tremblay".to_owned()),
        email: Some("elodie.canari@example.org".to_owned()),
        phone: Some("418 641-6000".to_owned()),
    }
}

/// The fields that a refused submission points at.
pub(crate) fn fields(error: SubmitError) -> Vec<(String, &'static str)> {
    match error {
        SubmitError::Invalid { problems } => problems.into_iter().map(|p| (p.field, p.code)).collect(),
        other => panic!("{other:?}"),
    }
}
