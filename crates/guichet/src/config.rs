//! Settings: flags over environment over one configuration file over defaults.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Args;
use serde::Deserialize;
use vault::MasterKey;

/// What every subcommand may need. The parser has already put the environment under the flags.
#[derive(Debug, Clone, Args)]
pub(crate) struct Flags {
    /// Where the data is: `sqlite:DIR` or `postgres://user@host/database`.
    #[arg(long, global = true, env = "GUICHET_DATABASE", hide_env_values = true, value_name = "URL")]
    pub database: Option<String>,

    /// Folder of service declarations, one TOML file a version.
    #[arg(long, global = true, env = "GUICHET_DECLARATIONS", value_name = "DIR")]
    pub declarations: Option<PathBuf>,

    /// Document that holds the master key: 32 bytes in base64. Guard it like the data; without it nothing personal reads.
    #[arg(long, global = true, env = "GUICHET_MASTER_KEY_FILE", value_name = "FILE")]
    pub master_key_file: Option<PathBuf>,

    /// Configuration file (TOML): the same words as the flags, with underscores.
    #[arg(long, global = true, env = "GUICHET_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Log lines as JSON.
    #[arg(long, global = true, env = "GUICHET_LOG_JSON")]
    pub log_json: bool,

    /// What to log: `info`, `guichet=debug,warn`.
    #[arg(long, global = true, env = "GUICHET_LOG", value_name = "FILTER")]
    pub log: Option<String>,

    /// Where a soak ends this process: `name:k`, in a build that has fail points.
    #[arg(long, global = true, env = "GUICHET_FAIL_POINT", hide = true)]
    pub fail_point: Option<String>,
}

/// The configuration file, as read. docs/operations.md shows one with every key.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    database: Option<String>,
    declarations: Option<PathBuf>,
    master_key_file: Option<PathBuf>,
    listen: Option<SocketAddr>,
    work_listen: Option<SocketAddr>,
    public_url: Option<String>,
    log: Option<String>,
    log_json: Option<bool>,
}

/// Settled settings.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub database: Option<String>,
    pub declarations: PathBuf,
    pub master_key_file: Option<PathBuf>,
    pub listen: Option<SocketAddr>,
    pub work_listen: Option<SocketAddr>,
    pub public_url: Option<String>,
    /// Absent: each command's own.
    pub log: Option<String>,
    pub log_json: bool,
}

const MASTER_KEY: &str = "GUICHET_MASTER_KEY";

impl Settings {
    pub(crate) fn resolve(flags: Flags) -> anyhow::Result<Self> {
        let file = match &flags.config {
            Some(path) => read(path)?,
            None => Document::default(),
        };
        Ok(Self {
            database: flags.database.or(file.database),
            declarations: flags.declarations.or(file.declarations).unwrap_or_else(|| "declarations".into()),
            master_key_file: flags.master_key_file.or(file.master_key_file),
            listen: file.listen,
            work_listen: file.work_listen,
            public_url: file.public_url,
            log: flags.log.or(file.log),
            log_json: flags.log_json || file.log_json.unwrap_or(false),
        })
    }

    /// Where the data is, or a sentence that says how to name it.
    pub(crate) fn location(&self) -> anyhow::Result<db::Location> {
        let url = self
            .database
            .as_deref()
            .context("name the database: --database sqlite:DIR or postgres://… (or GUICHET_DATABASE)")?;
        url.parse().context("read --database")
    }

    /// The master key from the environment, else from its file.
    pub(crate) fn master_key(&self) -> anyhow::Result<MasterKey> {
        #[expect(clippy::disallowed_methods, reason = "a secret is never a flag: it would show in the process list")]
        let from_environment = std::env::var(MASTER_KEY).ok();
        match (from_environment, &self.master_key_file) {
            (Some(text), _) => MasterKey::from_base64(&text).with_context(|| format!("read {MASTER_KEY}")),
            (None, Some(path)) => {
                MasterKey::from_file(path).with_context(|| format!("read the master key {}", path.display()))
            }
            (None, None) => anyhow::bail!(
                "a master key is needed to read and write personal data: set {MASTER_KEY} or --master-key-file \
                 (make one with `head -c 32 /dev/urandom | base64 > master.key`)"
            ),
        }
    }
}

fn read(path: &Path) -> anyhow::Result<Document> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("read {}", path.display()))
}

#[cfg(test)]
mod examples {
    use super::*;

    /// The file that docs/operations.md shows, without the text around it.
    fn documented() -> &'static str {
        let page = include_str!("../../../docs/operations.md");
        let (_, rest) = page.split_once("```toml\n").expect("the page shows a configuration file");
        rest.split_once("```").expect("it ends").0
    }

    #[test]
    fn the_documented_file_reads_and_shows_every_key() {
        let Document { database, declarations, master_key_file, listen, work_listen, public_url, log, log_json } =
            toml::from_str(documented()).expect("the documented file reads");
        assert!(database.is_some() && declarations.is_some() && master_key_file.is_some());
        assert!(listen.is_some() && work_listen.is_some() && public_url.is_some());
        assert!(log.is_some() && log_json.is_some());
    }

    #[test]
    fn a_key_that_nobody_knows_is_refused() {
        assert!(toml::from_str::<Document>("databse = 'sqlite:here'").is_err());
    }
}
