//! The faults, one file each. A scenario starts servers and load, injects, and ends with [`Stage::settle`].

mod aborts;
mod clock;
mod cuts;
mod disk;
mod duplicates;
mod fail_points;
mod failover;
mod kill;
mod outage;
mod paused_workers;
mod poison;
mod power;
mod two_servers;

use std::{fmt, str::FromStr};

use anyhow::bail;
use db::Location;
use serde::Serialize;

use self::outage::Outage;
use crate::{image, stage::Stage, strace};

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// kill -9 of the server at random moments under load.
    Kill,
    /// kill -9 of PostgreSQL beneath a server that stays.
    PgCrash,
    /// PostgreSQL restarted, fast and immediate in turn.
    PgRestart,
    /// Every session of PostgreSQL ended, again and again.
    KilledBackends,
    /// Connections reset after the n-th byte, and between an append and its answer.
    CutConnections,
    /// No room on the disk, then room again.
    DiskFull,
    /// System calls that fail, then a power cut.
    BrokenDisk,
    /// The power goes.
    PowerCut,
    /// A standby takes over that every commit waited for.
    Failover,
    /// The control: one takes over that nobody waited for.
    FailoverAsynchronous,
    /// The time of day steps.
    ClockStep,
    /// The process ends at a named point of its code, the k-th time that it comes by.
    FailPoints,
    /// Clients that hang up while everything is late.
    Aborts,
    /// One operation fifty times at once, on two servers.
    Duplicates,
    /// Two servers on one database, replaced one after the other.
    TwoServers,
    /// Several workers on the same read models, one of which sleeps.
    PausedWorkers,
    /// Events that no projection can fold.
    Poison,
}

/// What of a machine of its own a fault asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Of so much room: as for a disk that is copied whole at each trial, or so many times that.
    pub(crate) disk: Option<u32>,
    pub(crate) proxy: bool,
}

impl Fault {
    pub const ALL: [Self; 17] = [
        Self::Kill,
        Self::PgCrash,
        Self::PgRestart,
        Self::KilledBackends,
        Self::CutConnections,
        Self::DiskFull,
        Self::BrokenDisk,
        Self::PowerCut,
        Self::Failover,
        Self::FailoverAsynchronous,
        Self::ClockStep,
        Self::FailPoints,
        Self::Aborts,
        Self::Duplicates,
        Self::TwoServers,
        Self::PausedWorkers,
        Self::Poison,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::PgCrash => "pg-crash",
            Self::PgRestart => "pg-restart",
            Self::KilledBackends => "killed-backends",
            Self::CutConnections => "cut-connections",
            Self::DiskFull => "disk-full",
            Self::BrokenDisk => "broken-disk",
            Self::PowerCut => "power-cut",
            Self::Failover => "failover",
            Self::FailoverAsynchronous => "failover-asynchronous",
            Self::ClockStep => "clock-step",
            Self::FailPoints => "fail-points",
            Self::Aborts => "aborts",
            Self::Duplicates => "duplicates",
            Self::TwoServers => "two-servers",
            Self::PausedWorkers => "paused-workers",
            Self::Poison => "poison",
        }
    }

    /// How many a change is held against; nightly runs ask for more.
    pub(crate) fn of_a_change(self) -> u64 {
        match self {
            Self::Kill | Self::Duplicates | Self::PausedWorkers => 10,
            Self::PgCrash | Self::PgRestart | Self::DiskFull | Self::PowerCut => 4,
            Self::KilledBackends => 20,
            Self::CutConnections | Self::Aborts => 200,
            Self::BrokenDisk => 8,
            Self::Failover | Self::Poison => 2,
            Self::FailoverAsynchronous => 1,
            Self::ClockStep => 12,
            Self::FailPoints => 3,
            Self::TwoServers => 6,
        }
    }

    /// None: a scratch database will do.
    pub(crate) fn needs(self) -> Option<Needs> {
        let (disk, proxy) = match self {
            Self::Kill
            | Self::ClockStep
            | Self::FailPoints
            | Self::Aborts
            | Self::Duplicates
            | Self::TwoServers
            | Self::PausedWorkers
            | Self::Poison => return None,
            Self::PgCrash | Self::PgRestart | Self::KilledBackends => (None, false),
            Self::CutConnections | Self::Failover | Self::FailoverAsynchronous => (None, true),
            Self::BrokenDisk | Self::PowerCut => (Some(1), false),
            Self::DiskFull => (Some(8), false),
        };
        Some(Needs { disk, proxy })
    }

    /// Whether a database like this can have it.
    pub fn befalls(self, database: &Location) -> bool {
        let on_postgres = matches!(database, Location::Postgres(_));
        match self {
            Self::PgCrash | Self::PgRestart | Self::KilledBackends | Self::Failover | Self::FailoverAsynchronous => {
                on_postgres
            }
            _ => true,
        }
    }

    /// Why it cannot be injected on this machine, if it cannot.
    pub fn forbidden(self) -> Option<String> {
        let of_disks = || image::forbidden().map(str::to_owned);
        match self {
            Self::DiskFull | Self::PowerCut => of_disks(),
            Self::BrokenDisk => of_disks().or_else(strace::forbidden),
            Self::ClockStep => clock::forbidden().map(str::to_owned),
            _ => None,
        }
    }

    /// A control: the checker has to find what was acknowledged and is lost.
    pub(crate) fn must_lose(self) -> bool {
        self == Self::FailoverAsynchronous
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Fault {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let Some(fault) = Self::ALL.into_iter().find(|fault| fault.name() == text) else {
            bail!("no such fault; known: {}", Self::ALL.map(Self::name).join(", "));
        };
        Ok(fault)
    }
}

/// How many faults were injected.
pub(crate) async fn play(fault: Fault, stage: &mut Stage) -> anyhow::Result<u64> {
    match fault {
        Fault::Kill => kill::play(stage).await,
        Fault::PgCrash => outage::play(stage, Outage::Crash).await,
        Fault::PgRestart => outage::play(stage, Outage::Restart).await,
        Fault::KilledBackends => outage::play(stage, Outage::Terminate).await,
        Fault::CutConnections => cuts::play(stage).await,
        Fault::DiskFull => disk::full(stage).await,
        Fault::BrokenDisk => disk::broken(stage).await,
        Fault::PowerCut => power::play(stage).await,
        Fault::Failover => failover::synchronous(stage).await,
        Fault::FailoverAsynchronous => failover::asynchronous(stage).await,
        Fault::ClockStep => clock::play(stage).await,
        Fault::FailPoints => fail_points::play(stage).await,
        Fault::Aborts => aborts::play(stage).await,
        Fault::Duplicates => duplicates::play(stage).await,
        Fault::TwoServers => two_servers::play(stage).await,
        Fault::PausedWorkers => paused_workers::play(stage).await,
        Fault::Poison => poison::play(stage).await,
    }
}
