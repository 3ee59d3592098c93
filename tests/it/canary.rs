//! Personal data is nowhere in clear: not in a database file, a write-ahead log, a log line, a metric.
//!
//! PostgreSQL logs every statement of this story with its parameters, and one that fails with the row that it refused.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use base64::Engine as _;
use chrono::{DateTime, Days, FixedOffset};
use db::Dialect;
use serde_json::{Value, json};
use testkit::{Fresh, on_both_databases};

use crate::harness::{self, Client, Site};

/// One in each personal field; each is found nowhere else.
const FIRST_NAME: &str = "Zephyrine-Canari";
const LAST_NAME: &str = "Quetzalcanari";
const EMAIL: &str = "canari.zq9@exemple-canari.org";
const PHONE: &str = "+14185550199";
const DESCRIPTION: &str = "Canari dans la description xq7";
const ADDRESS: &str = "4711 rue du Canari-Cache";
const REMARK: &str = "Canari dans une reponse kj3";
const UNASKED: &str = "Canari dans le nom d une reponse sb1";
const NOTE: &str = "Canari dans une note interne wv5";
const MEDIA: &str = "https://photos.example.org/canari-image-8842.jpg";
const QUESTION: &str = "Canari dans une question hb2";
const INTERIM: &str = "Canari dans une reponse provisoire pd6";
const ANSWER: &str = "Canari dans une reponse finale gy8";
const RESOLUTION: &str = "Canari dans une resolution nt4";
const REFUSAL: &str = "Canari dans un refus cf1";
/// What an agent who may open the request reads.
const READ: [&str; 15] = [
    FIRST_NAME,
    LAST_NAME,
    EMAIL,
    PHONE,
    DESCRIPTION,
    ADDRESS,
    REMARK,
    UNASKED,
    NOTE,
    MEDIA,
    QUESTION,
    INTERIM,
    ANSWER,
    RESOLUTION,
    REFUSAL,
];

/// In a note that the database refuses.
const UNWRITTEN: &str = "Canari dans une note refusee lm0";
/// Looked for, of nobody here.
const SEARCHED: [&str; 3] = ["absente.canari@exemple-canari.org", "+14185550142", "Yolandecanari"];
/// As the blind index compares what was given.
const NORMALISED: [&str; 3] = ["14185550199", "14185550142", "zephyrine"];

/// A product whose place is private.
const PRIVATE_PRODUCT: &str = "eau_potable";

on_both_databases! {
    async fn no_canary_is_found_anywhere_and_an_agent_still_reads_them(fresh: Fresh) {
        log_every_statement(&fresh).await;
        let site = Site::new(&fresh);
        site.done(&["migrate"]);
        let agent = site.key("ville_quebec", "agent");
        let server = site.serve(&["--log", "debug"]);
        let client = Client::new(&server, &agent);

        let id = live(&client).await;
        let seen = client.get(&format!("/api/v1/requests/{id}/personal")).await.expect(200).text;
        for canary in READ {
            assert!(seen.contains(canary), "an agent with the right reads {canary}: {seen}");
        }
        look_for_persons(&client).await;
        tempt(&client, &agent).await;
        refuse_a_note(&fresh, &client, &id).await;
        // In clear by intent, and nowhere before: what finds it would find a canary.
        let released = format!("Texte rendu public de {id}");
        client.post(&format!("/api/v1/requests/{id}/released-text"), json!({ "text": released }), &[]).await.expect(200);

        let metrics = client.get("/metrics").await.expect(200).text;
        harness::current(&fresh, "ville_quebec").await;
        server.kill();

        let mut haystacks = vec![("the metrics".to_owned(), metrics.into_bytes())];
        let mut files = Vec::new();
        list(site.dir.path(), &mut files);
        for folder in database_folders(&fresh).await {
            list(&folder, &mut files);
        }
        let log_of_the_database = server_log(&fresh);
        files.extend(log_of_the_database.clone());
        assert!(files.len() > 3, "there is something to look through");
        // A file of the database server may be gone by now: PostgreSQL removes its temporary ones.
        haystacks.extend(files.iter().filter_map(|file| Some((file.display().to_string(), std::fs::read(file).ok()?))));

        // The instrument is not blind: what is in clear is found, in the files and in what PostgreSQL logged.
        let clear = search(&[&released]);
        let holding = |place: &str| haystacks.iter().any(|(name, bytes)| name.contains(place) && clear.1.is_match(bytes));
        assert!(holding(""), "what was released is in the database");
        if let Some(log) = log_of_the_database {
            assert!(holding(&log.display().to_string()), "PostgreSQL logged the parameters");
        }

        // A key of the API is as secret as a name. Its secret part stands after the second underscore and may hold others.
        let secret = agent.splitn(3, '_').nth(2).expect("a key has parts");
        assert!(secret.len() >= 40, "the whole secret is looked for");
        let canaries: Vec<&str> = READ.into_iter().chain(SEARCHED).chain(NORMALISED).chain([UNWRITTEN, secret]).collect();
        let (needles, search) = search(&canaries);
        for (place, bytes) in &haystacks {
            if let Some(found) = search.find(bytes) {
                let around = &bytes[found.start().saturating_sub(200)..(found.end() + 200).min(bytes.len())];
                let (canary, form) = &needles[found.pattern().as_usize()];
                panic!("{canary} ({form}) is in {place}: {}", String::from_utf8_lossy(around));
            }
        }
    }
}

/// A request with something personal in every field and every act that takes a text. Its public number.
async fn live(client: &Client) -> String {
    let unasked = format!("attribute[{UNASKED}]");
    let fields = [
        ("jurisdiction_id", "ville.quebec.qc.ca"),
        ("service_code", PRIVATE_PRODUCT),
        ("address_string", ADDRESS),
        ("first_name", FIRST_NAME),
        ("last_name", LAST_NAME),
        ("email", EMAIL),
        ("phone", PHONE),
        ("description", DESCRIPTION),
        ("media_url", MEDIA),
        ("attribute[malade]", "non"),
        ("attribute[probleme]", "pression"),
        // The tree does not know it: kept, and sealed with its name.
        (unasked.as_str(), REMARK),
    ];
    let posted = client.form("/open311/v2/requests.json", &fields, &[]).await.expect(200).json();
    let id = posted[0]["service_request_id"].as_str().expect("an id").to_owned();
    let request = client.get(&format!("/api/v1/requests/{id}")).await.expect(200).json();
    let requested_at: DateTime<FixedOffset> =
        request["requested_at"].as_str().and_then(|text| text.parse().ok()).expect("an instant");
    let announced = requested_at.date_naive() + Days::new(10);
    for (verb, body) in [
        ("notes", json!({ "visibility": "internal", "text": NOTE })),
        ("waiting", json!({ "question": QUESTION })),
        ("interim-answers", json!({ "anticipated_on": announced, "text": INTERIM })),
        ("answer", json!({ "text": ANSWER })),
        ("resolution", json!({ "text": RESOLUTION })),
        ("reopening", json!({})),
        ("refusal", json!({ "reason": "hors_competence", "text": REFUSAL })),
    ] {
        client.post(&format!("/api/v1/requests/{id}/{verb}"), body, &[]).await.expect(200);
    }
    id
}

async fn look_for_persons(client: &Client) {
    let found = async |body: Value| {
        let found = client.post("/api/v1/persons/search", body, &[]).await.expect(200).json();
        found["items"].as_array().expect("a list").len()
    };
    let [email, phone, name] = SEARCHED;
    for (field, present, absent) in [("email", EMAIL, email), ("phone", PHONE, phone), ("name", LAST_NAME, name)] {
        assert_eq!(found(json!({ field: present })).await, 1, "by {field}");
        assert_eq!(found(json!({ field: absent })).await, 0, "by {field}");
    }
}

/// A request that fails may tempt somebody to log what it held.
async fn tempt(client: &Client, agent: &str) {
    client.get(&format!("/open311/v2/requests.json?api_key={agent}&start_date={EMAIL}")).await;
    client.post("/api/v1/requests", json!({ "product": DESCRIPTION, "description": EMAIL }), &[]).await.expect(422);
    client.post("/api/v1/persons/search", json!({ "email": EMAIL, "nickname": FIRST_NAME }), &[]).await.expect(422);
}

/// Makes the database refuse an append for a moment. PostgreSQL logs the statement, its parameters and the row.
async fn refuse_a_note(fresh: &Fresh, client: &Client, id: &str) {
    let (refuse, accept) = match fresh.dialect() {
        Dialect::Sqlite => (
            "create trigger nothing_is_noted before insert on event when new.kind = 'request.noted'
             begin select raise(abort, 'nothing is noted'); end",
            "drop trigger nothing_is_noted",
        ),
        Dialect::Postgres => (
            "alter table event add constraint nothing_is_noted check (kind <> 'request.noted') not valid",
            "alter table event drop constraint nothing_is_noted",
        ),
    };
    let entry = harness::entry(fresh, "ville_quebec").await;
    let log = fresh.log(&entry).await.expect("the log opens");
    let path = format!("/api/v1/requests/{id}/notes");
    log.script(refuse).await.expect("refuse notes");
    client.post(&path, json!({ "text": UNWRITTEN }), &[]).await.expect(500);
    log.script(accept).await.expect("take notes again");
    client.post(&path, json!({ "text": NOTE }), &[]).await.expect(200);
}

/// Every spelling of every canary, and what finds them.
fn search<'a>(canaries: &[&'a str]) -> (Vec<(&'a str, &'static str)>, aho_corasick::AhoCorasick) {
    let (mut needles, mut patterns) = (Vec::new(), Vec::new());
    for canary in canaries.iter().copied() {
        for (form, bytes) in forms(canary) {
            needles.push((canary, form));
            patterns.push(bytes);
        }
    }
    (needles, aho_corasick::AhoCorasick::new(patterns).expect("a search"))
}

/// The ways in which a value may lie in a file.
fn forms(canary: &str) -> Vec<(&'static str, Vec<u8>)> {
    let bytes = canary.as_bytes();
    let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let percent = bytes.iter().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            text.push(char::from(*byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    });
    let mut forms = vec![
        ("plain", bytes.to_vec()),
        ("lower case", canary.to_lowercase().into_bytes()),
        ("hexadecimal", hex.clone().into_bytes()),
        ("hexadecimal in capitals", hex.to_uppercase().into_bytes()),
        ("URL-encoded", percent.clone().into_bytes()),
        ("form-encoded", percent.replace("%20", "+").into_bytes()),
        ("UTF-16 little-endian", canary.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("UTF-16 big-endian", canary.encode_utf16().flat_map(u16::to_be_bytes).collect()),
    ];
    // Base64 looks different at each of the three alignments; the ends depend on what stands beside it.
    for shift in 0..3 {
        let mut shifted = vec![b'x'; shift];
        shifted.extend_from_slice(bytes);
        let encoded = base64::engine::general_purpose::STANDARD.encode(&shifted);
        let whole = &encoded[4.min(shift * 4)..encoded.len() - 4];
        forms.push(("base64", whole.as_bytes().to_vec()));
    }
    forms
}

/// Where this database lies: on SQLite its folder, on PostgreSQL its files and the server's write-ahead log.
async fn database_folders(fresh: &Fresh) -> Vec<PathBuf> {
    match fresh.location() {
        db::Location::Sqlite(folder) => vec![folder.clone()],
        db::Location::Postgres(_) => {
            let server = fresh.server();
            server.script("checkpoint").await.expect("write every page");
            let sql = "select current_setting('data_directory'), oid::text from pg_database where datname = current_database()";
            let (folder, oid): (String, String) =
                server.fetch_one(db::Statement::new(sql, vec![])).await.expect("where the server keeps its files");
            let folder = PathBuf::from(folder);
            vec![folder.join("base").join(oid), folder.join("pg_wal")]
        }
    }
}

/// Whatever PostgreSQL can say about a statement it says, in this database alone. Only new connections obey.
async fn log_every_statement(fresh: &Fresh) {
    if fresh.dialect() == Dialect::Sqlite {
        return;
    }
    let sql = "select current_database()::text";
    let (name,): (String,) = fresh.server().fetch_one(db::Statement::new(sql, vec![])).await.expect("its name");
    for (setting, value) in [
        ("log_statement", "all"),
        ("log_min_duration_statement", "0"),
        ("log_min_error_statement", "error"),
        ("log_error_verbosity", "verbose"),
        ("log_parameter_max_length", "-1"),
        ("log_parameter_max_length_on_error", "-1"),
    ] {
        let sql = format!("alter database {name} set {setting} = '{value}'");
        fresh.server().script(&sql).await.expect("a superuser sets what is logged");
    }
}

/// What PostgreSQL has logged; SQLite has no such thing.
fn server_log(fresh: &Fresh) -> Option<PathBuf> {
    if fresh.dialect() == Dialect::Sqlite {
        return None;
    }
    #[expect(clippy::disallowed_methods, reason = "tests have no configuration file")]
    let path = std::env::var_os("GUICHET_TEST_POSTGRES_LOG").expect(
        "GUICHET_TEST_POSTGRES_LOG must name the file that PostgreSQL logs to, or nobody looks there; ./test sets it",
    );
    Some(path.into())
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            list(&path, files);
        } else if path.file_name().is_some_and(|name| name != "master.key") {
            files.push(path);
        }
    }
}
