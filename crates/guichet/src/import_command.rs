//! `guichet import`, from the command line: the site, the mapping, the report.

use std::process::ExitCode;

use anyhow::Context;

use crate::{
    config::Settings,
    exit,
    import::{self, ImportArgs, Mapping},
    wire,
};

pub(crate) async fn run(args: ImportArgs, settings: &Settings) -> anyhow::Result<ExitCode> {
    let mapping = Mapping::read(&args.mapping)?;
    let stop = wire::stop_signal()?;
    let site = wire::site(settings).await?;
    let organisation = site.application.by_slug(mapping.organisation.as_str()).with_context(|| {
        format!("the mapping names an organisation that has no declaration: {}", mapping.organisation)
    })?;
    let workers = site.work(&stop);
    let imported = tokio::select! {
        imported = import::import(&organisation, mapping, &args.file, args.days(), args.rejects()) => imported,
        () = stop.cancelled() => Err(anyhow::anyhow!("stopped; run it again and it goes on where it was")),
    };
    let report = imported?;
    let models = &site.models[organisation.slug()];
    wire::catch_up(models).await?;
    stop.cancel();
    for worker in workers {
        let _ = worker.await;
    }
    site.databases.close().await;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{report}");
    }
    Ok(if report.rejected > 0 { ExitCode::from(exit::REJECTS) } else { ExitCode::SUCCESS })
}
