//! Both databases give the same verdict on whatever is sent: no request is an error of the server, and none is a service
//! on one database and a failure on the other (PostgreSQL refuses U+0000 and dates that SQLite takes).

use std::{
    panic::AssertUnwindSafe,
    sync::mpsc,
    thread::{self, JoinHandle},
};

use application::Role;
use axum::{body::Body, http::Request};
use db::Dialect;
use fuzz::{Document, Nearly};
use testkit::Fresh;
use tokio::sync::mpsc as asked;

use crate::harness::{FORM, House};

/// Method, address and body, with a line between them.
const SAMPLES: [&str; 13] = [
    "GET\n/open311/v2/requests.json?status=open&start_date=2026-11-01T00:00:00Z&page=1&page_size=10\n",
    "GET\n/open311/v2/requests.xml?service_request_id=7ZZZZ0123AB&jurisdiction_id=ville.quebec.qc.ca\n",
    "GET\n/open311/v2/services/drinking_water.json?jurisdiction_id=ville.quebec.qc.ca\n",
    "GET\n/open311/v2/tokens/7ZZZZ0123AB.json\n",
    "GET\n/api/v1/requests?limit=10&cursor=AAAA&after=AAAA\n",
    "GET\n/api/v1/requests/req_00000000000000000123456789abcdef?purpose=call_back\n",
    "GET\n/api/v1/requests/7ZZZZ0123AB/timeline\n",
    "GET\n/api/v1/persons/per_00000000000000000123456789abcdef/history?limit=5\n",
    "GET\n/api/v1/queue?unit=water&window=overdue&limit=2\n",
    "GET\n/api/v1/statistics/volume.csv?period=month&by=channel&from=2026-01-01&until=2026-12-01\n",
    "POST\n/api/v1/persons/search\n{\"email\":\"ada@example.org\",\"name\":\"Ada Lovelace\",\"phone\":\"418 555-0101\"}",
    "POST\n/api/v1/requests\n{\"channel\":\"phone\",\"product\":\"drinking_water\",\"answers\":{\"problem\":\"taste_odour\",\
     \"since\":\"2026-11-19T08:00:00-05:00\"},\"place\":{\"address\":\"1, rue des Jardins\"},\"description\":\"Chlore\",\
     \"requester\":{\"first_name\":\"Ada\",\"email\":\"ada@example.org\"}}",
    "POST\n/api/v1/requests/req_00000000000000000123456789abcdef/notes\n{\"text\":\"vu\",\"visibility\":\"public\"}",
];

/// Status and, of a refusal, what it says; nothing where no client could send that.
type Verdict = Option<(u16, String)>;

/// The same organisations and the same clock on one database, in a thread of its own.
struct Door {
    ask: asked::Sender<Document>,
    answers: mpsc::Receiver<Verdict>,
    thread: JoinHandle<()>,
}

impl Door {
    fn open(dialect: Dialect) -> Self {
        let (ask, mut questions) = asked::channel(1);
        let (tell, answers) = mpsc::channel();
        let serve = move |fresh: Fresh| async move {
            let house = House::open(&fresh).await;
            while let Some(document) = questions.recv().await {
                tell.send(verdict(&house, &document).await).expect("the test listens");
            }
        };
        let thread = thread::spawn(move || testkit::run(dialect, serve));
        Self { ask, answers, thread }
    }

    fn ask(&self, document: &Document) -> Verdict {
        self.ask.blocking_send(document.clone()).expect("the door stands open");
        self.answers.recv().expect("the door answers")
    }

    fn close(self) {
        drop(self.ask);
        self.thread.join().expect("no panic behind the door");
    }
}

async fn verdict(house: &House, document: &Document) -> Verdict {
    let mut parts = document.bytes().splitn(3, |byte| *byte == b'\n');
    let (method, address, body) = (parts.next()?, parts.next()?, parts.next().unwrap_or_default());
    let media = if address.starts_with(b"/open311") { "application/x-www-form-urlencoded" } else { "application/json" };
    let request = Request::builder()
        .method(method)
        .uri(address)
        .header("content-type", media)
        .header("x-api-key", house.key("quebec", Role::Agent))
        .body(Body::from(body.to_vec()));
    let answer = house.send(request.ok()?).await;
    let refused = answer.status.is_client_error() || answer.status.is_server_error();
    Some((answer.status.as_u16(), if refused { answer.text } else { String::new() }))
}

#[test]
fn both_databases_give_the_same_verdict_and_never_a_fault_of_the_server() {
    let doors = AssertUnwindSafe([Dialect::Sqlite, Dialect::Postgres].map(Door::open));
    let form = format!("POST\n/open311/v2/requests.json\n{FORM}");
    let samples = SAMPLES.into_iter().chain([form.as_str()]);
    fuzz::check!().with_generator(Nearly::of(samples)).for_each(|document: &Document| {
        let doors = &doors;
        let [on_sqlite, on_postgres] = [0, 1].map(|door| doors[door].ask(document));
        assert_eq!(on_sqlite, on_postgres);
        assert!(on_sqlite.is_none_or(|(status, _)| status < 500), "a fault of the server");
    });
    doors.0.into_iter().for_each(Door::close);
}
