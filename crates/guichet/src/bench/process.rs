//! This program again, in processes of its own, and what Linux says of them under `/proc`.

use std::process::Stdio;

use anyhow::{Context, ensure};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::{bench::scratch::Scratch, config::Settings};

/// Killed when dropped, if the bench itself fails.
pub(super) struct Process {
    child: Child,
    id: u32,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Process {
    pub(super) fn start(scratch: &Scratch, settings: &Settings, arguments: &[&str]) -> anyhow::Result<Self> {
        // The database and the key go through the environment: a command line shows in the list of processes.
        let mut child = Command::new(std::env::current_exe().context("find this program")?)
            .args(arguments)
            .env("GUICHET_DATABASE", scratch.databases.location().url())
            .env("GUICHET_MASTER_KEY", scratch.master.to_base64().as_str())
            .env("GUICHET_DECLARATIONS", &settings.declarations)
            .env("GUICHET_LOG", "warn")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("start this program again")?;
        let id = child.id().context("it has just been started")?;
        let stdin = child.stdin.take().context("its standard input is piped")?;
        let stdout = child.stdout.take().context("its standard output is piped")?;
        Ok(Self { child, id, stdin, stdout: BufReader::new(stdout).lines() })
    }

    /// The next line that it prints.
    pub(super) async fn line(&mut self) -> anyhow::Result<String> {
        let line = self.stdout.next_line().await.context("read what a process of the bench prints")?;
        line.context("a process of the bench has ended")
    }

    pub(super) async fn say(&mut self, line: &str) -> anyhow::Result<()> {
        self.stdin.write_all(format!("{line}\n").as_bytes()).await.context("write to a process of the bench")
    }

    /// kill -9, and until it is gone: what it wrote is removed in a moment.
    pub(super) async fn end(mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("end a process of the bench")
    }

    /// `VmRSS`, what it holds now, or `VmHWM`, the most it ever held, in megabytes.
    pub(super) fn memory(&self, figure: &str) -> anyhow::Result<f64> {
        memory(&self.id.to_string(), figure)
    }

    /// Processor time it has used, in the ticks of [`Machine`].
    pub(super) fn ticks(&self) -> anyhow::Result<u64> {
        let stat = read(&format!("/proc/{}/stat", self.id))?;
        // The second word is the name, in parentheses; it may hold anything.
        let (_, words) = stat.rsplit_once(") ").context("read /proc/<id>/stat")?;
        let word = |at: usize| words.split(' ').nth(at).and_then(|word| word.parse::<u64>().ok());
        Ok(word(11).context("read /proc/<id>/stat")? + word(12).context("read /proc/<id>/stat")?)
    }

    /// Feeds it `lines` and waits for its end; the most memory it ever held, in megabytes.
    pub(super) async fn feed(self, lines: impl Iterator<Item = String>) -> anyhow::Result<f64> {
        let Self { mut child, id, mut stdin, mut stdout } = self;
        let feed = async move {
            for line in lines {
                stdin.write_all(line.as_bytes()).await.context("write to a process of the bench")?;
            }
            anyhow::Ok(())
        };
        let drain = async move {
            while stdout.next_line().await.context("read what a process of the bench prints")?.is_some() {}
            anyhow::Ok(())
        };
        let watch = async move {
            let mut tick = tokio::time::interval(std::time::Duration::from_millis(20));
            let mut most = 0.0_f64;
            loop {
                tick.tick().await;
                if let Some(status) = child.try_wait().context("wait for a process of the bench")? {
                    ensure!(status.success(), "a process of the bench ended with {status}");
                    return anyhow::Ok(most);
                }
                // One that has just ended holds nothing any more.
                most = memory(&id.to_string(), "VmHWM").unwrap_or(most);
            }
        };
        let (most, (), ()) = tokio::try_join!(watch, feed, drain)?;
        Ok(most)
    }
}

/// Of `self` or of a process's id.
pub(super) fn memory(process: &str, figure: &str) -> anyhow::Result<f64> {
    let status = read(&format!("/proc/{process}/status"))?;
    let kibibytes = status
        .lines()
        .find_map(|line| line.strip_prefix(figure)?.strip_prefix(':')?.split_whitespace().next()?.parse::<f64>().ok());
    Ok(kibibytes.with_context(|| format!("find {figure} of a process"))? * 1_024.0 / 1e6)
}

/// Processor time of the whole machine since it started.
#[derive(Clone, Copy)]
pub(super) struct Machine {
    all: u64,
    idle: u64,
    /// Idle because a disk was awaited.
    waiting: u64,
}

impl Machine {
    pub(super) fn now() -> anyhow::Result<Self> {
        let stat = read("/proc/stat")?;
        let line = stat.lines().next().unwrap_or_default();
        let ticks: Vec<u64> = line.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
        ensure!(ticks.len() >= 8, "read /proc/stat");
        // The last two, guests, are counted among the first two already.
        Ok(Self { all: ticks[..8].iter().sum(), idle: ticks[3], waiting: ticks[4] })
    }

    /// What was saturated since then, by `ours` ticks of the servers among others.
    pub(super) fn since(then: Self, ours: u64) -> anyhow::Result<String> {
        let now = Self::now()?;
        let percent = |ticks: u64| 100.0 * ticks as f64 / (now.all - then.all).max(1) as f64;
        let (idle, waiting) = (percent(now.idle - then.idle), percent(now.waiting - then.waiting));
        let busy = 100.0 - idle - waiting;
        let saturated = if busy >= 90.0 {
            "the processors are saturated"
        } else if waiting >= 50.0 {
            "the disk is saturated"
        } else {
            "nothing is saturated: each commit waits for the one before"
        };
        Ok(format!(
            "{saturated}: {busy:.0} % busy, {:.0} % by the servers, {waiting:.0} % waiting for the disk",
            percent(ours)
        ))
    }
}

fn read(path: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("read {path}, which Linux has"))
}
