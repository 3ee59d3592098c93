//! One attempt at one operation over HTTP, announced before it is sent and written down whatever comes back.

use std::{collections::BTreeMap, time::Duration};

use checker::ledger::{Answered, Invoke, Line, Read, Refused, Unknown};
use rand::{Rng, RngExt};
use reqwest::{
    Response,
    header::{HeaderMap, IF_MATCH},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    ledger::{Clock, Ledger, hex},
    site::JURISDICTION,
};

/// Longer than the server lets a caller wait for an outcome.
const PATIENCE: Duration = Duration::from_secs(15);

/// A write that may be sent any number of times, and happens once.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    /// Stands in clear in its events: that is how the checker finds them.
    pub(crate) op: String,
    door: Door,
    path: String,
    body: Vec<u8>,
    if_match: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    Open311,
    Native,
}

/// What became of an attempt.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    Done(Done),
    Refused,
    Unknown,
}

/// What an answer says that later requests need.
#[derive(Debug, Clone)]
pub(crate) struct Done {
    /// `req_…` or a public number.
    pub(crate) id: String,
    pub(crate) etag: Option<String>,
    /// What the public calls it, where the answer says so.
    pub(crate) number: Option<String>,
}

impl Write {
    /// A pothole, reported by somebody who comes back now and then, through the door of portals.
    pub(crate) fn open311(random: &mut impl Rng) -> Self {
        let op = marker(random);
        let person: u16 = random.random_range(0..200);
        let body = format!(
            "jurisdiction_id={JURISDICTION}&service_code=nid_de_poule&attribute%5Bvoie%5D=chaussee&attribute%5Baccident%5D=non\
             &address_string=12%2C+rue+{op}&email=citoyen{person}%40example.org&description=Trou+devant+le+12"
        );
        let path = "/open311/v2/requests.json".to_owned();
        Self { op, door: Door::Open311, path, body: body.into_bytes(), if_match: None }
    }

    /// A tree to be felled, told on the phone: it is owed within days that are promised.
    pub(crate) fn native(random: &mut impl Rng) -> Self {
        let op = marker(random);
        let body = json!({
            "channel": "phone", "product": "abattage_arbre",
            "answers": { "danger": "non", "etat": "mort", "terrain": "rue" },
            "place": { "address": format!("12, rue {op}") }, "description": "Un orme penche vers la rue",
        });
        let path = "/api/v1/requests".to_owned();
        Self { op, door: Door::Native, path, body: body.to_string().into_bytes(), if_match: None }
    }

    /// Gives a request to another agent of the unit that holds it: each time an event, whatever was done before.
    pub(crate) fn assignment(random: &mut impl Rng, request: &str, if_match: Option<String>) -> Self {
        let op = marker(random);
        let body = json!({ "unit": "foresterie_urbaine", "agent": format!("usr_{op}") }).to_string().into_bytes();
        Self { door: Door::Native, path: format!("/api/v1/requests/{request}/assignment"), body, if_match, op }
    }

    fn key(&self) -> String {
        format!("key-{}", self.op)
    }
}

/// `op` and 24 hexadecimal digits.
fn marker(random: &mut impl Rng) -> String {
    format!("op{:08x}{:016x}", random.random::<u32>(), random.random::<u64>())
}

/// Speaks for one agent, on connections that are kept or on a new one each time, and writes a ledger of its own.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    key: String,
    clock: Clock,
    pub(crate) ledger: Ledger,
}

impl Client {
    pub(crate) fn new(key: &str, keep_alive: bool, clock: Clock, ledger: Ledger) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(PATIENCE).pool_max_idle_per_host(if keep_alive { 4 } else { 0 });
        Ok(Self { http: http.build()?, key: key.to_owned(), clock, ledger })
    }

    /// Announces, sends, writes down what came.
    pub(crate) async fn attempt(&self, url: &str, write: &Write) -> anyhow::Result<Outcome> {
        self.announce(write)?;
        let answer = match self.request(url, write).send().await {
            Ok(response) => Heard::of(response).await,
            Err(error) => Err(error),
        };
        let heard = match answer {
            Ok(heard) => heard,
            Err(error) => {
                self.unknown(write, None, false, &error.to_string())?;
                return Ok(Outcome::Unknown);
            }
        };
        self.conclude(write, &heard)
    }

    pub(crate) fn announce(&self, write: &Write) -> anyhow::Result<()> {
        self.ledger.write(&Line::Invoke(Invoke {
            op: write.op.clone(),
            t: self.clock.now(),
            key: write.key(),
            body: hex(&Sha256::digest(&write.body)),
            if_match: write.if_match.clone(),
        }))
    }

    /// Nobody heard what became of it.
    pub(crate) fn unknown(
        &self,
        write: &Write,
        status: Option<u16>,
        retry_after: bool,
        why: &str,
    ) -> anyhow::Result<()> {
        let (op, t, why) = (write.op.clone(), self.clock.now(), why.to_owned());
        self.ledger.write(&Line::Unknown(Unknown { op, t, status, retry_after, why }))
    }

    /// The bytes of the request, for whoever sends them through a connection of its own.
    pub(crate) fn bytes(&self, write: &Write) -> Vec<u8> {
        let Write { path, body, if_match, .. } = write;
        let kind = write.door.content_type();
        let condition = if_match.as_ref().map(|etag| format!("if-match: \"{etag}\"\r\n")).unwrap_or_default();
        let mut bytes = format!(
            "POST {path} HTTP/1.1\r\nhost: soak\r\nauthorization: Bearer {}\r\nidempotency-key: {}\r\ncontent-type: {kind}\r\n\
             {condition}content-length: {}\r\n\r\n",
            self.key,
            write.key(),
            body.len()
        )
        .into_bytes();
        bytes.extend(body);
        bytes
    }

    fn request(&self, url: &str, write: &Write) -> reqwest::RequestBuilder {
        let request = self
            .http
            .post(format!("{url}{}", write.path))
            .bearer_auth(&self.key)
            .header("idempotency-key", write.key())
            .header("content-type", write.door.content_type())
            .body(write.body.clone());
        match &write.if_match {
            Some(etag) => request.header(IF_MATCH, format!("\"{etag}\"")),
            None => request,
        }
    }

    fn conclude(&self, write: &Write, heard: &Heard) -> anyhow::Result<Outcome> {
        let (op, t, status) = (write.op.clone(), self.clock.now(), heard.status);
        if let (200..300, Some(done)) = (status, heard.done(write.door)) {
            let Told { stream, id, number, after, answer } = done;
            let etag = heard.etag.clone();
            self.ledger.write(&Line::Ok(Answered { op, t, status, stream, etag: etag.clone(), after, answer }))?;
            return Ok(Outcome::Done(Done { id, etag, number }));
        }
        let code = heard.code(write.door);
        // Others were faster three times: nothing was done, and the answer says to repeat it.
        if (400..500).contains(&status) && ![408, 429].contains(&status) && !code.ends_with(".conflict") {
            self.ledger.write(&Line::Fail(Refused { op, t, status, code }))?;
            return Ok(Outcome::Refused);
        }
        self.unknown(write, Some(status), heard.retry_after, &code)?;
        Ok(Outcome::Unknown)
    }

    /// Reads one request, and writes down what it was shown as.
    pub(crate) async fn read(&self, url: &str, request: &str) -> anyhow::Result<Option<Done>> {
        let sent = self.clock.now();
        let answer = self.http.get(format!("{url}/api/v1/requests/{request}")).bearer_auth(&self.key).send().await;
        let Ok(response) = answer else { return Ok(None) };
        let Ok(heard) = Heard::of(response).await else { return Ok(None) };
        let json = heard.json();
        let id = json["id"].as_str().unwrap_or(request).to_owned();
        // A read of a number that is not found names no stream that the checker could look for.
        let Some(stream) = stream_of(&id) else { return Ok(None) };
        let promises = json["promises"].as_array().into_iter().flatten();
        let due = promises.filter_map(|promise| {
            let name = format!("{}/{}", promise["standard"].as_str()?, promise["ordinal"].as_u64()?);
            Some((name, promise["due_at"].as_str()?.to_owned()))
        });
        let (etag, status, retry_after) = (heard.etag.clone(), heard.status, heard.retry_after);
        let due = due.collect();
        let number = json["number"].as_str().map(str::to_owned);
        let t = self.clock.now();
        self.ledger.write(&Line::Read(Read { sent, t, stream, status, etag, due, updated: None, retry_after }))?;
        Ok((status == 200).then_some(Done { id, etag: heard.etag, number }))
    }

    /// Reads what the public is shown of a request, through the door of portals.
    pub(crate) async fn read_public(&self, url: &str, request: &Done) -> anyhow::Result<()> {
        let (Some(number), Some(stream)) = (&request.number, stream_of(&request.id)) else { return Ok(()) };
        let sent = self.clock.now();
        let url = format!("{url}/open311/v2/requests/{number}.json?jurisdiction_id={JURISDICTION}");
        let Ok(response) = self.http.get(url).send().await else { return Ok(()) };
        let Ok(heard) = Heard::of(response).await else { return Ok(()) };
        let (t, status, retry_after) = (self.clock.now(), heard.status, heard.retry_after);
        // What says nothing of the time is caught as a text that is none.
        let updated =
            (status == 200).then(|| heard.json()[0]["updated_datetime"].as_str().unwrap_or_default().to_owned());
        let due = BTreeMap::new();
        self.ledger.write(&Line::Read(Read { sent, t, stream, status, etag: None, due, updated, retry_after }))
    }
}

impl Door {
    fn content_type(self) -> &'static str {
        match self {
            Self::Open311 => "application/x-www-form-urlencoded",
            Self::Native => "application/json",
        }
    }
}

/// An answer that arrived whole.
struct Heard {
    status: u16,
    etag: Option<String>,
    retry_after: bool,
    body: Vec<u8>,
}

/// What an answer to a write tells the checker.
struct Told {
    stream: String,
    id: String,
    number: Option<String>,
    after: Option<String>,
    /// Of what must be the same each time.
    answer: String,
}

impl Heard {
    async fn of(response: Response) -> reqwest::Result<Self> {
        let text =
            |headers: &HeaderMap, name| headers.get(name).and_then(|value| value.to_str().ok().map(str::to_owned));
        let etag = text(response.headers(), "etag").map(|etag| etag.trim_matches('"').to_owned());
        let retry_after = response.headers().contains_key("retry-after");
        let status = response.status().as_u16();
        Ok(Self { status, etag, retry_after, body: response.bytes().await?.to_vec() })
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    fn done(&self, door: Door) -> Option<Told> {
        let mut json = self.json();
        let (id, stream, number, after) = match door {
            Door::Open311 => {
                let number = json[0]["service_request_id"].as_str()?.to_owned();
                (number.clone(), format!("number-{number}"), Some(number), None)
            }
            Door::Native => {
                let id = json["id"].as_str()?.to_owned();
                let text = |name: &str| json[name].as_str().map(str::to_owned);
                (id.clone(), stream_of(&id)?, text("number"), text("after"))
            }
        };
        // Whether it is told for the first time is the one thing that may differ.
        if let Some(object) = json.as_object_mut() {
            object.remove("replayed");
        }
        Some(Told { stream, id, number, after, answer: hex(&Sha256::digest(json.to_string())) })
    }

    fn code(&self, door: Door) -> String {
        let json = self.json();
        let code = match door {
            Door::Open311 => &json[0]["code"],
            Door::Native => &json["code"],
        };
        code.as_str().map_or_else(|| code.to_string(), str::to_owned)
    }
}

/// The stream of `req_…`.
fn stream_of(id: &str) -> Option<String> {
    let uuid = uuid::Uuid::try_parse(id.strip_prefix("req_")?).ok()?;
    Some(format!("request-{}", uuid.hyphenated()))
}
