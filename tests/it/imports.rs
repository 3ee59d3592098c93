//! Real rows, imported: killed at any moment and run again, the log ends as an undisturbed import would have left it.

use std::process::{Child, Stdio};

use db::{Databases, Db, LogEntry, Statement};
use serde_json::Value;
use testkit::{Fresh, on_both_databases};
use uuid::Uuid;

use crate::harness::Site;

const FILE: &str = "data/boston/requests_2011-07_to_10.csv.gz";

/// Boston's first week of July 2011.
const IMPORT: [&str; 7] = ["import", "--mapping", "mappings/boston.toml", "--until", "2011-07-08", "--json", FILE];

/// What an event says, wherever it stands in the log.
type Content = Vec<(String, i64, Uuid, String, Vec<u8>)>;

on_both_databases! {
    async fn an_import_killed_at_any_moment_and_run_again_ends_as_an_undisturbed_one(fresh: Fresh) {
        let calm = undisturbed();
        let expected = calm.content().await;
        let site = Imported::new(Site::new(&fresh), fresh.clone()).await;
        let mut interrupted = 0;
        for part in 1..=3 {
            let target = (expected.len() * part / 4) as i64;
            let mut import = site.start();
            let position = site.reach(target, &mut import).await;
            let _ = import.kill();
            import.wait().expect("the import is reaped");
            interrupted += usize::from(position < expected.len() as i64);
        }
        assert!(interrupted > 0, "every import ended before it was killed");

        let report = site.import();
        assert_eq!(report["rejected"], 0);
        assert!(report["already"].as_u64() > Some(0), "{report}");
        assert_eq!(site.content().await, expected);

        let again = site.import();
        assert_eq!((&again["imported"], &again["events"]), (&Value::from(0), &Value::from(0)), "{again}");
        assert_eq!(site.content().await, expected, "a second import changes nothing");
        site.site.done(&["verify"]);
    }
}

struct Imported {
    site: Site,
    databases: Databases,
}

/// An import into a SQLite folder of its own that nobody disturbs.
fn undisturbed() -> Calm {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let database = format!("sqlite:{}", dir.path().join("data").display());
    let site = Site { dir, database };
    site.done(&["migrate"]);
    site.done(&IMPORT);
    Calm { site }
}

struct Calm {
    site: Site,
}

impl Calm {
    async fn content(&self) -> Content {
        let location = self.site.database.parse().expect("a location");
        let databases = Databases::open(&location).await.expect("the database opens");
        let content = content(&databases).await;
        databases.close().await;
        content
    }
}

impl Imported {
    async fn new(site: Site, databases: Databases) -> Self {
        site.done(&["migrate"]);
        Self { site, databases }
    }

    fn start(&self) -> Child {
        self.site.command(&IMPORT).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("start the import")
    }

    fn import(&self) -> Value {
        serde_json::from_str(&self.site.done(&IMPORT)).expect("the report is JSON")
    }

    /// Waits until the log holds that many events, or the import has ended.
    async fn reach(&self, target: i64, import: &mut Child) -> i64 {
        let (db, entry) = log(&self.databases).await;
        loop {
            let sql = "select position from log_head where log = $1";
            let head = Statement::new(sql, vec![i64::from(entry.id).into()]);
            let (position,) = db.fetch_one::<(i64,)>(head).await.expect("the head reads");
            if position >= target || import.try_wait().expect("the import is there").is_some() {
                return position;
            }
        }
    }

    async fn content(&self) -> Content {
        content(&self.databases).await
    }
}

/// Everything but the declarations, whose instants are those of the start.
async fn content(databases: &Databases) -> Content {
    let (db, entry) = log(databases).await;
    let sql = "select stream, revision, id, kind, payload
               from event
               where log = $1 and stream not like 'declaration-%'
               order by stream, revision";
    db.fetch_all(Statement::new(sql, vec![i64::from(entry.id).into()])).await.expect("the log reads")
}

async fn log(databases: &Databases) -> (Db, LogEntry) {
    let logs = databases.logs().await.expect("the directory reads");
    let entry = logs.into_iter().find(|entry| entry.slug == "boston").expect("Boston has a log");
    (databases.log(&entry).await.expect("the log opens"), entry)
}
