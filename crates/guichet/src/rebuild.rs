//! `guichet rebuild`: read models anew, beside those that serve.

use std::{process::ExitCode, time::Instant};

use anyhow::Context;
use projections::{RebuildOutcome, RebuildReport};

use crate::{cli::ModelArgs, config::Settings, exit, progress, wire};

pub(crate) async fn run(args: ModelArgs, settings: &Settings) -> anyhow::Result<ExitCode> {
    let (databases, organisations) = wire::unkeyed(settings, args.organisation.as_deref()).await?;
    let mut failed = false;
    let mut reports = Vec::new();
    for organisation in &organisations {
        let slug = &organisation.entry.slug;
        let bar = progress::bar(slug);
        let start = Instant::now();
        let report = projections::rebuild(&organisation.models, &args.models, &mut progress::tell(&bar))
            .await
            .with_context(|| format!("rebuild the read models of {slug}"))?;
        bar.finish_and_clear();
        failed |= report
            .models
            .iter()
            .any(|model| matches!(model.outcome, RebuildOutcome::Failed(_) | RebuildOutcome::Stopped(_)));
        if args.json {
            reports.push(json(slug, &report));
        } else {
            say(slug, &report, start.elapsed().as_secs_f64());
        }
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&reports)?);
    }
    databases.close().await;
    Ok(if failed { ExitCode::from(exit::DIFFERENT) } else { ExitCode::SUCCESS })
}

fn say(slug: &str, report: &RebuildReport, seconds: f64) {
    let per_second = report.events as f64 / seconds.max(0.001);
    println!("{slug}: {} events in {seconds:.2} s ({per_second:.0} events/s)", report.events);
    for model in &report.models {
        println!(
            "  {} v{} g{}: {} rows, {}",
            model.name,
            model.version,
            model.generation,
            model.rows,
            outcome(&model.outcome)
        );
    }
}

fn outcome(outcome: &RebuildOutcome) -> String {
    match outcome {
        RebuildOutcome::Serving => "serving".into(),
        RebuildOutcome::Superseded => "another process was first; its generation serves".into(),
        RebuildOutcome::Stopped(at) => format!("serves what stood before position {}: {}", at.position, at.why),
        RebuildOutcome::Failed(at) => format!("failed at position {}: {}", at.position, at.why),
    }
}

fn json(slug: &str, report: &RebuildReport) -> serde_json::Value {
    let models: Vec<_> = report
        .models
        .iter()
        .map(|model| {
            serde_json::json!({
                "name": model.name, "version": model.version, "generation": model.generation, "rows": model.rows,
                "outcome": outcome(&model.outcome),
            })
        })
        .collect();
    serde_json::json!({ "organisation": slug, "events": report.events, "models": models })
}
