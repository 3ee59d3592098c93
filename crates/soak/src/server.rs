//! A process under test: started, waited for, killed, stopped, reaped.

use std::{
    net::SocketAddr,
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use checker::ledger::{Line, Ready};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Child,
    task::JoinHandle,
};

use crate::{
    ledger::{Clock, Ledger},
    site::Site,
    stage::within,
};

/// How long a process may take until `/readyz` answers 200, whatever happened to the one before it.
const READY: Duration = Duration::from_secs(10);
/// Given up after this: it will not come any more.
const PATIENCE: Duration = Duration::from_mins(1);
const ASKED_AGAIN: Duration = Duration::from_millis(10);

/// `guichet serve` or `guichet work`.
pub(crate) struct Server {
    name: String,
    child: Child,
    pub(crate) url: String,
    drain: JoinHandle<()>,
    started: Instant,
}

impl Server {
    /// Starts `serve` or `work` with these arguments and environment, and waits until it says where it listens.
    pub(crate) async fn start(
        site: &Site,
        name: &str,
        arguments: &[&str],
        env: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let started = Instant::now();
        let log =
            std::fs::File::options().create(true).append(true).open(site.log()).context("open the server's log")?;
        let mut child = site
            .command(arguments.iter().chain(&["--listen", "127.0.0.1:0"]))
            .envs(env.iter().copied())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("start the program")?;
        let stdout = child.stdout.take().context("its standard output is piped")?;
        let mut lines = BufReader::new(stdout).lines();
        let url = loop {
            let line = within(PATIENCE, "its address", lines.next_line()).await??;
            let Some(line) = line else {
                let status = child.wait().await?;
                bail!("{name} ended with {status} before it listened; see {}", site.log().display());
            };
            if let Some(url) = line.split_whitespace().find(|word| word.starts_with("http://")) {
                break url.trim_end_matches('/').to_owned();
            }
        };
        // The pipe stays open: a server must not die of a reader that has gone.
        let drain = tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { name: name.to_owned(), child, url, drain, started })
    }

    /// Waits until it says that it can serve, and writes down how long that took. False where it ended before.
    pub(crate) async fn ready(&mut self, clock: Clock, ledger: &Ledger) -> anyhow::Result<bool> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build()?;
        let address = format!("{}/readyz", self.url);
        while self.started.elapsed() < PATIENCE {
            if self.ended()?.is_some() {
                return Ok(false);
            }
            let answer = client.get(&address).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                let millis = self.started.elapsed().as_millis() as u64;
                let (t, server, limit) = (clock.now(), self.name.clone(), READY.as_millis() as u64);
                ledger.write(&Line::Ready(Ready { t, server, millis, limit }))?;
                return Ok(true);
            }
            tokio::time::sleep(ASKED_AGAIN).await;
        }
        bail!("{} was never ready", self.name)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> anyhow::Result<SocketAddr> {
        let address = self.url.strip_prefix("http://").context("an http URL")?;
        address.parse().with_context(|| format!("{address} is no address"))
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits until it ends by itself.
    pub(crate) async fn end(&mut self) -> anyhow::Result<ExitStatus> {
        Ok(self.child.wait().await?)
    }

    /// kill -9, then waits for the process: nobody else reaps it.
    pub(crate) async fn kill(mut self) -> anyhow::Result<()> {
        within(PATIENCE, "kill -9", self.child.kill()).await??;
        // It ends with the pipe.
        within(PATIENCE, "the end of what it says", self.drain).await.map(drop)
    }

    /// Asks it to stop as an operator would, and waits for it.
    pub(crate) async fn stop(mut self) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        let status = within(PATIENCE, "its stop", self.child.wait()).await??;
        within(PATIENCE, "the end of what it says", self.drain).await.map(|_| status)
    }

    /// It does nothing any more, and holds all that it holds.
    pub(crate) fn pause(&self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)
    }

    pub(crate) fn resume(&self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }

    pub(crate) fn process(&self) -> anyhow::Result<Pid> {
        Pid::from_raw(self.pid()?.cast_signed()).context("a process id is not zero")
    }

    pub(crate) fn pid(&self) -> anyhow::Result<u32> {
        self.child.id().context("it has not ended")
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        kill_process(self.process()?, signal).with_context(|| format!("send {signal:?} to {}", self.name))
    }
}
