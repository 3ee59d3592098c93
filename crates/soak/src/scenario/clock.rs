//! Clocks that step, both ways and far, beneath a server that stays.
//!
//! libfaketime tells the program another time of day and leaves the monotonic clock alone, as a step of NTP or of an operator
//! does. What the log keeps of it is the checker's: `recorded_at` never decreases, and no due date that was told moves.

use std::{fs, path::Path, time::Duration};

use anyhow::Context;

use crate::{load::Load, reader::Readers, stage::Stage};

const CLIENTS: usize = 8;
const READERS: usize = 1;
const BETWEEN_STEPS: Duration = Duration::from_millis(400);
/// Appends that must be acknowledged after each step: time stands still for nobody.
const GOES_ON: i64 = 5;

/// One after the other, and again: hours and days, the epoch, the end of 32-bit seconds, a leap day, both nights on which
/// Toronto changes its clocks.
const STEPS: [&str; 12] = [
    "+3600s",
    "-3600s",
    "+1d",
    "-1d",
    "@1970-01-01 00:00:01",
    "@2038-01-19 03:14:06",
    "+3650d",
    "@2028-02-29 23:59:59",
    "@2026-03-08 06:59:59",
    "@2026-11-01 05:59:59",
    "-400d",
    "+0s",
];

const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// Why clocks cannot be made to step here, if they cannot.
pub(crate) fn forbidden() -> Option<&'static str> {
    library().is_none().then_some("there is no libfaketime here: install libfaketime")
}

fn library() -> Option<std::path::PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.flatten().map(|folder| folder.path());
    folders.map(|folder| folder.join(LIBRARY)).find(|file| Path::is_file(file))
}

pub(super) async fn play(stage: &mut Stage) -> anyhow::Result<u64> {
    let library = library().context("libfaketime is here")?;
    let now = stage.site.folder.join("now");
    fs::write(&now, "+0s")?;
    let env = [
        ("LD_PRELOAD", library.to_str().context("a path of text")?),
        ("FAKETIME_TIMESTAMP_FILE", now.to_str().context("a path of text")?),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("TZ", "UTC"),
    ];
    let server = stage.serve_with("server", &env).await?;
    stage.up([server.url.as_str()]);
    let load = Load::start(stage, CLIENTS)?;
    let readers = Readers::start(stage, READERS)?;
    let mut steps = 0;
    for step in STEPS.iter().cycle() {
        if steps == stage.count || !stage.goes_on() {
            break;
        }
        stage.fault("clock-step", *step)?;
        // Renamed into place: the program reads it at every look at the clock.
        let next = now.with_extension("next");
        fs::write(&next, step)?;
        fs::rename(&next, &now)?;
        tokio::time::sleep(BETWEEN_STEPS).await;
        stage.grows(GOES_ON).await.with_context(|| format!("go on after the clock stepped to {step}"))?;
        steps += 1;
    }
    stage.settle_on(server, Some(load), readers).await?;
    Ok(steps)
}
