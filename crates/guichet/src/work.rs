//! `guichet work`: the projections alone, and a door for whoever watches them.

use std::process::ExitCode;

use anyhow::Context;
use futures_util::future::try_join_all;
use projections::ReadModels;

use crate::{cli::WorkArgs, config::Settings, listen, observe, ready, wire};

pub(crate) async fn run(args: WorkArgs, settings: &Settings) -> anyhow::Result<ExitCode> {
    // Folding needs no key, but a process that runs for days should fail now rather than when a later version needs one.
    settings.master_key()?;
    let stop = wire::stop_signal()?;
    let watched = match args.listen.or(settings.work_listen) {
        Some(address) => Some((listen::bind(address).await?, observe::metrics()?)),
        None => None,
    };
    let (databases, organisations) = wire::unkeyed(settings, None).await?;
    let models: Vec<ReadModels> = organisations.into_iter().map(|organisation| organisation.models).collect();
    let workers = wire::work(models.iter(), &stop);
    println!("Guichet projette {} organisations · projecting", models.len());
    let door = match watched {
        Some((listener, metrics)) => {
            println!("Guichet écoute sur http://{} · listening", listener.local_addr()?);
            let told = ready::told(databases.clone(), models, metrics, stop.clone());
            Some(tokio::spawn(listen::serve(listener, api::operator_router(told), stop)))
        }
        None => None,
    };
    // One that panics ends the process, which its supervisor starts again: the others would hide that it is gone.
    try_join_all(workers).await.context("a worker stopped")?;
    if let Some(door) = door {
        door.await.context("the door stopped")?;
    }
    databases.close().await;
    Ok(ExitCode::SUCCESS)
}
