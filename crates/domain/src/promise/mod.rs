//! Promises: what a standard of a declaration owes in one matter.
//!
//! They live in the stream of their matter, decided by the matter's own decider, which embeds [`Promises`].
//! This module holds the words; [`due`](mod@due) computes instants, once, when an event is decided; [`Promises`] is the table
//! of what happens to open promises; [`percentile`] measures the standards that are owed to no single matter.
//! Nothing here reads a clock: a promise is overdue when somebody asks and `due_at <= now`.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::{
    time::{Instant, Local},
    words::{Code, Label},
};

mod due;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod percentile;
mod table;

pub use due::due;
pub use table::Promises;

/// One line of a declaration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standard {
    pub code: Code,
    pub label: Label,
    /// What it is owed in. Only those of a `Request` make promises; the others are listed.
    #[serde(default)]
    pub matter: Matter,
    #[serde(default)]
    pub milestone: Milestone,
    /// Owed only in matters opened through one of these channels, whatever the product (S2-35); empty: owed by the
    /// products that name it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<Code>,
    pub duration: Duration,
    #[serde(default)]
    pub day_rule: DayRule,
    /// Hour durations: roll to the next open day or not (A1).
    #[serde(default)]
    pub hours_mode: HoursMode,
    /// A3, A4: what a trigger after closing or on a closed day means.
    #[serde(default)]
    pub after_hours: AfterHours,
    /// Boston: a trigger on a closed day counts from the same time on the next open day. Applied first.
    #[serde(default)]
    pub closed_day: ClosedDay,
    /// Boston: a trigger at or after `after` counts from `counts_from` on the next open day. Applied second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late: Option<LateRule>,
    /// Time spent waiting for the citizen is added (A13: default no).
    #[serde(default)]
    pub pauses: bool,
    /// An interim answer with an anticipated date extends it.
    #[serde(default)]
    pub extends: bool,
    /// Percentage of matters in which it is meant to be kept; absent: every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_percent: Option<f64>,
    /// Where the organisation has published it: `S2-36`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// What a standard is owed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Matter {
    #[default]
    Request,
    /// Listed, with no matter yet that owes it.
    Contact,
    Complaint,
}

/// What keeps the promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Milestone {
    /// Answered, or refused with a reason; resolving answers too.
    Answer,
    /// The intervention is done (A13).
    #[default]
    Resolution,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Duration {
    ElapsedHours(u32),
    BusinessHours(u32),
    BusinessDays(u32),
    CalendarDays(u32),
    /// "At most 2 min, 80 % of the time": measured over a period by [`percentile`], never owed to one matter (A5).
    Seconds(u32),
    /// "In under a minute": the same, strictly less.
    UnderSeconds(u32),
    /// No duration is published: owed only where an imported source gave a date of its own.
    CaseByCase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DayRule {
    /// 24:00 local of the last day (A2).
    #[default]
    EndOfDay,
    /// The local time of the trigger on the last day.
    SameTime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoursMode {
    #[default]
    ElapsedRoll,
    ElapsedStrict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterHours {
    #[default]
    CalendarDate,
    NextBusinessDay,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClosedDay {
    #[default]
    Counts,
    SameTimeNextOpenDay,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LateRule {
    pub after: chrono::NaiveTime,
    pub counts_from: chrono::NaiveTime,
}

/// A promise within its matter: the standard, and how many times it was owed before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PromiseId {
    pub standard: Code,
    pub ordinal: u32,
}

/// Where a due instant comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Computed from the standard.
    Standard,
    /// The date the imported source had promised.
    Source,
    /// The date an interim answer announced after the first promise was missed.
    Interim,
}

/// The instants of a promise, computed once, and what produced them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    pub trigger_at: Local,
    /// UTC instant before any rolling; exclusive.
    pub due_strict_at: Instant,
    /// UTC instant, exclusive: the milestone must come before it.
    pub due_at: Instant,
    /// Local date of `due_at` less a microsecond: the last day on which it can be kept.
    pub due_on: NaiveDate,
    pub declaration: Code,
    pub calendar: Code,
    /// Time-zone database: `2026e`.
    pub tzdb: String,
}

/// `promise.*` in the matter's stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Made {
        id: PromiseId,
        at: Local,
        milestone: Milestone,
        basis: Basis,
        due: Due,
        /// With `basis: source`, what the standard would have promised.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        computed_due_at: Option<Instant>,
    },
    Kept {
        id: PromiseId,
        at: Local,
        due_at: Instant,
        due_on: NaiveDate,
    },
    Missed {
        id: PromiseId,
        at: Local,
        due_at: Instant,
        due_on: NaiveDate,
    },
    /// By an interim answer: judged by the new date, both reported.
    Extended {
        id: PromiseId,
        at: Local,
        previous_due_at: Instant,
        previous_due_on: NaiveDate,
        due: Due,
    },
    Paused {
        id: PromiseId,
        at: Local,
    },
    Resumed {
        id: PromiseId,
        at: Local,
        previous_due_at: Instant,
        previous_due_on: NaiveDate,
        due: Due,
    },
    Released {
        id: PromiseId,
        at: Local,
        reason: Release,
        due_at: Instant,
        due_on: NaiveDate,
    },
}

/// Why a promise is owed no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Release {
    Recategorised,
    Duplicate,
    Cancelled,
    Planned,
    /// With a reason: the answer is given, and what was to be done will not be.
    Refused,
}

impl Event {
    pub fn id(&self) -> &PromiseId {
        match self {
            Self::Made { id, .. }
            | Self::Kept { id, .. }
            | Self::Missed { id, .. }
            | Self::Extended { id, .. }
            | Self::Paused { id, .. }
            | Self::Resumed { id, .. }
            | Self::Released { id, .. } => id,
        }
    }
}
