//! What was checked, how often, and what did not hold.

use std::fmt;

use serde::Serialize;

/// Violations that are told one by one; the rest is counted.
const TOLD: usize = 20;

/// One invariant of `docs/reliability.md`.
#[derive(Debug, Clone, Serialize)]
pub struct Invariant {
    pub id: &'static str,
    pub says: &'static str,
    /// How many things it was held against; zero: the run had nothing of the kind.
    pub checked: u64,
    pub violations: u64,
    pub told: Vec<String>,
}

impl Invariant {
    pub(crate) fn new(id: &'static str, says: &'static str) -> Self {
        Self { id, says, checked: 0, violations: 0, told: Vec::new() }
    }

    /// One thing was looked at; `violation` is made only where it does not hold.
    pub(crate) fn hold(&mut self, holds: bool, violation: impl FnOnce() -> String) {
        self.checked += 1;
        if !holds {
            self.violations += 1;
            if self.told.len() < TOLD {
                self.told.push(violation());
            }
        }
    }
}

/// What a check found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub events: u64,
    pub operations: u64,
    pub invariants: Vec<Invariant>,
}

impl Report {
    pub fn ok(&self) -> bool {
        self.invariants.iter().all(|invariant| invariant.violations == 0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} events, {} operations", self.events, self.operations)?;
        for invariant in &self.invariants {
            let Invariant { id, says, checked, violations, told } = invariant;
            let verdict = match (*checked, *violations) {
                (0, _) => "not met in this run".to_owned(),
                (_, 0) => format!("holds ({checked})"),
                _ => format!("VIOLATED {violations} times ({checked})"),
            };
            writeln!(f, "  {id:<4} {says}: {verdict}")?;
            for violation in told {
                writeln!(f, "         {violation}")?;
            }
            if *violations > told.len() as u64 {
                writeln!(f, "         and {} more", violations - told.len() as u64)?;
            }
        }
        Ok(())
    }
}
