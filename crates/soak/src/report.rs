//! What was soaked and found, for people and as JSON. Never a bare "none": always n, the bound that n allows, and the seed.

use std::fmt;

use checker::{Invariant, Report};
use serde::Serialize;

use crate::scenario::Fault;

/// One kind of fault on one database.
#[derive(Debug, Serialize)]
pub struct Soaked {
    pub fault: Fault,
    pub database: &'static str,
    pub n: u64,
    /// With 95 % confidence a fault of this kind violates something less often than this, if none of n did: 3/n.
    pub bound: Option<f64>,
    pub seed: u64,
    pub report: Report,
}

impl Soaked {
    pub(crate) fn new(fault: Fault, database: &str, n: u64, seed: u64, report: Report) -> Self {
        let database = if database.starts_with("sqlite:") { "SQLite" } else { "PostgreSQL" };
        let bound = (n > 0 && report.ok()).then(|| (3.0 / n as f64).min(1.0));
        Self { fault, database, n, bound, seed, report }
    }

    /// Something was injected and nothing was violated; of a control, that the loss was found.
    pub fn ok(&self) -> bool {
        let lost = |invariant: &Invariant| invariant.id == "I1" && invariant.violations > 0;
        let good = if self.fault.must_lose() { self.report.invariants.iter().any(lost) } else { self.report.ok() };
        self.n > 0 && good
    }
}

impl fmt::Display for Soaked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fault, database, n, bound, seed, report } = self;
        write!(f, "{fault} on {database}: n = {n}, seed {seed}: ")?;
        match bound {
            Some(bound) => writeln!(f, "nothing violated, so less than {:.3} % of them do (95 %)", bound * 100.0)?,
            None if self.fault.must_lose() && self.ok() => writeln!(f, "the loss was found, as it has to be")?,
            None if *n == 0 => writeln!(f, "NOTHING WAS INJECTED")?,
            None => writeln!(f, "VIOLATED")?,
        }
        report.fmt(f)
    }
}

/// A whole soak.
#[derive(Debug, Serialize)]
pub struct Summary {
    pub seed: u64,
    pub soaked: Vec<Soaked>,
}

impl Summary {
    pub fn ok(&self) -> bool {
        self.soaked.iter().all(Soaked::ok)
    }
}
