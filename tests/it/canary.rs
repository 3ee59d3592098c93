//! Personal data is nowhere in clear: not in a database file, a write-ahead log, a log line, a metric.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use base64::Engine as _;
use serde_json::json;
use testkit::{Fresh, on_both_databases};

use crate::harness::{Client, Site};

/// One in each personal field; each is found nowhere else.
const FIRST_NAME: &str = "Zephyrine-Canari";
const LAST_NAME: &str = "Quetzalcanari";
const EMAIL: &str = "canari.zq9@exemple-canari.org";
const PHONE: &str = "+14185550199";
const DESCRIPTION: &str = "Canari dans la description xq7";
const ADDRESS: &str = "4711 rue du Canari-Cache";
const ANSWER: &str = "Canari dans une reponse kj3";
const NOTE: &str = "Canari dans une note interne wv5";
const MEDIA: &str = "https://photos.example.org/canari-image-8842.jpg";
const CANARIES: &[&str] = &[FIRST_NAME, LAST_NAME, EMAIL, PHONE, DESCRIPTION, ADDRESS, ANSWER, NOTE, MEDIA];

/// A product whose place is private.
const PRIVATE_PRODUCT: &str = "eau_potable";

on_both_databases! {
    async fn no_canary_is_found_anywhere_and_an_agent_still_reads_them(fresh: Fresh) {
        let site = Site::new(&fresh);
        site.done(&["migrate"]);
        let agent = site.key("ville_quebec", "agent");
        let server = site.serve(&[]);
        let client = Client::new(&server, &agent);

        let posted = client
            .form(
                "/open311/v2/requests.json",
                &[
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
                    // The tree does not know it: kept, and sealed like any text.
                    ("attribute[remarque]", ANSWER),
                ],
                &[],
            )
            .await;
        let id = posted.expect(200).json()[0]["service_request_id"].as_str().expect("an id").to_owned();
        let note = json!({ "visibility": "internal", "text": NOTE });
        client.post(&format!("/api/v1/requests/{id}/notes"), note, &[]).await.expect(200);

        let seen = client.get(&format!("/api/v1/requests/{id}/personal")).await.expect(200).text;
        for canary in [DESCRIPTION, ADDRESS, ANSWER, NOTE, MEDIA, EMAIL, PHONE, FIRST_NAME, LAST_NAME] {
            assert!(seen.contains(canary), "an agent with the right reads {canary}: {seen}");
        }
        // A request that fails may tempt somebody to log what it held.
        client.get(&format!("/open311/v2/requests.json?api_key={agent}&start_date={EMAIL}")).await;
        client.post("/api/v1/requests", json!({ "product": DESCRIPTION, "description": EMAIL }), &[]).await;

        let metrics = client.get("/metrics").await.expect(200).text;
        server.kill();

        let mut haystacks = vec![("the metrics".to_owned(), metrics.into_bytes())];
        let mut files = Vec::new();
        list(site.dir.path(), &mut files);
        for folder in database_folders(&fresh).await {
            list(&folder, &mut files);
        }
        files.extend(server_log());
        assert!(files.len() > 3, "there is something to look through");
        // A file of the database server may be gone by now: PostgreSQL removes its temporary ones.
        haystacks.extend(files.iter().filter_map(|file| Some((file.display().to_string(), std::fs::read(file).ok()?))));

        // The instrument is not blind: what is stored in clear is found.
        let clear = PRIVATE_PRODUCT.as_bytes();
        assert!(haystacks.iter().any(|(_, bytes)| bytes.windows(clear.len()).any(|window| window == clear)));

        let secret = agent.splitn(3, '_').nth(2).expect("the secret part of the key");
        let mut needles = Vec::new();
        for canary in CANARIES.iter().copied().chain([secret]) {
            needles.extend(forms(canary).into_iter().map(|(form, bytes)| (canary, form, bytes)));
        }
        let search = aho_corasick::AhoCorasick::new(needles.iter().map(|(_, _, bytes)| bytes)).expect("a search");
        for (place, bytes) in &haystacks {
            if let Some(found) = search.find(bytes) {
                let (canary, form, _) = &needles[found.pattern().as_usize()];
                panic!("{canary} ({form}) is in {place}");
            }
        }
    }
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

fn server_log() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "tests have no configuration file")]
    std::env::var_os("GUICHET_TEST_POSTGRES_LOG").map(PathBuf::from)
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
