//! `guichet bench`: every figure beside raw work of the same run, on a scratch database that is removed afterwards.
//!
//! What a figure means is said in `docs/performance.md`; here is how it is taken. Nothing is tuned for the bench:
//! it opens the stores that `serve` opens.

mod append;
mod child;
mod city;
mod disk;
mod growth;
mod http;
mod lag;
mod load;
mod memory;
mod pgbench;
mod process;
mod ready;
mod replay;
mod report;
mod scratch;
mod servers;
mod streams;

use std::{process::ExitCode, time::Duration};

use clap::{Args, ValueEnum};

pub(crate) use self::child::{ChildArgs, run as child};

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

    /// Events in the log for streams, replay, disk, ready, and in the longer log for growth.
    #[arg(long, default_value_t = 200_000)]
    events: usize,

    /// Rows that are imported for the figure of memory.
    #[arg(long, default_value_t = 50_000)]
    rows: usize,

    /// Print the figures as JSON on standard output.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// One event each, by 1, 16, 64 and 256 appenders.
    Append,
    /// Two servers beside one.
    Servers,
    /// A stream of ten events, by 16 readers.
    Streams,
    /// The whole log in order.
    Replay,
    /// A city's file, every read model current; and what an event of it costs on disk.
    Import,
    /// Every read model again, from the city's file four times over.
    Rebuild,
    /// The doors, by 64 connections.
    Http,
    /// The read models behind a log that takes 5,000 appends a second.
    Lag,
    /// What an event costs on disk.
    Disk,
    /// Idle, importing, with 1,000 subscriptions.
    Memory,
    /// From the start of a server to ready.
    Ready,
    /// A long log beside a short one.
    Growth,
}

/// How long and how often.
#[derive(Debug, Clone, Copy)]
struct Plan {
    runs: usize,
    time: Duration,
    events: usize,
    rows: usize,
}

pub(crate) async fn run(args: BenchArgs, settings: &Settings) -> anyhow::Result<ExitCode> {
    let what = if args.what.is_empty() { What::value_variants() } else { &args.what };
    let plan = Plan {
        runs: args.runs.max(1),
        time: Duration::from_secs(args.seconds.max(1)),
        events: args.events,
        rows: args.rows,
    };
    let mut figures: Vec<Figure> = Vec::new();
    if !args.json {
        println!("{HEADER}");
    }
    for what in what {
        let scratch = Scratch::new(&settings.location()?).await?;
        let measured = measure(*what, &scratch, plan, settings).await;
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
    let missed = figures.iter().any(Figure::missed);
    Ok(if missed { ExitCode::from(exit::DIFFERENT) } else { ExitCode::SUCCESS })
}

async fn measure(what: What, scratch: &Scratch, plan: Plan, settings: &Settings) -> anyhow::Result<Vec<Figure>> {
    match what {
        What::Append => append::measure(scratch, plan).await,
        What::Servers => servers::measure(scratch, plan, settings).await,
        What::Streams => streams::measure(scratch, plan).await,
        What::Replay => replay::measure(scratch, plan).await,
        What::Import => city::import(scratch, plan, settings).await,
        What::Rebuild => city::rebuild(scratch, plan, settings).await,
        What::Http => http::measure(scratch, plan, settings).await,
        What::Lag => lag::measure(scratch, plan, settings).await,
        What::Disk => disk::measure(scratch, plan).await,
        What::Memory => memory::measure(scratch, plan, settings).await,
        What::Ready => ready::measure(scratch, plan, settings).await,
        What::Growth => growth::measure(scratch, plan, settings).await,
    }
}
