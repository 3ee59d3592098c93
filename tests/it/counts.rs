//! The statistics and the queue agree with a script that shares no code with the program, over what two cities published.
//!
//! The first rows of Boston, and all of Montréal; with `GUICHET_TEST_WHOLE_FILES` set, as every night, all of both.

use std::{collections::BTreeMap, path::Path, process::Command};

use db::{Databases, Db, Statement};
use domain::{time::Instant, words::Code};
use projections::{
    Page, ReadModels,
    deadline_queue::{self, Window},
    statistics::{self, Delay, Delays, Dimension, Period, Selection, Volume},
};
use serde_json::Value;
use testkit::on_both_databases;

use crate::{
    harness::{self, Site},
    imports::{BOSTON, MONTREAL, first_rows},
};

/// Boston's first requests of July 2011: enough for every kind of promise, few enough for every change.
const ROWS: usize = 3_000;

/// When the queue is looked at: of what Boston still owes, a part is overdue then. On the clocks of the cities, and in UTC.
const LOOKED_AT: (&str, &str) = ("2011-10-01 00:00:00", "2011-10-01T04:00:00Z");

type Counts = BTreeMap<String, i64>;

on_both_databases! {
    async fn figures_agree_with_a_script_that_shares_no_code(fresh: Fresh) {
        let site = Site::new(&fresh);
        let first = site.path("requests.csv");
        std::fs::write(&first, first_rows(ROWS)).expect("write the rows");
        let boston = if whole_files() { BOSTON } else { first.to_str().expect("UTF-8") };
        for (city, file) in [("boston", boston), ("montreal", MONTREAL)] {
            let mapping = format!("mappings/{city}.toml");
            site.done(&["import", "--mapping", &mapping, file]);
            let counted = script(city, file);
            let city = City::open(&fresh, city, counted).await;
            city.agrees_on_requests().await;
            city.agrees_on_promises().await;
            city.agrees_on_verdicts().await;
            city.agrees_on_delays().await;
            city.agrees_on_the_queue().await;
        }
    }
}

/// One city as the program answers for it, beside what the script has counted.
struct City<'a> {
    name: &'a str,
    models: ReadModels,
    /// Where analysts find the views.
    views: Db,
    words: Words,
    counted: Value,
}

impl<'a> City<'a> {
    async fn open(databases: &Databases, name: &'a str, counted: Value) -> Self {
        let entry = harness::entry(databases, name).await;
        let views = databases.read(&entry).await.expect("the read models open");
        let models = harness::models(databases, name).await;
        Self { name, models, views, words: Words::of(name), counted }
    }

    async fn agrees_on_requests(&self) {
        let months = self.volume(Some(Period::Month), None).await;
        let by_month = |count: fn(&Volume) -> i64| -> Counts {
            months.iter().map(|line| (line.period.clone(), count(line))).filter(|(_, count)| *count > 0).collect()
        };
        assert_eq!(by_month(|line| line.opened), counts(&self.counted["opened"]), "{}: opened by month", self.name);
        assert_eq!(by_month(|line| line.closed), counts(&self.counted["closed"]), "{}: closed by month", self.name);

        for (dimension, name, codes) in [
            (Dimension::Product, "type", &self.words.products),
            (Dimension::Channel, "channel", &self.words.channels),
            (Dimension::Area, "area", &self.words.areas),
        ] {
            let lines = self.volume(None, Some(dimension)).await;
            let told: Counts = lines.into_iter().map(|line| (line.value, line.opened)).collect();
            let mut expected = Counts::new();
            for (word, count) in counts(&self.counted[name]) {
                *expected.entry(code(codes, &word)).or_default() += count;
            }
            assert_eq!(told, expected, "{}: opened by {name}", self.name);
        }

        let backlog = statistics::backlog(&self.models, &Selection::default()).await.expect("backlog");
        assert_eq!(Some(backlog), self.counted["open"].as_i64(), "{}: still open", self.name);
    }

    async fn volume(&self, period: Option<Period>, by: Option<Dimension>) -> Vec<Volume> {
        statistics::volume(&self.models, &Selection::default(), period, by).await.expect("volume")
    }

    async fn agrees_on_promises(&self) {
        let everything = Selection::default();
        let lines = statistics::promises(&self.models, &everything, Some(Period::Month), None).await.expect("promises");
        let mut told: BTreeMap<String, Counts> = BTreeMap::new();
        for line in lines {
            let month = told.entry(line.period).or_default();
            for (state, count) in [("owed", line.owed), ("kept", line.kept), ("missed", line.missed)] {
                if count > 0 {
                    *month.entry(state.to_owned()).or_default() += count;
                }
            }
        }
        assert_eq!(told, nested(&self.counted["promises_by_month"]), "{}: promises by month", self.name);
    }

    /// The city's own word about each of its due dates, beside what became of the promise; asked of the views, as
    /// analysts do.
    async fn agrees_on_verdicts(&self) {
        // The import turns the source's word into a code: of these words, the same in lower case.
        let coded = |word: &String| word.to_lowercase();
        let sql = "select coalesce(source_verdict, ''), count(*) from request_facts group by source_verdict";
        let told: Counts = self.asked::<(String, i64)>(sql).await.into_iter().collect();
        let expected: Counts =
            counts(&self.counted["verdict"]).into_iter().map(|(word, count)| (coded(&word), count)).collect();
        assert_eq!(told, expected, "{}: verdicts", self.name);

        let sql = "select coalesce(request_facts.source_verdict, ''), promise_facts.state, count(*)
                   from promise_facts
                   join request_facts on request_facts.request = promise_facts.request
                   where promise_facts.basis = 'source'
                   group by request_facts.source_verdict, promise_facts.state";
        let mut told: BTreeMap<String, Counts> = BTreeMap::new();
        for (verdict, state, count) in self.asked::<(String, String, i64)>(sql).await {
            told.entry(verdict).or_default().insert(state, count);
        }
        let expected: BTreeMap<String, Counts> =
            nested(&self.counted["judged"]).into_iter().map(|(word, of)| (coded(&word), of)).collect();
        assert_eq!(told, expected, "{}: promises by verdict", self.name);
    }

    async fn agrees_on_delays(&self) {
        assert_eq!(self.delays(None).await, percentiles(&self.counted["delay"]), "{}: delays", self.name);
        for (word, counted) in self.counted["delay_by_type"].as_object().expect("an object") {
            let product = code(&self.words.products, word).parse().expect("a code");
            assert_eq!(self.delays(Some(product)).await, percentiles(counted), "{}: delays of {word}", self.name);
        }
    }

    async fn delays(&self, product: Option<Code>) -> Delays {
        let selection = Selection { product, ..Selection::default() };
        statistics::delays(&self.models, &selection, Delay::Closing).await.expect("delays")
    }

    async fn agrees_on_the_queue(&self) {
        let now: Instant = LOOKED_AT.1.parse().expect("an instant");
        let mut expected: BTreeMap<&str, Counts> =
            BTreeMap::from([("open", Counts::new()), ("overdue", Counts::new())]);
        for (word, of) in nested(&self.counted["queue"]) {
            for (window, products) in &mut expected {
                if let Some(count) = of.get(*window).filter(|count| **count > 0) {
                    products.insert(code(&self.words.products, &word), *count);
                }
            }
        }
        for (name, window) in [("open", Window::Open), ("overdue", Window::Overdue { now })] {
            assert_eq!(self.owed(window).await, expected[name], "{}: the queue, {name}", self.name);
        }
        let sql = "select product, count(*) from deadline_queue where due_at <= $1 and not paused group by product";
        let overdue = self.views.fetch_all(Statement::new(sql, vec![now.into()])).await.expect("the view reads");
        assert_eq!(Counts::from_iter(overdue), expected["overdue"], "{}: the view of the queue, overdue", self.name);

        let total = |name: &str| expected[name].values().sum::<i64>();
        let promised = self.counted["promises"].as_object().is_some_and(|promises| !promises.is_empty());
        assert!(
            !promised || (0 < total("overdue") && total("overdue") < total("open")),
            "{}: it is a choice",
            self.name
        );
    }

    /// One part of the queue, page after page, by product.
    async fn owed(&self, window: Window) -> Counts {
        let filter = deadline_queue::Filter { window, ..deadline_queue::Filter::default() };
        let mut page = Page { limit: 100, after: None, skip: 0 };
        let mut owed = Counts::new();
        loop {
            let rows = deadline_queue::list(&self.models, &filter, &page).await.expect("the queue reads");
            let Some(last) = rows.last() else { return owed };
            page.after = Some(deadline_queue::Cursor::of(last));
            for row in rows {
                *owed.entry(row.product.to_string()).or_default() += 1;
            }
        }
    }

    async fn asked<R: db::ReadRow + Send + 'static>(&self, sql: &'static str) -> Vec<R> {
        self.views.fetch_all(Statement::new(sql, vec![])).await.expect("the views read")
    }
}

/// What the files under `declarations/` and `mappings/` call the words of the source.
struct Words {
    products: BTreeMap<String, String>,
    channels: BTreeMap<String, String>,
    areas: BTreeMap<String, String>,
}

impl Words {
    fn of(city: &str) -> Self {
        let read = |folder: &str| -> toml::Table {
            let path = root().join(format!("{folder}/{city}.toml"));
            std::fs::read_to_string(path).expect("the file reads").parse().expect("it is TOML")
        };
        let (declaration, mapping) = (read("declarations"), read("mappings"));
        let text = |value: &toml::Value| value.as_str().expect("a text").to_owned();
        let labelled = |name: &str| {
            let all = declaration[name].as_array().expect("a list").iter();
            let labels = all.flat_map(|one| {
                let label = &one["label"];
                [&label["fr"], &label["en"]].map(|words| (spaced(&text(words)), text(&one["code"])))
            });
            labels.collect()
        };
        let channels = mapping["channel"]["values"].as_table().expect("channels").iter();
        Self {
            products: labelled("products"),
            channels: channels.map(|(word, code)| (spaced(word), text(code))).collect(),
            areas: labelled("areas"),
        }
    }
}

/// No word, no code.
fn code(table: &BTreeMap<String, String>, word: &str) -> String {
    if word.is_empty() {
        return String::new();
    }
    table.get(&spaced(word)).unwrap_or_else(|| panic!("nothing declares {word:?}")).clone()
}

/// The source left its commas out, and the spaces beside them in.
fn spaced(words: &str) -> String {
    words.split([',', ' ']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn script(city: &str, file: &str) -> Value {
    let output = Command::new("python3")
        .arg(root().join("tests/count_statistics.py"))
        .args([city, file, "--at", LOOKED_AT.0])
        .current_dir(root())
        .output()
        .expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("it prints JSON")
}

fn counts(of: &Value) -> Counts {
    let of = of.as_object().expect("an object").iter();
    of.map(|(word, count)| (word.clone(), count.as_i64().expect("a count"))).collect()
}

fn nested(of: &Value) -> BTreeMap<String, Counts> {
    of.as_object().expect("an object").iter().map(|(word, of)| (word.clone(), counts(of))).collect()
}

fn percentiles(of: &Value) -> Delays {
    let count = of["requests"].as_i64().unwrap_or_default();
    Delays { count, median_seconds: of["p50"].as_i64(), p90_seconds: of["p90"].as_i64() }
}

fn whole_files() -> bool {
    #[expect(clippy::disallowed_methods, reason = "tests have no configuration file")]
    std::env::var_os("GUICHET_TEST_WHOLE_FILES").is_some()
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
