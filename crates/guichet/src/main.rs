//! `guichet`: the counter where a citizen asks. One binary, one file per subcommand; [`wire`] puts the crates together.

mod bench;
mod check;
mod cli;
mod config;
mod declarations;
mod demo;
mod exit;
mod fail_points;
mod import;
mod import_command;
mod key;
mod listen;
mod migrate;
mod observe;
mod oracle;
mod progress;
mod ready;
mod rebuild;
mod serve;
mod soak;
mod verify;
mod wire;
mod work;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use crate::{
    cli::{Cli, Command},
    config::Settings,
};

/// A request makes and drops hundreds of small values, and the system's allocator took a seventh of the time of a GET.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime");
    runtime.and_then(|runtime| runtime.block_on(run(cli))).unwrap_or_else(|error| exit::failed(&error))
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    fail_points::arm(cli.flags.fail_point.as_deref())?;
    let settings = Settings::resolve(cli.flags)?;
    observe::logs(&settings, cli.command.logs())?;
    match cli.command {
        Command::Demo(args) => demo::run(args, settings).await,
        Command::Serve(args) => serve::run(args, &settings).await,
        Command::Work(args) => work::run(args, &settings).await,
        Command::Migrate => migrate::run(&settings).await,
        Command::Import(args) => import_command::run(args, &settings).await,
        Command::Rebuild(args) => rebuild::run(args, &settings).await,
        Command::Check(args) => check::run(args, &settings).await,
        Command::Verify(args) => verify::run(args, &settings).await,
        Command::Key(command) => key::run(command, &settings).await,
        Command::Oracle(args) => oracle::run(&args, &settings),
        Command::Bench(args) => bench::run(args, &settings).await,
        Command::BenchChild(args) => bench::child(args, &settings).await,
        Command::Soak(args) => soak::run(args, &settings).await,
    }
}
