//! `guichet bench`: every figure beside raw work of the same run, on a scratch database that is removed afterwards.
//!
//! What a figure means is said in `docs/performance.md`; here is how it is taken. Nothing is tuned for the bench:
//! it opens the stores that `serve` opens.

mod append;
mod city;
mod growth;
mod http;
mod load;
mod pgbench;
mod replay;
mod report;
mod scratch;

use std::{process::ExitCode, time::Duration};

use clap::{Args, ValueEnum};

use crate::{
    bench::{
        report::{Figure, HEADER},
        scratch::Scratch,
    },
    config::Settings,
    exit,
};

#[derive(Debug, Args)]
#[command(after_long_help = "\
The database is a place to make scratch databases in: `sqlite:DIR` (a folder inside it) or the URL of a PostgreSQL \
server on which a database may be created. Both are removed at the end. On PostgreSQL the raw work is pgbench's, which must be \
installed.

Example: guichet bench append replay --database postgres://postgres@127.0.0.1/postgres --runs 5")]
pub(crate) struct BenchArgs {
    /// What to measure; absent: everything.
    #[arg(value_enum)]
    what: Vec<What>,

    /// Runs of each figure; the median is reported, with the least and the most.
    #[arg(long, default_value_t = 3)]
    runs: usize,

    /// Seconds of each run that is bounded by time.
    #[arg(long, default_value_t = 5)]
    seconds: u64,

    /// Events in the log for replay, growth.
    #[arg(long, default_value_t = 200_000)]
    events: usize,

    /// Print the figures as JSON on standard output.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    Append,
    Replay,
    Rebuild,
    Import,
    Http,
    Growth,
}

/// How long and how often.
#[derive(Debug, Clone, Copy)]
struct Plan {
    runs: usize,
    time: Duration,
    events: usize,
}

pub(crate) async fn run(args: BenchArgs, settings: &Settings) -> anyhow::Result<ExitCode> {
    let all = [What::Append, What::Replay, What::Import, What::Rebuild, What::Http, What::Growth];
    let what = if args.what.is_empty() { all.to_vec() } else { args.what.clone() };
    let plan = Plan { runs: args.runs.max(1), time: Duration::from_secs(args.seconds.max(1)), events: args.events };
    let mut figures: Vec<Figure> = Vec::new();
    if !args.json {
        println!("{HEADER}");
    }
    for what in what {
        let scratch = Scratch::new(&settings.location()?).await?;
        let measured = match what {
            What::Append => append::measure(&scratch, plan).await,
            What::Replay => replay::measure(&scratch, plan).await,
            What::Rebuild => city::rebuild(&scratch, plan, settings).await,
            What::Import => city::import(&scratch, plan, settings).await,
            What::Http => http::measure(&scratch, plan, settings).await,
            What::Growth => growth::measure(&scratch, plan).await,
        };
        scratch.remove().await?;
        for figure in measured? {
            if !args.json {
                println!("{}", figure.row());
            }
            figures.push(figure);
        }
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    }
    let missed = figures.iter().any(|figure| figure.reached() == Some(false));
    Ok(if missed { ExitCode::from(exit::DIFFERENT) } else { ExitCode::SUCCESS })
}
