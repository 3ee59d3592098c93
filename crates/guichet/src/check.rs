//! `guichet check`: every row of the read models against a fold of the log.

use std::process::ExitCode;

use anyhow::Context;
use projections::{CheckReport, CheckedModel, DifferenceKind, Problem};

use crate::{cli::ModelArgs, config::Settings, exit, progress, wire};

pub(crate) async fn run(args: ModelArgs, settings: &Settings) -> anyhow::Result<ExitCode> {
    let (databases, organisations) = wire::unkeyed(settings, args.organisation.as_deref()).await?;
    let known = projections::names();
    if let Some(unknown) = args.models.iter().find(|name| !known.contains(&name.as_str())) {
        anyhow::bail!("there is no read model named {unknown}; known: {}", known.join(", "));
    }
    let mut agrees = true;
    let mut reports = Vec::new();
    for organisation in &organisations {
        let slug = &organisation.entry.slug;
        let bar = progress::bar(slug);
        let mut report = projections::check(&organisation.models, &mut progress::tell(&bar))
            .await
            .with_context(|| format!("check the read models of {slug}"))?;
        bar.finish_and_clear();
        if !args.models.is_empty() {
            report.models.retain(|model| args.models.iter().any(|name| name == model.name));
        }
        agrees &= report.agrees();
        if args.json {
            reports.push(json(slug, &report));
        } else {
            say(slug, &report);
        }
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&reports)?);
    } else {
        println!("{}", if agrees { "every row agrees with the log" } else { "the read models differ from the log" });
    }
    databases.close().await;
    Ok(if agrees { ExitCode::SUCCESS } else { ExitCode::from(exit::DIFFERENT) })
}

fn say(slug: &str, report: &CheckReport) {
    for model in &report.models {
        let verdict = if model.agrees() { "agrees" } else { "DIFFERS" };
        println!(
            "{slug}/{} v{}: {} rows at position {}, {verdict}",
            model.name,
            model.version,
            model.rows(),
            model.position
        );
        if let Some(problem) = problem(model) {
            println!("  {problem}");
        }
        for table in model.tables.iter().filter(|table| table.differences > 0) {
            println!("  {}: {} of {} rows differ", table.table, table.differences, table.rows);
            for difference in &table.shown {
                println!("    {} {}", kind(difference.kind), difference.key);
            }
        }
    }
}

fn kind(kind: DifferenceKind) -> &'static str {
    match kind {
        DifferenceKind::Missing => "missing",
        DifferenceKind::Extra => "extra",
        DifferenceKind::Changed => "changed",
    }
}

fn problem(model: &CheckedModel) -> Option<String> {
    Some(match model.problem.as_ref()? {
        Problem::NotFilled => "it was never filled: run `guichet work` or `guichet rebuild`".into(),
        Problem::Diverged => "its checkpoint is not in this log: the history has changed underneath".into(),
        Problem::Stopped { position, why } => format!("it stopped at position {position}: {why}"),
        Problem::Unfoldable(at) => format!("position {} cannot be folded: {}", at.position, at.why),
    })
}

fn json(slug: &str, report: &CheckReport) -> serde_json::Value {
    let models: Vec<_> = report
        .models
        .iter()
        .map(|model| {
            let tables: Vec<_> = model
                .tables
                .iter()
                .map(|table| {
                    serde_json::json!({
                        "table": table.table, "rows": table.rows, "differences": table.differences, "digest": table.digest,
                    })
                })
                .collect();
            serde_json::json!({
                "name": model.name, "version": model.version, "position": model.position, "agrees": model.agrees(),
                "problem": problem(model), "tables": tables,
            })
        })
        .collect();
    serde_json::json!({ "organisation": slug, "agrees": report.agrees(), "models": models })
}
