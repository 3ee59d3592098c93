//! Ten thousand small worlds, each replayable by its seed.
//!
//! `GUICHET_SIMULATION_SEEDS=1000000` runs longer; `GUICHET_SIMULATION_SEED=42` runs one and tells everything that happens.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use simulation::{Flaw, Outcome, run};

const COUNTED: u64 = 10_000;
/// Of so many seeds one is run twice.
const TWICE: u64 = 50;

fn setting(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "a test has no configuration but its environment")]
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is a number, not {value}")))
}

fn complain(outcome: &Outcome) -> ! {
    panic!(
        "seed {seed}: {violations:#?}\nagain, with everything that happens:\n\
         GUICHET_SIMULATION_SEED={seed} cargo test -p simulation --test seeds -- --exact --nocapture what_holds_in_every_world",
        seed = outcome.seed,
        violations = outcome.violations
    )
}

/// A seed counts only if it held an unknown commit, a lost race and a restart; the others run all the same.
#[test]
fn what_holds_in_every_world() {
    if let Some(seed) = setting("GUICHET_SIMULATION_SEED") {
        let outcome = run(seed, None, true);
        outcome.told.iter().for_each(|line| println!("{line}"));
        println!("{:?}", outcome.tally);
        if !outcome.violations.is_empty() {
            complain(&outcome);
        }
        return;
    }
    let wanted = setting("GUICHET_SIMULATION_SEEDS").unwrap_or(COUNTED);
    let (next, counted) = (AtomicU64::new(0), AtomicU64::new(0));
    let sums = Mutex::new([0_u64; 6]);
    let work = || {
        while counted.load(Ordering::Relaxed) < wanted {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let outcome = run(seed, None, false);
            if !outcome.violations.is_empty() {
                complain(&outcome);
            }
            if seed % TWICE == 0 {
                assert_eq!(run(seed, None, false), outcome, "seed {seed} is not the same twice");
            }
            counted.fetch_add(u64::from(outcome.counts()), Ordering::Relaxed);
            let tally = outcome.tally;
            let of_seed = [
                tally.unknown_commits,
                tally.lost_races,
                tally.restarts,
                tally.unknown_answers,
                tally.lost_checkpoints,
                tally.events,
            ];
            let mut sums = sums.lock().expect("nobody panics while adding");
            sums.iter_mut().zip(of_seed).for_each(|(sum, more)| *sum += more);
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let fine = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().is_ok()).collect::<Vec<_>>()
    });
    assert!(fine.iter().all(|fine| *fine), "a seed failed; the lines above say which");
    let [unknown, races, restarts, answers, checkpoints, events] = *sums.lock().expect("all have ended");
    println!(
        "{} seeds, {} counted: {events} events, {unknown} unknown commits, {races} lost races, {restarts} restarts, \
         {checkpoints} lost checkpoints, {answers} appends answered as unknown after 10 s",
        next.load(Ordering::Relaxed),
        counted.load(Ordering::Relaxed)
    );
    // The path of ten seconds must be walked, or nothing is known of it.
    assert!(wanted < COUNTED || answers > 100, "only {answers} appends waited for ten seconds");
    assert!(wanted < COUNTED || checkpoints > 100, "only {checkpoints} checkpoints were lost to another worker");
}

/// Taking a guard out of the database must be noticed, soon: else the checks are blind.
fn noticed(flaw: Flaw) {
    let seen = (0..500).find_map(|seed| {
        let outcome = run(seed, Some(flaw), false);
        outcome.violations.first().map(|what| (seed, what.clone()))
    });
    let (seed, what) = seen.unwrap_or_else(|| panic!("{flaw:?} goes unnoticed"));
    println!("{flaw:?}: seed {seed}: {what}");
}

#[test]
fn a_head_that_is_not_compared_is_noticed() {
    noticed(Flaw::HeadNotCompared);
}

#[test]
fn operations_that_are_not_stored_are_noticed() {
    noticed(Flaw::OperationsNotStored);
}

#[test]
fn ids_that_are_not_found_are_noticed() {
    noticed(Flaw::IdsNotFound);
}

#[test]
fn assumptions_that_are_not_verified_are_noticed() {
    noticed(Flaw::AssumptionsNotVerified);
}

#[test]
fn an_answer_before_the_commit_is_noticed() {
    noticed(Flaw::AcknowledgedTooEarly);
}

#[test]
fn a_torn_commit_is_noticed() {
    noticed(Flaw::CommitsTorn);
}

#[test]
fn a_checkpoint_without_a_fence_is_noticed() {
    noticed(Flaw::CheckpointNotFenced);
}

#[test]
fn a_checkpoint_in_another_transaction_is_noticed() {
    noticed(Flaw::CheckpointApart);
}
