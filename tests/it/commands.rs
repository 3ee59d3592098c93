//! Every command from the outside: what it says, what it exits with, what it leaves behind.

use std::{net::TcpListener, path::Path, process::Output, time::Duration};

use db::{Databases, Statement};
use serde_json::{Value, json};
use testkit::on_both_databases;
use tokio::time::{Instant, interval};

use crate::{
    harness::{Client, Server, Site, entry},
    imports::first_rows,
};

const BOSTON: [&str; 3] = ["import", "--mapping", "mappings/boston.toml"];

#[test]
fn every_command_teaches() {
    let site = Site::on_sqlite();
    let mut taught = Vec::new();
    let mut paths = vec![vec![]];
    while let Some(path) = paths.pop() {
        let help = site.done(&[path.as_slice(), &["--help"]].concat());
        assert!(help.contains("Usage: guichet"), "{path:?}: {help}");
        for name in subcommands(&help) {
            let name: &'static str = String::leak(name.to_owned());
            paths.push([path.as_slice(), &[name]].concat());
        }
        taught.push(path.join(" "));
    }
    for command in
        ["demo", "serve", "work", "migrate", "import", "rebuild", "check", "verify", "key revoke", "oracle", "bench"]
    {
        assert!(taught.iter().any(|path| path == command), "{command} is not among {taught:?}");
    }
}

/// The names that a help lists under "Commands:".
fn subcommands(help: &str) -> Vec<&str> {
    let after = help.split_once("\nCommands:\n").map_or("", |(_, after)| after);
    let list = after.split("\n\n").next().unwrap_or_default();
    list.lines().filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect()
}

#[test]
fn a_mistake_on_the_command_line_is_2() {
    let site = Site::on_sqlite();
    for mistake in [&["serve", "--prot", "1"][..], &["key", "create", "--role", "king"], &["verify", "--listen"], &[]] {
        assert_eq!(site.run(mistake).status.code(), Some(2), "{mistake:?}");
    }
}

#[test]
fn a_mistyped_place_is_refused_and_not_made() {
    let site = Site::on_sqlite();
    let lines =
        [&["check"][..], &["rebuild"], &["verify"], &["work"], &["key", "list"], &["key", "revoke", "gk_1a2b3c4d"]];
    for line in lines {
        let words = refused(&site.run(line));
        assert!(words.contains("there is nothing of Guichet in"), "{line:?}: {words}");
    }
    assert!(!site.path("data").exists(), "the folder was made");
}

on_both_databases! {
    async fn a_place_without_organisations_has_nothing_to_agree(fresh: Fresh) {
        let site = Site::new(&fresh);
        for line in [["check"], ["rebuild"], ["verify"], ["work"]] {
            let words = refused(&site.run(&line));
            assert!(words.contains("there is no organisation here"), "{line:?}: {words}");
        }
    }
}

#[test]
fn a_log_whose_file_is_gone_is_not_an_empty_one() {
    let site = Site::on_sqlite();
    site.done(&["migrate"]);
    let file = site.path("data/boston/log.db");
    std::fs::remove_file(&file).expect("remove the log");
    for line in [["check"], ["rebuild"], ["verify"]] {
        let words = refused(&site.run(&line));
        assert!(words.contains("the log of boston"), "{line:?}: {words}");
    }
    assert!(!file.exists(), "the log was made anew");
}

#[test]
fn flags_go_over_the_environment_over_the_file_over_defaults() {
    let site = Site::on_sqlite();
    // Each address is taken, so that the demo ends at once and names the one it wanted.
    let [file, environment, flag] = [taken(), taken(), taken()];
    let config = site.path("guichet.toml");
    std::fs::write(&config, format!("listen = '{}'\n", address(&file))).expect("write the configuration file");
    let folder = site.path("demo");
    let mut demo = site.command(&["demo", "--dir", path(&folder), "--config", path(&config)]);
    assert!(refused(&demo.output().expect("run the demo")).contains(&address(&file)));
    demo.env("GUICHET_LISTEN", address(&environment));
    assert!(refused(&demo.output().expect("run the demo")).contains(&address(&environment)));
    demo.args(["--listen", &address(&flag)]);
    assert!(refused(&demo.output().expect("run the demo")).contains(&address(&flag)));

    std::fs::write(&config, "database = 'sqlite:/nowhere/of-the-file'\n").expect("write the configuration file");
    let mut verify = site.command(&["verify", "--config", path(&config)]);
    assert!(refused(&verify.output().expect("verify")).contains(path(&site.path("data"))));
    verify.env_remove("GUICHET_DATABASE");
    assert!(refused(&verify.output().expect("verify")).contains("/nowhere/of-the-file"));
    verify.args(["--database", "sqlite:/nowhere/of-the-flag"]);
    assert!(refused(&verify.output().expect("verify")).contains("/nowhere/of-the-flag"));
}

fn taken() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a free port")
}

fn address(listener: &TcpListener) -> String {
    listener.local_addr().expect("an address").to_string()
}

fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// What a command said that could not do its work.
#[track_caller]
fn refused(output: &Output) -> String {
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{words}");
    words
}

on_both_databases! {
    async fn a_revoked_key_stops_working_within_two_seconds(fresh: Fresh) {
        let site = Site::new(&fresh);
        site.done(&["migrate"]);
        let (key, other) = (site.key("boston", "agent"), site.key("boston", "analyst"));
        let server = site.serve(&["--no-work"]);
        let (client, spared) = (Client::new(&server, &key), Client::new(&server, &other));
        client.get("/api/v1/me").await.expect(200);

        let prefix = public_part(&key);
        site.done(&["key", "revoke", prefix]);
        let revoked = Instant::now();
        let mut looks = interval(Duration::from_millis(50));
        while client.get("/api/v1/me").await.status == 200 {
            assert!(revoked.elapsed() < Duration::from_secs(2), "the key still works");
            looks.tick().await;
        }
        spared.get("/api/v1/me").await.expect(200);

        let listed: Value = serde_json::from_str(&site.done(&["key", "list", "--json"])).expect("JSON");
        let of = |wanted: &str| listed.as_array().expect("keys").iter().find(|row| row["prefix"] == wanted).cloned();
        let gone = of(prefix).expect("a revoked key stays on the list");
        assert_eq!((&gone["organisation"], &gone["role"]), (&json!("boston"), &json!("agent")));
        assert!(gone["revoked_at"].is_string(), "{gone}");
        let stays = of(public_part(&other)).expect("the other key");
        assert!(stays["revoked_at"].is_null(), "{stays}");
        let printed = site.done(&["key", "list"]);
        assert!(printed.contains(prefix) && !printed.contains(&key) && !printed.contains(&other), "{printed}");
        assert!(refused(&site.run(&["key", "revoke", prefix])).contains("revoked before"));
    }
}

on_both_databases! {
    async fn what_differs_is_3_and_a_rejected_row_is_4(fresh: Fresh) {
        let site = Site::new(&fresh);
        site.done(&["migrate"]);
        let file = site.path("requests.csv");
        let torn = "101000999999,in the morning,,,,Open,,,,,,,,,,,\n";
        std::fs::write(&file, first_rows(20) + torn).expect("write the rows");
        let rejects = site.path("requests.rej");
        let import = site.run(&[&BOSTON[..], &["--json", "--rejects", path(&rejects), path(&file)]].concat());
        assert_eq!(import.status.code(), Some(4), "{}", String::from_utf8_lossy(&import.stderr));
        let report: Value = serde_json::from_slice(&import.stdout).expect("the report is JSON");
        assert_eq!((&report["imported"], &report["rejected"]), (&json!(20), &json!(1)), "{report}");
        let told = std::fs::read_to_string(&rejects).expect("the rejected row is told");
        assert!(told.contains("22"), "the line of the file: {told}");

        site.done(&["verify"]);
        site.done(&["check"]);
        tamper_with_a_read_row(&fresh).await;
        let check = site.run(&["check", "--organisation", "boston"]);
        assert_eq!(check.status.code(), Some(3), "{}", String::from_utf8_lossy(&check.stderr));
        let said = String::from_utf8_lossy(&check.stdout).into_owned();
        assert!(said.contains("boston/public_requests") && said.contains("DIFFERS"), "{said}");
        site.done(&["check", "--organisation", "montreal"]);
        site.done(&["rebuild", "--organisation", "boston"]);
        site.done(&["check"]);

        flip_a_byte_of_the_log(&fresh).await;
        let verify = site.run(&["verify", "--json"]);
        assert_eq!(verify.status.code(), Some(3), "{}", String::from_utf8_lossy(&verify.stderr));
        let report: Value = serde_json::from_slice(&verify.stdout).expect("the report is JSON");
        assert_eq!(report["ok"], false, "{report}");
        site.done(&["verify", "--organisation", "montreal"]);
    }
}

/// What a key is known by: `gk_<prefix>`. The secret after it may hold any letter of base64.
fn public_part(key: &str) -> &str {
    let (at, _) = key.match_indices('_').nth(1).expect("a key has two parts");
    &key[..at]
}

async fn tamper_with_a_read_row(databases: &Databases) {
    let entry = entry(databases, "boston").await;
    let read = databases.read(&entry).await.expect("the read models open");
    let serving = "select version, generation from read_model where name = 'public_requests' and state = 'serving'";
    let (version, generation): (i64, i64) = read.fetch_one(Statement::new(serving, vec![])).await.expect("one serves");
    let sql = "update @table set channel = 'elsewhere' where request = (select min(request) from @table)";
    let tampered = Statement::new(sql, vec![]).table(&format!("public_requests_v{version}_g{generation}"));
    assert_eq!(read.execute(tampered).await.expect("the row is there"), 1);
}

async fn flip_a_byte_of_the_log(databases: &Databases) {
    let entry = entry(databases, "boston").await;
    let log = databases.log(&entry).await.expect("the log opens");
    let id = i64::from(entry.id);
    let read = Statement::new("select payload from event where log = $1 and position = 9", vec![id.into()]);
    let (mut payload,): (Vec<u8>,) = log.fetch_one(read).await.expect("an event");
    payload[0] ^= 1;
    let sql = "update event set payload = $2 where log = $1 and position = 9";
    assert_eq!(log.execute(Statement::new(sql, vec![id.into(), payload.into()])).await.expect("it writes"), 1);
}

on_both_databases! {
    async fn a_server_and_a_worker_of_their_own_keep_the_read_models_current(fresh: Fresh) {
        let site = Site::new(&fresh);
        let server = site.serve(&["--no-work"]);
        let agent = Client::new(&server, &site.key("ville_quebec", "agent"));
        // What is posted is taken while no read model was ever filled.
        let first = post(&agent, "12, rue Saint-Jean").await;
        let unfilled = readiness(&server, |text| text != "ok\n").await;
        assert!(unfilled.starts_with("ok\n") && unfilled.contains("deadline_queue was never filled"), "{unfilled}");
        let gauge = "guichet_projection_unfilled{organisation=\"boston\",projection=\"deadline_queue\"} 1";
        assert!(agent.get("/metrics").await.expect(200).text.contains(gauge));

        let worker = site.work(&[]);
        assert_eq!(readiness(&server, |text| text == "ok\n").await, "ok\n");
        let second = post(&agent, "14, rue Saint-Jean").await;
        let queue = agent.get(&format!("/api/v1/queue?after={second}")).await.expect(200).json();
        assert_eq!(queue["items"].as_array().map(Vec::len), Some(2), "{first} {queue}");

        let operator = Client::new(&worker, "");
        readiness(&worker, |text| text == "ok\n").await;
        assert_eq!(operator.get("/healthz").await.expect(200).text, "ok\n");
        assert_eq!(operator.get("/nothing").await.status, 404);
        let watched = operator.get("/metrics").await.expect(200).text;
        for measure in ["lag_positions", "lag_seconds", "stopped", "unfilled"] {
            let line = format!("guichet_projection_{measure}{{organisation=\"ville_quebec\",projection=\"deadline_queue\"}} 0");
            // A lag in seconds is seldom quite nothing.
            let found = if measure == "lag_seconds" { &line[..line.len() - 1] } else { &line };
            assert!(watched.contains(found), "no {line} in {watched}");
        }
        let of_the_server = agent.get("/metrics").await.expect(200).text;
        assert!(of_the_server.contains("guichet_append_seconds") && !of_the_server.contains("guichet_projection_lag"));

        worker.kill();
        stop_a_read_model(&fresh).await;
        let stopped = readiness(&server, |text| text != "ok\n").await;
        assert_eq!(stopped, "ok\nboston: deadline_queue has stopped at position 1\n");
        post(&agent, "16, rue Saint-Jean").await;
    }
}

/// A request that makes a promise; the token that waits for it.
async fn post(agent: &Client, address: &str) -> String {
    let request = json!({
        "channel": "phone", "product": "abattage_arbre",
        "answers": { "danger": "non", "etat": "mort", "terrain": "rue" },
        "place": { "address": address },
    });
    let created = agent.post("/api/v1/requests", request, &[("idempotency-key", address)]).await.expect(201).json();
    created["after"].as_str().expect("a token").to_owned()
}

/// The text of a ready process, once it is as wanted: the process asks its database every two seconds.
async fn readiness(server: &Server, wanted: impl Fn(&str) -> bool) -> String {
    let client = Client::new(server, "");
    let asked = Instant::now();
    let mut looks = interval(Duration::from_millis(50));
    loop {
        looks.tick().await;
        let answer = client.get("/readyz").await;
        if answer.status == 200 && wanted(&answer.text) {
            return answer.text;
        }
        assert!(asked.elapsed() < Duration::from_secs(30), "still {}: {}", answer.status, answer.text);
    }
}

/// As a worker leaves it that met an event it cannot fold.
async fn stop_a_read_model(databases: &Databases) {
    let entry = entry(databases, "boston").await;
    let read = databases.read(&entry).await.expect("the read models open");
    let sql = "update read_model set failure = 'it cannot be folded', failed_at = 1 where name = 'deadline_queue'";
    assert!(read.execute(Statement::new(sql, vec![])).await.expect("the registry writes") > 0);
}

#[test]
fn the_declaration_of_boston_says_what_the_city_did() {
    let site = Site::on_sqlite();
    let report: Value = serde_json::from_str(&site.done(&["oracle", "--json"])).expect("JSON");
    let figure = |name: &str| report[name].as_f64().expect("a figure");
    assert!(figure("reproduced") / figure("with_due_date") >= 0.985, "{report}");
    assert!(!site.path("data").exists(), "the oracle needs no database");

    // A city that keeps other days than its declaration says is found out.
    let file = site.path("late.csv");
    std::fs::write(&file, first_rows(20).replace("2011-07-15", "2011-07-14")).expect("write the rows");
    let oracle = site.run(&["oracle", path(&file)]);
    assert_eq!(oracle.status.code(), Some(3), "{}", String::from_utf8_lossy(&oracle.stderr));
}

#[test]
fn a_second_demo_finds_everything_there() {
    let site = Site::on_sqlite();
    let folder = site.path("demo");
    let demo = || site.done(&["demo", "--no-serve", "--dir", path(&folder)]);
    let (first, second) = (demo(), demo());
    for (organisation, requests) in [("montreal", 1_635), ("boston", 9_854)] {
        let imported = format!("{organisation}: {requests} requests imported");
        assert!(first.contains(&imported), "{first}");
        let again = format!("{organisation}: 0 requests imported as 0 events");
        let there = format!("({requests} were there already");
        assert!(second.contains(&again) && second.contains(&there), "{second}");
    }
    let figures = |said: &str| -> Vec<String> {
        said.lines().filter(|line| line.contains("still open")).map(str::to_owned).collect()
    };
    assert_eq!(figures(&first), figures(&second));
    assert_eq!(figures(&first).len(), 2);
    site.done(&["verify", "--database", &format!("sqlite:{}", path(&folder.join("data")))]);
}
