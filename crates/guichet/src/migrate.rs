//! `guichet migrate`: tables, declarations, and the read models that were never filled; then stop.

use std::process::ExitCode;

use anyhow::{Context, bail};
use projections::{ReadModels, RebuildOutcome, Rebuilt, Unfoldable};

use crate::{config::Settings, progress, wire};

pub(crate) async fn run(settings: &Settings) -> anyhow::Result<ExitCode> {
    let site = wire::site(settings).await?;
    for organisation in site.application.organisations() {
        let slug = organisation.slug();
        let filled = fill(slug, &site.models[slug]).await.with_context(|| format!("fill the read models of {slug}"))?;
        let rules = organisation.rules();
        let versions: Vec<&str> = rules.versions().iter().map(|version| version.version.as_str()).collect();
        println!("{slug}: declarations {}; {filled} read models filled", versions.join(", "));
    }
    site.databases.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Fills what has never been filled, so that a server answers every read from its first second.
async fn fill(slug: &str, models: &ReadModels) -> anyhow::Result<usize> {
    let status = models.status().await?;
    let empty: Vec<String> =
        status.iter().filter(|model| model.generation.is_none()).map(|model| model.name.to_owned()).collect();
    if !empty.is_empty() {
        let bar = progress::bar(slug);
        let report = projections::rebuild(models, &empty, &mut progress::tell(&bar)).await?;
        bar.finish_and_clear();
        for Rebuilt { name, outcome, .. } in report.models {
            if let RebuildOutcome::Failed(Unfoldable { position, why }) = outcome {
                bail!("{name} cannot be filled, and stays as another version left it: position {position}: {why}");
            }
        }
    }
    Ok(empty.len())
}
