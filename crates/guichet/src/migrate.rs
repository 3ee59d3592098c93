//! `guichet migrate`: tables and declarations, then stop.

use std::process::ExitCode;

use crate::{config::Settings, wire};

pub(crate) async fn run(settings: &Settings) -> anyhow::Result<ExitCode> {
    let site = wire::site(settings).await?;
    for organisation in site.application.organisations() {
        let rules = organisation.rules();
        let versions: Vec<&str> = rules.versions().iter().map(|version| version.version.as_str()).collect();
        println!("{}: déclarations {}", organisation.slug(), versions.join(", "));
    }
    site.databases.close().await;
    Ok(ExitCode::SUCCESS)
}
