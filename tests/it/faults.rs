//! A few faults of machine, database and network of each kind, with everything a soak checks; `docs/reliability.md` has the
//! commands for more of them.

use std::process::Command;

use serde_json::Value;
use soak::Fault;

/// Only its scheme is looked at: a fault of PostgreSQL's makes a cluster of its own.
const POSTGRES: &str = "postgres://";

struct Verdict {
    code: Option<i32>,
    report: Value,
}

/// Runs `guichet soak`; none, said loudly, where the machine does not permit the fault.
fn soak(fault: &str, database: &str, more: &[&str]) -> Option<Verdict> {
    let kind: Fault = fault.parse().expect("a fault");
    if let Some(why) = kind.forbidden() {
        eprintln!("SKIPPED, {fault} was not tried: {why}");
        return None;
    }
    let dir = tempfile::tempdir().expect("a temporary folder");
    let database = match database {
        "sqlite" => format!("sqlite:{}", dir.path().display()),
        url => url.to_owned(),
    };
    let output = Command::new(env!("CARGO_BIN_EXE_guichet"))
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .args(["soak", "--json", "--faults", fault, "--database", &database])
        .args(more)
        .output()
        .expect("run guichet");
    let said = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("no report ({error}):\n{said}"));
    Some(Verdict { code: output.status.code(), report })
}

#[track_caller]
fn holds(fault: &str, database: &str) {
    if let Some(Verdict { code, report }) = soak(fault, database, &[]) {
        assert_eq!(code, Some(0), "{report:#}");
    }
}

#[test]
fn postgres_may_be_killed() {
    holds("pg-crash", POSTGRES);
}

#[test]
fn postgres_may_be_restarted() {
    holds("pg-restart", POSTGRES);
}

#[test]
fn sessions_may_be_ended() {
    holds("killed-backends", POSTGRES);
}

#[test]
fn connections_may_be_cut_on_sqlite() {
    holds("cut-connections", "sqlite");
}

#[test]
fn connections_may_be_cut_on_postgres() {
    holds("cut-connections", POSTGRES);
}

#[test]
fn a_disk_may_be_full_beneath_sqlite() {
    holds("disk-full", "sqlite");
}

#[test]
fn a_disk_may_be_full_beneath_postgres() {
    holds("disk-full", POSTGRES);
}

#[test]
fn a_disk_may_fail_beneath_sqlite() {
    holds("broken-disk", "sqlite");
}

#[test]
fn a_disk_may_fail_beneath_postgres() {
    holds("broken-disk", POSTGRES);
}

#[test]
fn the_power_may_go_on_sqlite() {
    holds("power-cut", "sqlite");
}

#[test]
fn the_power_may_go_on_postgres() {
    holds("power-cut", POSTGRES);
}

/// The harness sees a loss where there is one: commits that are answered before they are flushed.
#[test]
fn weak_settings_lose_what_was_acknowledged() {
    let weak = ["--postgres-setting", "synchronous_commit=off", "--postgres-setting", "wal_writer_delay=10s"];
    if let Some(Verdict { code, report }) = soak("power-cut", POSTGRES, &weak) {
        assert_eq!(code, Some(3), "{report:#}");
        let invariants = report["soaked"][0]["report"]["invariants"].as_array().expect("invariants");
        let durable = invariants.iter().find(|invariant| invariant["id"] == "I1").expect("the first one");
        assert!(durable["violations"].as_u64() > Some(0), "{report:#}");
    }
}

#[test]
fn a_standby_that_has_everything_takes_over() {
    holds("failover", POSTGRES);
}

/// A control, too: what it lacks is found, and the server that knows better refuses.
#[test]
fn a_standby_that_lacks_something_is_not_written_on() {
    holds("failover-asynchronous", POSTGRES);
}

#[test]
fn clocks_may_step() {
    holds("clock-step", "sqlite");
}
