//! Where the programs under test run: their database, master key, keys and log.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{ExitStatus, Output, Stdio},
    time::Duration,
};

use anyhow::{Context, ensure};
use tokio::process::Command;

use crate::stage::within;

/// Longer than any command needs for all that a night wrote.
const PATIENCE: Duration = Duration::from_mins(15);
/// Whose log is loaded.
pub(crate) const ORGANISATION: &str = "ville_quebec";
pub(crate) const JURISDICTION: &str = "ville.quebec.qc.ca";

#[derive(Clone)]
pub(crate) struct Site {
    program: PathBuf,
    /// The program's folder: declarations, mappings, data.
    home: PathBuf,
    pub(crate) database: String,
    /// Words before the program's own: whoever runs it in its stead.
    prefix: Vec<String>,
    /// Of ledgers, the servers' log and the master key.
    pub(crate) folder: PathBuf,
}

impl Site {
    pub(crate) fn new(program: &Path, home: &Path, database: &str, folder: PathBuf) -> Self {
        Self {
            program: program.to_owned(),
            home: home.to_owned(),
            database: database.to_owned(),
            prefix: vec![],
            folder,
        }
    }

    /// The same on what stands for the database.
    pub(crate) fn on(&self, database: String) -> Self {
        Self { database, ..self.clone() }
    }

    /// The same, with the program run by another.
    pub(crate) fn behind(&self, prefix: Vec<String>) -> Self {
        Self { prefix, ..self.clone() }
    }

    /// Any 32 bytes do: what matters is that the same ones come back after each restart.
    pub(crate) fn make_master_key(&self) -> anyhow::Result<()> {
        std::fs::write(self.master_key(), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").context("write a master key")
    }

    fn master_key(&self) -> PathBuf {
        self.folder.join("master.key")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut words = self.prefix.iter().map(OsStr::new).chain([self.program.as_os_str()]);
        let mut command = Command::new(words.next().unwrap_or_default());
        command
            .args(words)
            .env("GUICHET_DATABASE", &self.database)
            .env("GUICHET_MASTER_KEY_FILE", self.master_key())
            .current_dir(&self.home)
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Runs a command to its end; its exit code and standard output.
    pub(crate) async fn run(&self, arguments: &[&str]) -> anyhow::Result<(Option<i32>, String)> {
        let output = output(&mut self.command(arguments)).await?;
        let log = std::fs::File::options().create(true).append(true).open(self.log());
        std::io::Write::write_all(&mut log.context("open the log")?, &output.stderr).context("write the log")?;
        Ok((output.status.code(), String::from_utf8(output.stdout).context("read what it printed")?))
    }

    /// Runs a command that ends at a point, if it comes there; how it ended.
    pub(crate) async fn armed(&self, arguments: &[&str], point: &str) -> anyhow::Result<ExitStatus> {
        Ok(output(self.command(arguments).env("GUICHET_FAIL_POINT", point)).await?.status)
    }

    /// Runs a command that must succeed.
    pub(crate) async fn done(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let (code, printed) = self.run(arguments).await?;
        ensure!(code == Some(0), "{arguments:?} ended with {code:?}; see {}", self.log().display());
        Ok(printed)
    }

    pub(crate) async fn key(&self, role: &str) -> anyhow::Result<String> {
        let key = self.done(&["key", "create", "--organisation", ORGANISATION, "--role", role]).await?;
        Ok(key.trim().to_owned())
    }
}

/// What a command came to.
pub(crate) async fn output(command: &mut Command) -> anyhow::Result<Output> {
    // Without its environment, which may hold a password.
    let said = format!("{:?}", command.as_std().get_args().collect::<Vec<_>>());
    within(PATIENCE, &said, command.output()).await?.with_context(|| format!("run the program with {said}"))
}
