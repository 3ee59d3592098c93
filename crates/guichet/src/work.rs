//! `guichet work`: the projections alone.

use std::process::ExitCode;

use anyhow::Context;

use crate::{config::Settings, wire};

pub(crate) async fn run(settings: &Settings) -> anyhow::Result<ExitCode> {
    // Folding needs no key, but a process that runs for days should fail now rather than when a later version needs one.
    settings.master_key()?;
    let stop = wire::stop_signal()?;
    let (databases, organisations) = wire::unkeyed(settings, None).await?;
    anyhow::ensure!(!organisations.is_empty(), "there is no organisation here yet: run `guichet migrate` first");
    let workers = wire::work(organisations.iter().map(|organisation| &organisation.models), &stop);
    println!("Guichet projette {} organisations · projecting", organisations.len());
    for worker in workers {
        worker.await.context("a worker stopped")?;
    }
    databases.close().await;
    Ok(ExitCode::SUCCESS)
}
