//! The faults, one file each. A scenario starts servers and load, injects, and ends with [`Stage::settle`].

mod kill;

use std::{fmt, str::FromStr};

use anyhow::bail;
use serde::Serialize;

use crate::stage::Stage;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// kill -9 of the server at random moments under load.
    Kill,
}

impl Fault {
    pub const ALL: [Self; 1] = [Self::Kill];

    fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
        }
    }

    /// How many a change is held against; nightly runs ask for more.
    pub(crate) fn of_a_change(self) -> u64 {
        match self {
            Self::Kill => 10,
        }
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
    }
}
