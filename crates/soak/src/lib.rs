//! Soaks: load on real servers while faults are injected, everything written down in ledgers, and the checker's verdict.
//!
//! A soak starts the built program on a scratch database, lets clients write what they are about to do and what they were told
//! ([`ledger`], [`client`]), injects one kind of fault ([`scenario`]), repeats what is unknown until it is definite, and hands
//! ledgers and log to the crate `checker`, which trusts none of this. `docs/reliability.md` says what each fault is and
//! what was found. Every choice follows from the seed; what the machine makes of it does not.

mod client;
mod image;
mod ledger;
mod load;
mod machine;
mod postgres;
mod process;
mod proxy;
mod reader;
mod report;
mod scenario;
mod server;
mod site;
mod stage;
mod strace;

pub use report::{Soaked, Summary};
pub use scenario::Fault;

use std::{path::PathBuf, time::Duration};

use anyhow::Context;
use db::scratch::Scratch;

use crate::{machine::Machine, scenario::Needs, site::Site, stage::Stage};

/// What is soaked, how often and with which seed.
#[derive(Debug, Clone)]
pub struct Plan {
    pub faults: Vec<Fault>,
    /// Faults of each kind; absent: as many as a change is held against.
    pub count: Option<u64>,
    pub seed: u64,
    /// Stops injecting after this long, with fewer faults.
    pub time: Option<Duration>,
    /// A place to make scratch databases in: `sqlite:DIR` or the URL of a PostgreSQL server.
    pub database: String,
    /// The program under test.
    pub server: PathBuf,
    /// The folder it is started in: there lie its declarations, and the mappings and data of an import.
    pub home: PathBuf,
    /// Where the ledgers lie: on another file system than the database. Kept when something was violated.
    pub ledgers: PathBuf,
    /// Further settings of a PostgreSQL cluster that a fault makes for itself: weak ones show that the harness sees a loss.
    pub postgres_settings: Vec<String>,
}

/// Soaks one fault after the other, each on a database of its own.
pub async fn run(plan: &Plan, tell: &mut (dyn FnMut(&Soaked) + Send)) -> anyhow::Result<Summary> {
    let mut soaked = Vec::with_capacity(plan.faults.len());
    for fault in &plan.faults {
        let one = soak(plan, *fault).await.with_context(|| format!("soak {fault} with seed {}", plan.seed))?;
        tell(&one);
        soaked.push(one);
    }
    Ok(Summary { seed: plan.seed, soaked })
}

async fn soak(plan: &Plan, fault: Fault) -> anyhow::Result<Soaked> {
    anyhow::ensure!(fault.befalls(&plan.database.parse()?), "no {fault} on a database like that");
    if let Some(why) = fault.forbidden() {
        anyhow::bail!("no {fault} here: {why}");
    }
    match fault.needs() {
        Some(needs) => soak_machine(plan, fault, needs).await,
        None => soak_scratch(plan, fault).await,
    }
}

/// On a machine of its own, which is gone afterwards whatever was found: the ledgers, and the log in words, are kept.
async fn soak_machine(plan: &Plan, fault: Fault, needs: Needs) -> anyhow::Result<Soaked> {
    let ledgers = tempfile::Builder::new().prefix("guichet-ledger-").tempdir_in(&plan.ledgers)?;
    let machine = Machine::new(plan, needs, ledgers.path()).await.context("make a machine")?;
    let database = machine.database();
    let site = Site::new(&plan.server, &plan.home, &database, ledgers.path().to_owned());
    let mut stage = Stage::new(site, plan, fault, Some(machine)).await.context("set the stage")?;
    let played = scenario::play(fault, &mut stage).await;
    let judged = match played {
        Ok(trials) => stage.judge().await.context("check the run").map(|report| (trials, report)),
        Err(error) => Err(error),
    };
    let soaked = judged.map(|(trials, report)| Soaked::new(fault, &database, trials, plan.seed, report));
    if !soaked.as_ref().is_ok_and(Soaked::ok) {
        eprintln!("kept: ledgers and logs in {}", ledgers.keep().display());
    }
    soaked
}

async fn soak_scratch(plan: &Plan, fault: Fault) -> anyhow::Result<Soaked> {
    let scratch = Scratch::new(&plan.database.parse()?, "guichet_soak").await.context("make a scratch database")?;
    let database = scratch.location.url();
    let ledgers = tempfile::Builder::new().prefix("guichet-ledger-").tempdir_in(&plan.ledgers)?;
    let site = Site::new(&plan.server, &plan.home, &database, ledgers.path().to_owned());
    let mut stage = Stage::new(site, plan, fault, None).await.context("set the stage")?;
    let trials = scenario::play(fault, &mut stage).await?;
    let report = stage.judge().await.context("check the run")?;
    let soaked = Soaked::new(fault, &database, trials, plan.seed, report);
    if soaked.ok() {
        scratch.remove().await.context("remove the scratch database")?;
    } else {
        let kept = ledgers.keep();
        eprintln!("kept: ledgers and logs in {}, the database {}", kept.display(), scratch.name());
    }
    Ok(soaked)
}
