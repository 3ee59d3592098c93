//! The statistics agree with a script that shares no code with the program, row by row of what two cities published.

use std::{collections::BTreeMap, path::Path, process::Command};

use db::Databases;
use event_store::EventStore;
use projections::{
    ReadModels,
    statistics::{self, Dimension, Period, Selection},
};
use serde_json::Value;
use testkit::on_both_databases;

use crate::{
    harness::Site,
    imports::{MONTREAL, first_rows},
};

/// Boston's first requests of July 2011.
const ROWS: usize = 3_000;

type Counts = BTreeMap<String, i64>;

on_both_databases! {
    async fn statistics_agree_with_a_script_that_shares_no_code(fresh: Fresh) {
        let site = Site::new(&fresh);
        let boston = site.path("requests.csv");
        std::fs::write(&boston, first_rows(ROWS)).expect("write the rows");
        let boston = boston.to_str().expect("UTF-8");
        for (city, file) in [("boston", boston), ("montreal", MONTREAL)] {
            let mapping = format!("mappings/{city}.toml");
            site.done(&["import", "--mapping", &mapping, file]);
            agree(&fresh, city, &script(city, file)).await;
        }
    }
}

async fn agree(databases: &Databases, city: &str, counted: &Value) {
    let models = models(databases, city).await;
    let everything = Selection::default();
    let words = Words::of(city);

    let months = statistics::volume(&models, &everything, Some(Period::Month), None).await.expect("volume by month");
    let by_month = |count: fn(&statistics::Volume) -> i64| -> Counts {
        months.iter().map(|line| (line.period.clone(), count(line))).filter(|(_, count)| *count > 0).collect()
    };
    assert_eq!(by_month(|line| line.opened), counts(&counted["opened"]), "{city}: opened by month");
    assert_eq!(by_month(|line| line.closed), counts(&counted["closed"]), "{city}: closed by month");

    for (dimension, name, table) in
        [(Dimension::Product, "type", &words.products), (Dimension::Channel, "channel", &words.channels)]
    {
        let lines = statistics::volume(&models, &everything, None, Some(dimension)).await.expect("volume");
        let told: Counts = lines.into_iter().map(|line| (line.value, line.opened)).collect();
        let expected: Counts = counts(&counted[name]).into_iter().map(|(word, n)| (code(table, &word), n)).collect();
        assert_eq!(told, expected, "{city}: opened by {name}");
    }

    let backlog = statistics::backlog(&models, &everything).await.expect("backlog");
    assert_eq!(Some(backlog), counted["open"].as_i64(), "{city}: still open");

    let promises = statistics::promises(&models, &everything, Some(Period::Month), None).await.expect("promises");
    let mut told: BTreeMap<String, [i64; 3]> = BTreeMap::new();
    for line in promises {
        let month = told.entry(line.period).or_default();
        *month = [month[0] + line.owed, month[1] + line.kept, month[2] + line.missed];
    }
    let expected = counted["promises_by_month"].as_object().expect("an object").iter();
    let expected: BTreeMap<String, [i64; 3]> = expected
        .map(|(month, of)| {
            (month.clone(), ["owed", "kept", "missed"].map(|name| of[name].as_i64().unwrap_or_default()))
        })
        .collect();
    assert_eq!(told, expected, "{city}: promises owed, kept and missed by month");
}

/// What the files under `declarations/` and `mappings/` call the words of the source.
struct Words {
    products: BTreeMap<String, String>,
    channels: BTreeMap<String, String>,
}

impl Words {
    fn of(city: &str) -> Self {
        let read = |folder: &str| -> toml::Table {
            let path = root().join(format!("{folder}/{city}.toml"));
            std::fs::read_to_string(path).expect("the file reads").parse().expect("it is TOML")
        };
        let (declaration, mapping) = (read("declarations"), read("mappings"));
        let text = |value: &toml::Value| value.as_str().expect("a text").to_owned();
        let products = declaration["products"].as_array().expect("products").iter();
        let products = products.flat_map(|product| {
            let label = &product["label"];
            [&label["fr"], &label["en"]].map(|words| (spaced(&text(words)), text(&product["code"])))
        });
        let channels = mapping["channel"]["values"].as_table().expect("channels").iter();
        Self {
            products: products.collect(),
            channels: channels.map(|(word, code)| (spaced(word), text(code))).collect(),
        }
    }
}

fn code(table: &BTreeMap<String, String>, word: &str) -> String {
    table.get(&spaced(word)).unwrap_or_else(|| panic!("nothing declares {word:?}")).clone()
}

/// The source left its commas out, and the spaces beside them in.
fn spaced(words: &str) -> String {
    words.split([',', ' ']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn script(city: &str, file: &str) -> Value {
    let output = Command::new("python3")
        .arg(root().join("tests/count_statistics.py"))
        .args([city, file])
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

async fn models(databases: &Databases, slug: &str) -> ReadModels {
    let logs = databases.logs().await.expect("the directory reads");
    let entry = logs.into_iter().find(|entry| entry.slug == slug).expect("the city has a log");
    let log = databases.log(&entry).await.expect("the log opens");
    let store = EventStore::open(log, &entry).await.expect("the log opens");
    let read = databases.read(&entry).await.expect("the read models open");
    ReadModels::open(store, read).await.expect("the read models open")
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
