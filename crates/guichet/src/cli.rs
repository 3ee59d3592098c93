//! The command line. Every `--help` teaches: what the command does, what it needs, an example.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::Flags;

#[derive(Debug, Parser)]
#[command(name = "guichet", version, about = ABOUT, long_about = LONG, after_long_help = EXITS)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub flags: Flags,

    #[command(subcommand)]
    pub command: Command,
}

const ABOUT: &str = "Demandes de service 311 : un journal d'événements, des promesses, des portes REST. \
                     (Service requests: an event log, promises, REST doors.)";

const LONG: &str = "\
Guichet takes service requests, writes every fact into an append-only log, and answers from read models built \
out of it. Start with `guichet demo`: it needs nothing.

Settings come from flags, over the environment (GUICHET_…), over one configuration file (--config).";

const EXITS: &str = "\
Exit codes: 0 done · 1 could not be done · 2 mistake on the command line · 3 check, verify, oracle or soak found a \
difference · 4 an import rejected some rows";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Try it: SQLite, three cities, real requests, served on 127.0.0.1:8311.
    ///
    /// Imports Montréal's rat sightings of 2016–2017 and Boston's requests of July 2011 into a folder of its own,
    /// builds every read model, prints what it did and which addresses to open. A second run goes on where the first
    /// stopped.
    Demo(DemoArgs),

    /// Serve the doors: Open311 under /open311/v2/, the native API under /api/v1/.
    ///
    /// Publishes new declarations first, then runs the projections too unless --no-work. Several may serve one database.
    ///
    /// Example: guichet serve --database sqlite:data.guichet --master-key-file master.key --listen 127.0.0.1:8311
    Serve(ServeArgs),

    /// Keep the read models up to date, without serving.
    ///
    /// Several may run at once: the checkpoint lets one win each batch. It needs a database that `guichet migrate` has
    /// made; of an organisation that is published later it learns when it starts again.
    ///
    /// Example: guichet work --listen 127.0.0.1:8312
    Work(WorkArgs),

    /// Create or migrate the tables, publish new declarations, fill read models that never were; then stop.
    Migrate,

    /// Bring in what a city has published: CSV or JSON, through a mapping file.
    Import(crate::import::ImportArgs),

    /// Build read models again from the log, beside those that serve, then switch.
    Rebuild(ModelArgs),

    /// Fold the log without a database and compare every row of the read models with it.
    ///
    /// Exit code 3 if one differs.
    Check(ModelArgs),

    /// Verify the hash chain, the positions and the revisions of the logs, from docs/log-format.md alone.
    ///
    /// Exit code 3 if a log does not verify.
    Verify(VerifyArgs),

    /// Create, revoke and list API keys.
    #[command(subcommand)]
    Key(KeyCommand),

    /// Compare Boston's published due dates with those that its declaration computes.
    Oracle(crate::oracle::OracleArgs),

    /// Measure append, replay, rebuild, import and HTTP, each beside raw work of the same run.
    Bench(crate::bench::BenchArgs),

    /// Load servers, injure them, and hold what clients were told against the log.
    ///
    /// Exit code 3 if an invariant is violated.
    Soak(crate::soak::SoakArgs),
}

impl Command {
    /// What is logged where nothing else is asked: those that run for days tell what they do, the others what went wrong.
    pub(crate) fn logs(&self) -> &'static str {
        match self {
            Self::Serve(_) | Self::Work(_) => "info",
            _ => "warn",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Folder of the demo's data; made if absent.
    #[arg(long, env = "GUICHET_DEMO_DIR", default_value = "guichet-demo", value_name = "DIR")]
    pub dir: PathBuf,

    /// Empty that folder first.
    #[arg(long)]
    pub fresh: bool,

    /// Address to serve on [default: 127.0.0.1:8311].
    #[arg(long, env = "GUICHET_LISTEN")]
    pub listen: Option<SocketAddr>,

    /// Stop once everything is projected, without serving.
    #[arg(long)]
    pub no_serve: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Address to serve on [default: 127.0.0.1:8311].
    #[arg(long, env = "GUICHET_LISTEN")]
    pub listen: Option<SocketAddr>,

    /// Do not run the projections: `guichet work` does, elsewhere.
    #[arg(long)]
    pub no_work: bool,

    /// The address that clients use, for Open311 discovery: `https://311.example.org`.
    #[arg(long, env = "GUICHET_PUBLIC_URL")]
    pub public_url: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct WorkArgs {
    /// Address to answer /metrics, /healthz and /readyz on; absent: none.
    #[arg(long, env = "GUICHET_WORK_LISTEN")]
    pub listen: Option<SocketAddr>,
}

#[derive(Debug, Args)]
pub(crate) struct ModelArgs {
    /// Only this organisation (its slug); absent: all.
    #[arg(long, value_name = "SLUG")]
    pub organisation: Option<String>,

    /// Only these read models; absent: all.
    #[arg(value_name = "MODEL")]
    pub models: Vec<String>,

    /// Print the report as JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Only this organisation (its slug); absent: all.
    #[arg(long, value_name = "SLUG")]
    pub organisation: Option<String>,

    /// Print the report as JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key; it is printed alone on standard output, once.
    ///
    /// Example: KEY=$(guichet key create --organisation boston --role agent --label "CRM")
    Create {
        #[arg(long, value_name = "SLUG")]
        organisation: String,
        #[arg(long, value_enum)]
        role: RoleName,
        /// What it is for; shown by `key list`. No personal data.
        #[arg(long, default_value = "")]
        label: String,
    },
    /// Make a key useless at once; its public prefix names it: `gk_1a2b3c4d`.
    Revoke { prefix: String },
    /// List the keys, without their secrets.
    List {
        #[arg(long)]
        json: bool,
    },
}

/// What the holder of a key may do.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum RoleName {
    /// Post requests through Open311.
    Portal,
    /// Work requests to their end, find persons, read personal data; each such reading is recorded.
    Agent,
    /// Read figures; no request.
    Analyst,
    /// Read requests and figures; nothing sealed.
    Auditor,
    /// All that the others may.
    Admin,
}

#[cfg(test)]
mod examples {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }
}
