//! Raw work on PostgreSQL: `pgbench -M prepared` on the same server, in the same run.

use std::{path::PathBuf, process::Stdio};

use anyhow::{Context, bail};
use tokio::process::Command;

/// Where Debian keeps it when it is not on the path.
const PLACES: &[&str] =
    &["/usr/bin/pgbench", "/usr/lib/postgresql/17/bin/pgbench", "/usr/lib/postgresql/15/bin/pgbench"];

pub(crate) struct Pgbench {
    program: PathBuf,
    url: String,
}

/// What pgbench says of one run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said {
    pub per_second: f64,
    /// Its average: pgbench prints no percentile without a log.
    pub latency_ms: f64,
}

impl Pgbench {
    pub(crate) fn find(url: &str) -> anyhow::Result<Self> {
        let program = PLACES
            .iter()
            .map(PathBuf::from)
            .find(|place| place.exists())
            .context("pgbench is not installed: on Debian it comes with postgresql-contrib")?;
        Ok(Self { program, url: url.to_owned() })
    }

    /// Runs one script with `clients` for `seconds`.
    pub(crate) async fn run(&self, script: &str, clients: usize, seconds: u64) -> anyhow::Result<Said> {
        let file = std::env::temp_dir().join(format!("guichet-raw-{}.sql", std::process::id()));
        tokio::fs::write(&file, script).await.context("write the raw script")?;
        let output = Command::new(&self.program)
            .args(["-n", "-M", "prepared", "-j", "2", "-c", &clients.to_string(), "-T", &seconds.to_string(), "-f"])
            .arg(&file)
            .arg(&self.url)
            .stdin(Stdio::null())
            .output()
            .await
            .context("run pgbench")?;
        tokio::fs::remove_file(&file).await.context("remove the raw script")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            bail!("pgbench failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(Said { per_second: number(&text, "tps = ")?, latency_ms: number(&text, "latency average = ")? })
    }
}

fn number(text: &str, label: &str) -> anyhow::Result<f64> {
    text.lines()
        .find_map(|line| line.trim().strip_prefix(label))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|word| word.parse().ok())
        .with_context(|| format!("pgbench printed no `{label}`"))
}
