//! A few faults of machine, database and network of each kind, with everything a soak checks; `docs/reliability.md` has the
//! commands for more of them.

use std::{
    fs::{self, File},
    path::Path,
    process::{Command, ExitStatus},
    time::{Duration, Instant},
};

use serde_json::Value;
use soak::Fault;

/// Only its scheme is looked at: a fault of PostgreSQL's makes a cluster of its own.
const POSTGRES: &str = "postgres://";
/// Of a soak that takes seconds where nothing is in its way. Longer than it waits for anything itself, and can say what.
const PATIENCE: Duration = Duration::from_mins(18);
const POLL: Duration = Duration::from_millis(20);
const LAST_LINES: usize = 10;

/// Runs `guichet soak`, which must end with this code; none, said loudly, where the machine does not permit the fault.
#[track_caller]
fn soak(fault: &str, database: &str, more: &[&str], expected: i32) -> Option<Value> {
    let kind: Fault = fault.parse().expect("a fault");
    if let Some(why) = kind.forbidden() {
        eprintln!("SKIPPED, {fault} was not tried: {why}");
        return None;
    }
    let [dir, ledgers] = [(); 2].map(|()| tempfile::tempdir().expect("a temporary folder"));
    let database = match database {
        "sqlite" => format!("sqlite:{}", dir.path().display()),
        url => url.to_owned(),
    };
    // Files, not pipes: whoever outlives the soak would hold a pipe open.
    let (stdout, stderr) = (dir.path().join("stdout"), dir.path().join("stderr"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_guichet"));
    command
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .args(["soak", "--json", "--faults", fault, "--database", &database, "--ledger"])
        .arg(ledgers.path())
        .args(more)
        .stdout(File::create(&stdout).expect("a file"))
        .stderr(File::create(&stderr).expect("a file"));
    let status = ends(&mut command);
    let report = fs::read_to_string(&stdout).expect("read the report");
    if status.and_then(|status| status.code()) == Some(expected)
        && let Ok(report) = serde_json::from_str(&report)
    {
        return Some(report);
    }
    let how = status.map_or("hangs".to_owned(), |status| format!("ended with {status}"));
    let words = last_words(&stderr, ledgers.path());
    panic!("{fault} {how}; ledgers and logs are in {}\n{report}\n{words}", ledgers.keep().display());
}

/// How a program ended, if it did.
fn ends(command: &mut Command) -> Option<ExitStatus> {
    let mut child = command.spawn().expect("run guichet");
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().expect("wait for guichet") {
            return Some(status);
        }
        std::thread::sleep(POLL);
    }
    child.kill().and_then(|()| child.wait()).expect("end guichet");
    None
}

/// What a soak, its servers, its PostgreSQL and its ledgers said last.
fn last_words(stderr: &Path, ledgers: &Path) -> String {
    let kept = fs::read_dir(ledgers).into_iter().flatten().flatten().map(|ledger| ledger.path());
    let files = kept.flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten()).map(|file| file.path());
    let words = files.chain([stderr.to_owned()]).map(|file| {
        let text = fs::read(&file).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        format!("{}:\n{}\n", file.display(), lines[lines.len().saturating_sub(LAST_LINES)..].join("\n"))
    });
    words.collect()
}

#[track_caller]
fn holds(fault: &str, database: &str) {
    soak(fault, database, &[], 0);
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
    if let Some(report) = soak("power-cut", POSTGRES, &weak, 3) {
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
