//! `guichet`: the counter where a citizen asks. One binary, one file per subcommand.

mod cli;
mod config;
mod exit;
mod observe;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit::failed(&anyhow::Error::new(error).context("start the runtime")),
    };
    match runtime.block_on(run(cli)) {
        Ok(code) => code,
        Err(error) => exit::failed(&error),
    }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let settings = config::resolve(cli.settings)?;
    match cli.command {
        Command::Migrate => unimplemented!(),
    }
}
