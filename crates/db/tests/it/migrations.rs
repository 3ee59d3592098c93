//! The two migrations are written by hand; what they make must have the same columns.

use std::collections::BTreeMap;

/// table → its columns in order, with their types.
type Tables = BTreeMap<String, Vec<(String, String)>>;

const FILES: [(&str, &str); 3] = [
    (
        include_str!("../../../../migrations/sqlite/0001_directory.sql"),
        include_str!("../../../../migrations/postgres/0001_directory.sql"),
    ),
    (
        include_str!("../../../../migrations/sqlite/0002_event_log.sql"),
        include_str!("../../../../migrations/postgres/0002_event_log.sql"),
    ),
    (
        include_str!("../../../../migrations/sqlite/0003_vault.sql"),
        include_str!("../../../../migrations/postgres/0003_vault.sql"),
    ),
];

fn tables(sql: &str) -> Tables {
    let mut tables = Tables::new();
    let mut current: Option<String> = None;
    for line in sql.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("create table ") {
            current = Some(name.trim_end_matches(" (").to_owned());
        } else if line.starts_with(')') {
            current = None;
        } else if let Some(table) = &current
            && !line.starts_with("primary key")
            && !line.starts_with("unique")
        {
            let mut words = line.trim_end_matches(',').split(' ');
            let mut word = || words.next().unwrap_or_default().to_owned();
            let (name, kind) = (word(), word());
            let null = if line.contains("not null") { "" } else { " null" };
            tables.entry(table.clone()).or_default().push((name, format!("{}{null}", common(&kind))));
        }
    }
    tables
}

/// What PostgreSQL's types are in a strict SQLite table.
fn common(kind: &str) -> &'static str {
    match kind {
        "bigint" | "integer" | "smallint" | "boolean" => "integer",
        "text" | "uuid" | "timestamptz" => "text",
        "bytea" | "blob" => "blob",
        other => panic!("a type that this house does not use: {other}"),
    }
}

#[test]
fn both_migrations_make_the_same_columns() {
    for (sqlite, postgres) in FILES {
        let made = tables(sqlite);
        assert!(!made.is_empty());
        assert_eq!(made, tables(postgres));
    }
}

#[test]
fn every_key_starts_with_the_log() {
    // The directory, and the keys beside it, are read before a log is known.
    for (sqlite, postgres) in &FILES[1..] {
        for sql in [sqlite, postgres] {
            for line in sql.lines().map(str::trim) {
                let key = ["primary key", "unique", "create index", "create unique index"];
                if key.iter().any(|key| line.starts_with(key)) {
                    assert!(line.contains("(log, ") || line.contains("(log)"), "{line}");
                }
            }
            for forbidden in ["references", "trigger", "sequence", "serial", "generated", "jsonb"] {
                assert!(!sql.contains(forbidden), "{forbidden}");
            }
        }
    }
}
