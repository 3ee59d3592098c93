//! `guichet verify`: are the logs complete and untouched?
//!
//! It opens no vault and needs no master key: hashes cover what is stored, sealed or not. The rules are the page
//! `docs/log-format.md`; `event_store::verify` holds them.

use std::process::ExitCode;

use anyhow::Context;
use db::{Databases, LogEntry};
use event_store::verify::{Report, verify};
use serde_json::{Value, json};

use crate::{cli::VerifyArgs, config::Settings, exit, progress, wire};

pub(crate) async fn run(args: VerifyArgs, settings: &Settings) -> anyhow::Result<ExitCode> {
    let (databases, logs) = wire::logs(settings, args.organisation.as_deref()).await?;
    let mut reports = Vec::with_capacity(logs.len());
    for log in logs {
        let report = follow(&databases, &log).await.with_context(|| format!("verify {}", log.slug))?;
        if !args.json {
            print(&log.slug, &report);
        }
        reports.push((log.slug, report));
    }
    databases.close().await;

    let ok = reports.iter().all(|(_, report)| report.ok());
    if args.json {
        let logs: Vec<Value> = reports.iter().map(|(slug, report)| as_json(slug, report)).collect();
        println!("{:#}", json!({ "ok": ok, "logs": logs }));
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(exit::DIFFERENT) })
}

async fn follow(databases: &Databases, log: &LogEntry) -> anyhow::Result<Report> {
    let db = databases.log(log).await?;
    let bar = progress::bar(&log.slug);
    bar.set_message("verifying");
    let shown = bar.clone();
    let report = verify(&db, log, move |now| {
        shown.set_length(now.announced.max(now.events).unsigned_abs());
        shown.set_position(now.events.unsigned_abs());
    })
    .await;
    bar.finish_and_clear();
    Ok(report?)
}

fn print(slug: &str, report: &Report) {
    let Report { events, streams, head, .. } = report;
    let hash = head.hash_in_hex();
    if report.ok() {
        println!("{slug}: complete and untouched, {events} events in {streams} streams");
        println!("  worth keeping elsewhere: epoch {}, position {}, hash {hash}", head.epoch, head.position);
        return;
    }
    println!("{slug}: DOES NOT VERIFY, {} violations in {events} events of {streams} streams", report.violations);
    for finding in &report.findings {
        match finding.position {
            Some(position) => println!("  position {position}: {}", finding.what),
            None => println!("  {}", finding.what),
        }
    }
    let more = report.violations - report.findings.len() as u64;
    if more > 0 {
        println!("  and {more} more");
    }
}

fn as_json(slug: &str, report: &Report) -> Value {
    let findings: Vec<Value> =
        report.findings.iter().map(|finding| json!({ "position": finding.position, "what": finding.what })).collect();
    json!({
        "organisation": slug,
        "ok": report.ok(),
        "events": report.events,
        "streams": report.streams,
        "head": { "epoch": report.head.epoch, "position": report.head.position, "hash": report.head.hash_in_hex() },
        "violations": report.violations,
        "findings": findings,
    })
}
