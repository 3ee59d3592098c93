//! Real rows, imported: killed at any moment and run again, the log ends as an undisturbed import would have left it.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Stdio},
    time::Duration,
};

use db::{Databases, Db, LogEntry, Statement};
use flate2::read::GzDecoder;
use serde_json::Value;
use testkit::on_both_databases;
use uuid::Uuid;

use crate::harness::{self, Site};

pub(crate) const BOSTON: &str = "data/boston/requests_2011-07_to_10.csv.gz";
pub(crate) const MONTREAL: &str = "data/montreal/rats_2016-2017.json.gz";

/// Boston's first requests of July 2011: enough to be in the middle of, few enough to be read six times.
const ROWS: usize = 1_200;

/// What an event says, wherever it stands in the log.
pub(crate) type Content = Vec<(String, i64, Uuid, String, Vec<u8>)>;

on_both_databases! {
    async fn an_import_killed_at_any_moment_and_run_again_ends_as_an_undisturbed_one(fresh: Fresh) {
        let site = Site::new(&fresh);
        let file = site.path("requests.csv");
        std::fs::write(&file, first_rows(ROWS)).expect("write the rows");
        let file = file.to_str().expect("UTF-8");
        let expected = undisturbed(file).await;
        site.done(&["migrate"]);
        let mut interrupted = 0;
        for part in 1..=3 {
            let mut import = site.command(&arguments(file)).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("start");
            let position = reach(&fresh, (expected.len() * part / 4) as i64, &mut import).await;
            let _ = import.kill();
            import.wait().expect("the import is reaped");
            interrupted += usize::from(position < expected.len() as i64);
        }
        assert!(interrupted > 0, "every import ended before it was killed");

        let report = import(&site, file);
        assert_eq!(report["rejected"], 0, "{report}");
        assert!(report["already"].as_u64() > Some(0), "{report}");
        assert!(content(&fresh, "boston").await == expected, "the content is another one");

        let again = import(&site, file);
        assert_eq!((&again["imported"], &again["events"]), (&Value::from(0), &Value::from(0)), "{again}");
        assert!(content(&fresh, "boston").await == expected, "a second import changed something");
        site.done(&["verify"]);
    }
}

pub(crate) fn first_rows(rows: usize) -> String {
    let packed = include_bytes!("../../data/boston/requests_2011-07_to_10.csv.gz");
    let lines = BufReader::new(GzDecoder::new(packed.as_slice())).lines();
    lines.take(rows + 1).map(|line| line.expect("the file reads") + "\n").collect()
}

fn arguments(file: &str) -> [&str; 5] {
    ["import", "--mapping", "mappings/boston.toml", "--json", file]
}

fn import(site: &Site, file: &str) -> Value {
    serde_json::from_str(&site.done(&arguments(file))).expect("the report is JSON")
}

/// The content that an import leaves which nobody disturbs, on SQLite.
async fn undisturbed(file: &str) -> Content {
    let site = Site::on_sqlite();
    site.done(&["migrate"]);
    site.done(&arguments(file));
    let databases = Databases::open(&site.database.parse().expect("a location")).await.expect("the database opens");
    let content = content(&databases, "boston").await;
    databases.close().await;
    content
}

/// Waits until the log holds that many events, or the import has ended.
async fn reach(databases: &Databases, target: i64, import: &mut Child) -> i64 {
    let (db, entry) = log(databases, "boston").await;
    let mut looks = tokio::time::interval(Duration::from_millis(5));
    loop {
        looks.tick().await;
        let sql = "select position from log_head where log = $1";
        let head = Statement::new(sql, vec![i64::from(entry.id).into()]);
        let (position,) = db.fetch_one::<(i64,)>(head).await.expect("the head reads");
        if position >= target || import.try_wait().expect("the import is there").is_some() {
            return position;
        }
    }
}

/// Everything but the declarations, whose instants are those of the start.
pub(crate) async fn content(databases: &Databases, slug: &str) -> Content {
    let (db, entry) = log(databases, slug).await;
    let sql = "select stream.name, event.revision, event.id, event.kind, event.payload
               from event
               join stream on stream.log = event.log and stream.first_position = event.stream
               where event.log = $1 and stream.name not like 'declaration-%'
               order by stream.name, event.revision";
    db.fetch_all(Statement::new(sql, vec![i64::from(entry.id).into()])).await.expect("the log reads")
}

async fn log(databases: &Databases, slug: &str) -> (Db, LogEntry) {
    let entry = harness::entry(databases, slug).await;
    (databases.log(&entry).await.expect("the log opens"), entry)
}
