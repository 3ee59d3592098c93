//! Raw work on PostgreSQL: `pgbench -M prepared` on the same server, in the same run.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, ensure};
use tokio::process::Command;

use crate::bench::report::{Histogram, Seen};

/// Where Debian keeps it when it is not on the path.
const PLACES: &[&str] =
    &["/usr/bin/pgbench", "/usr/lib/postgresql/17/bin/pgbench", "/usr/lib/postgresql/15/bin/pgbench"];

pub(super) struct Pgbench {
    program: PathBuf,
    url: String,
}

impl Pgbench {
    pub(super) fn find(url: &str) -> anyhow::Result<Self> {
        let program = PLACES
            .iter()
            .map(PathBuf::from)
            .find(|place| place.exists())
            .context("pgbench is not installed: on Debian it comes with postgresql-contrib")?;
        Ok(Self { program, url: url.to_owned() })
    }

    /// Runs one script with `clients` for `time`; unqualified names are those of `schema`.
    pub(super) async fn run(&self, schema: &str, script: &str, clients: usize, time: Duration) -> anyhow::Result<Seen> {
        let folder = std::env::temp_dir().join(format!("guichet-raw-{}", std::process::id()));
        tokio::fs::create_dir_all(&folder).await.context("make a folder for pgbench")?;
        let seen = self.run_in(&folder, schema, script, clients, time).await;
        tokio::fs::remove_dir_all(&folder).await.context("remove the folder of pgbench")?;
        seen
    }

    async fn run_in(
        &self,
        folder: &Path,
        schema: &str,
        script: &str,
        clients: usize,
        time: Duration,
    ) -> anyhow::Result<Seen> {
        tokio::fs::write(folder.join("raw.sql"), script).await.context("write the raw script")?;
        // The log holds the latency of every transaction: pgbench itself prints no percentile.
        let output = Command::new(&self.program)
            .args(["-n", "-M", "prepared", "-j", "2", "-f", "raw.sql", "--log", "--log-prefix=log"])
            .args(["-c", &clients.to_string(), "-T", &time.as_secs().max(1).to_string()])
            .arg(&self.url)
            .env("PGOPTIONS", format!("-c search_path={schema}"))
            .current_dir(folder)
            .stdin(Stdio::null())
            .output()
            .await
            .context("run pgbench")?;
        ensure!(output.status.success(), "pgbench failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        let printed = String::from_utf8_lossy(&output.stdout);
        Ok(Seen { per_second: number(&printed, "tps = ")?, latency: latencies(folder).await? })
    }
}

/// The program's own statement as a line of a script, with words of SQL in place of its parameters.
pub(super) fn filled(sql: &str, parameters: &[&str]) -> String {
    // From the last to the first, so that `$1` is not found in `$12`.
    let text = parameters
        .iter()
        .enumerate()
        .rev()
        .fold(sql.to_owned(), |text, (index, words)| text.replace(&format!("${}", index + 1), words));
    format!("{};\n", text.replace('\n', " "))
}

fn number(text: &str, label: &str) -> anyhow::Result<f64> {
    text.lines()
        .find_map(|line| line.trim().strip_prefix(label))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|word| word.parse().ok())
        .with_context(|| format!("pgbench printed no `{label}`"))
}

/// Each thread of pgbench writes a log; the third word of a line is a transaction's microseconds.
async fn latencies(folder: &Path) -> anyhow::Result<Histogram> {
    let mut latency = Histogram::default();
    let mut files = tokio::fs::read_dir(folder).await.context("list what pgbench wrote")?;
    while let Some(file) = files.next_entry().await.context("list what pgbench wrote")? {
        if !file.file_name().to_string_lossy().starts_with("log") {
            continue;
        }
        let text = tokio::fs::read_to_string(file.path()).await.context("read what pgbench wrote")?;
        for line in text.lines() {
            let micros = line.split(' ').nth(2).and_then(|word| word.parse().ok());
            latency.record(Duration::from_micros(micros.context("pgbench wrote no latency")?));
        }
    }
    Ok(latency)
}

#[cfg(test)]
mod examples {
    use super::*;

    #[test]
    fn parameters_are_filled_in_and_lines_become_one() {
        assert_eq!(filled("select $1,\n$12 + $2", &["a"; 12]), "select a, a + a;\n");
    }
}
