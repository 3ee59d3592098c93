//! Truth under faults, as much of it as every change can afford: each kind of fault, on both databases. Nightly runs do the same
//! a hundred times over with `guichet soak`; docs/reliability.md says what each fault is.

use std::path::Path;

use db::Location;
use soak::{Fault, Plan};
use testkit::{Fresh, on_both_databases};

const SEED: u64 = 20_261_122;

async fn holds(fresh: &Fresh, fault: Fault, count: u64) {
    let ledgers = tempfile::tempdir().expect("a temporary folder");
    let plan = Plan {
        faults: vec![fault],
        count: Some(count),
        seed: SEED,
        time: None,
        database: match fresh.location() {
            Location::Sqlite(folder) => format!("sqlite:{}", folder.display()),
            Location::Postgres(url) => url.clone(),
        },
        server: env!("CARGO_BIN_EXE_guichet").into(),
        home: Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."),
        ledgers: ledgers.path().to_owned(),
        postgres_settings: vec![],
    };
    let summary = soak::run(&plan, &mut |_| ()).await.expect("the soak can be done");
    if !summary.ok() {
        let kept = ledgers.keep();
        panic!("ledgers and logs are in {}\n{}", kept.display(), summary.soaked[0]);
    }
}

on_both_databases! {
    async fn a_server_that_is_killed_loses_nothing(fresh: Fresh) {
        holds(&fresh, Fault::Kill, 4).await;
    }

    async fn a_process_that_ends_at_any_side_of_a_commit_loses_nothing(fresh: Fresh) {
        holds(&fresh, Fault::FailPoints, 2).await;
    }

    async fn clients_that_hang_up_leave_nothing_behind(fresh: Fresh) {
        holds(&fresh, Fault::Aborts, 100).await;
    }

    async fn an_operation_that_comes_fifty_times_at_once_happens_once(fresh: Fresh) {
        holds(&fresh, Fault::Duplicates, 10).await;
    }

    async fn two_servers_write_one_log(fresh: Fresh) {
        holds(&fresh, Fault::TwoServers, 3).await;
    }

    async fn a_worker_that_slept_changes_nothing(fresh: Fresh) {
        holds(&fresh, Fault::PausedWorkers, 6).await;
    }

    async fn an_event_that_cannot_be_folded_stops_whom_it_must_and_nobody_else(fresh: Fresh) {
        holds(&fresh, Fault::Poison, 2).await;
    }
}
