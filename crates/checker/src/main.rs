//! `guichet-checker`: ledgers against a log, by whoever does not trust the server.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;
use checker::{Database, History, check, ledger, read_and_verify};
use clap::Parser;

/// The checker did its work and found a violation.
const VIOLATED: u8 = 3;

/// Checks a log against what its clients wrote down, and verifies it by docs/log-format.md alone.
///
/// Exit codes: 0 every invariant holds · 1 could not be done · 2 mistake on the command line · 3 an invariant is violated
#[derive(Debug, Parser)]
#[command(name = "guichet-checker", version)]
struct Cli {
    /// Ledgers of one run; none: the log alone is verified.
    #[arg(value_name = "LEDGER")]
    ledgers: Vec<PathBuf>,

    /// Where the log is: `sqlite:DIR` or `postgres://…`.
    #[arg(long, env = "GUICHET_DATABASE", hide_env_values = true, value_name = "URL")]
    database: Database,

    /// Whose log (its slug).
    #[arg(long, value_name = "SLUG")]
    organisation: String,

    /// Print the report as JSON on standard output.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime");
    runtime.and_then(|runtime| runtime.block_on(run(cli))).unwrap_or_else(|error| {
        eprintln!("guichet-checker: {error:#}");
        ExitCode::FAILURE
    })
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let mut lines = Vec::new();
    for path in &cli.ledgers {
        lines.extend(ledger::read(path)?);
    }
    let log = read_and_verify(&cli.database, &cli.organisation).await?;
    let report = check(&History::of(lines), &log);
    if cli.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(if report.ok() { ExitCode::SUCCESS } else { ExitCode::from(VIOLATED) })
}
