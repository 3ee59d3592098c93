//! A file as dirty as Ottawa's, imported twice: rows without an identifier, each a request of its own.
//!
//! `tests/data/ottawa_like.csv` is made up, with the shape and the dirt of what that city publishes: two date formats, three
//! spellings of a ward, an employee's name typed over one, equal rows, empty cells, cut rows, a clock time that spring skips.

use std::collections::BTreeMap;

use db::Statement;
use serde_json::Value;
use testkit::on_both_databases;

use crate::{
    harness::{self, Site},
    imports::content,
};

const FILE: &str = "tests/data/ottawa_like.csv";

/// The exit code of an import that has taken every row but some.
const REJECTS: i32 = 4;

/// What it says of the rows that it cannot take: where and why. The last of them names a product that nobody declared.
const REJECTED: &str = "\
line,reason
9,creation_date is empty
10,creation_date is in none of the formats of the mapping
14,call_type is empty
15,priority_name is empty
16,not a row of this file
18,refused: the declaration has no product";

on_both_databases! {
    async fn dirty_rows_are_taken_once_each_and_the_others_told(fresh: Fresh) {
        let site = Site::new(&fresh);
        let (first, rejects) = import(&site);
        assert_eq!(figures(&first), [17, 11, 0, 6], "{first}");
        assert!(rejects.starts_with(REJECTED) && rejects.lines().count() == 7, "{rejects}");

        let events = content(&fresh, "ottawa").await;
        let typed_over = |payload: &[u8]| payload.windows(9).any(|bytes| bytes == b"employe00");
        assert!(!events.iter().any(|(.., payload)| typed_over(payload)), "a name typed over a ward went into the log");

        let (again, rejects) = import(&site);
        assert_eq!(figures(&again), [17, 0, 11, 6], "{again}");
        assert_eq!(again["events"], 0);
        assert!(rejects.starts_with(REJECTED) && rejects.lines().count() == 7, "{rejects}");
        assert!(content(&fresh, "ottawa").await == events, "a second import changed something");

        let entry = harness::entry(&fresh, "ottawa").await;
        let views = fresh.read(&entry).await.expect("the read models open");
        let areas: Vec<(String, i64)> = views
            .fetch_all(Statement::new("select coalesce(area, ''), count(*) from request_facts group by area", vec![]))
            .await
            .expect("the view reads");
        let expected = [("", 3), ("ward_12", 1), ("ward_14", 3), ("ward_2", 3), ("ward_3", 1)];
        assert_eq!(BTreeMap::from_iter(areas), expected.map(|(area, count)| (area.to_owned(), count)).into());

        // Three equal rows, three requests; what is equal but for its spelling is not equal.
        for (opened_at, requests) in [
            ("2014-03-26T13:18:00.000000Z", 3),
            ("2014-01-14T18:48:01.000000Z", 2),
            // Spring skips 2:30: as much later, which is 3:30 on the clock.
            ("2014-03-09T07:30:00.000000Z", 1),
        ] {
            let opened_at: chrono::DateTime<chrono::Utc> = opened_at.parse().expect("an instant");
            let sql = "select count(distinct number) from public_requests where requested_at = $1";
            let found = views.fetch_one::<(i64,)>(Statement::new(sql, vec![opened_at.into()])).await.expect("the view reads");
            assert_eq!(found, (requests,), "{opened_at}");
        }
        site.done(&["verify"]);
        site.done(&["check", "--organisation", "ottawa"]);
    }
}

/// The report of an import, and what it wrote about the rejected rows.
fn import(site: &Site) -> (Value, String) {
    let rejects = site.path("ottawa.rej");
    let rejected = rejects.to_str().expect("UTF-8");
    let output = site.run(&["import", "--mapping", "mappings/ottawa.toml", "--rejects", rejected, "--json", FILE]);
    assert_eq!(output.status.code(), Some(REJECTS), "{}", String::from_utf8_lossy(&output.stderr));
    let report = serde_json::from_slice(&output.stdout).expect("the report is JSON");
    (report, std::fs::read_to_string(rejects).expect("the rejects read"))
}

/// Rows, imported, already there, rejected.
fn figures(report: &Value) -> [u64; 4] {
    ["rows", "imported", "already", "rejected"].map(|name| report[name].as_u64().expect("a count"))
}
