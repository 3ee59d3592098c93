//! `guichet soak`: the program under load and faults, and the checker's verdict.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Args;
use soak::{Fault, Plan};

use crate::{config::Settings, exit};

#[derive(Debug, Args)]
#[command(after_long_help = "\
The database is a place to make scratch databases in: `sqlite:DIR` (a folder inside it) or the URL of a PostgreSQL server on \
which a database may be created. They are removed at the end, unless something was violated: then they stay, with the ledgers.

Example: guichet soak --faults kill --count 1000 --seed 7 --database sqlite:/tmp/soak --ledger /dev/shm

Exit codes: 0 nothing was violated · 1 could not be done · 3 an invariant was violated. docs/reliability.md says what each is.")]
pub(crate) struct SoakArgs {
    /// What to inject, separated by commas; absent: everything that this database can have.
    #[arg(long, value_delimiter = ',', value_name = "FAULT")]
    faults: Vec<Fault>,

    /// How many faults of each kind; absent: as many as every change is held against.
    #[arg(long)]
    count: Option<u64>,

    /// Every choice of moments and contents follows from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Stop injecting after so many minutes for each kind, even if the count was not reached.
    #[arg(long)]
    minutes: Option<u64>,

    /// A further setting, such as `synchronous_commit=off`, of the PostgreSQL that a fault starts for itself.
    #[arg(long, value_name = "NAME=VALUE")]
    postgres_setting: Vec<String>,

    /// The program under test; absent: this one.
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,

    /// Folder for the clients' ledgers, on another file system than the database; absent: the system's temporary one.
    #[arg(long, value_name = "DIR")]
    ledger: Option<PathBuf>,

    /// Print the report as JSON on standard output.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: SoakArgs, settings: &Settings) -> anyhow::Result<ExitCode> {
    let location = settings.location()?;
    let plan = Plan {
        faults: match args.faults {
            named if !named.is_empty() => named,
            _ => Fault::ALL.into_iter().filter(|fault| fault.befalls(&location)).collect(),
        },
        count: args.count,
        seed: args.seed,
        time: args.minutes.map(|minutes| Duration::from_secs(60 * minutes)),
        database: settings.database.clone().unwrap_or_default(),
        server: match args.server {
            Some(path) => std::path::absolute(path).context("find the program")?,
            None => std::env::current_exe().context("find this program")?,
        },
        home: std::env::current_dir().context("find this folder")?,
        postgres_settings: args.postgres_setting,
        ledgers: args.ledger.unwrap_or_else(std::env::temp_dir),
    };
    let summary = soak::run(&plan, &mut |soaked| {
        if !args.json {
            println!("{soaked}");
        }
    })
    .await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&summary)?);
    }
    Ok(if summary.ok() { ExitCode::SUCCESS } else { ExitCode::from(exit::DIFFERENT) })
}
