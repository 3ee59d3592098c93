//! Named fail points: where a soak ends the process at the k-th time that it comes by, as kill -9 would.
//!
//! They exist only in a build that asks for them (`--features failpoints`, and the tests' own); in every other one they are no
//! code at all, and to name one stops the program.

use std::{
    process,
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::{Context, anyhow, ensure};

/// Arms the point of `name:k`.
pub(crate) fn arm(setting: Option<&str>) -> anyhow::Result<()> {
    let Some(setting) = setting else { return Ok(()) };
    ensure!(fail::has_failpoints(), "this build has no fail points: build with `--features failpoints`");
    let (name, count) = setting.split_once(':').context("a fail point is armed as name:k")?;
    let count: u64 = count.parse().context("a fail point is armed as name:k")?;
    let passed = AtomicU64::new(0);
    let pass = move || {
        if passed.fetch_add(1, Ordering::Relaxed) + 1 == count {
            process::abort();
        }
    };
    fail::cfg_callback(name, pass).map_err(|error| anyhow!("arm {name}: {error}"))
}
