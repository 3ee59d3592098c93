//! Calendars: zone, weekly hours, holidays, closures, exceptional openings; and arithmetic on them.
//!
//! The only place where local time is computed, with the time-zone database bundled in `jiff`.

use chrono::{NaiveDate, NaiveTime};
use serde::{Deserialize, Serialize};

use crate::{
    time::{Instant, Local},
    words::Code,
};

/// When an organisation is open. Versioned with the declaration that holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    /// Names this calendar in `promise.made`: `ville-quebec-311@2024-1`.
    pub version: Code,
    /// IANA name: `America/Toronto`.
    pub zone: String,
    #[serde(default)]
    pub holidays: Holidays,
    /// Weekly hours by effective period; the last that has begun holds.
    pub hours: Vec<WeeklyHours>,
    /// Whole days closed beyond the statutory ones.
    #[serde(default)]
    pub closures: Vec<NaiveDate>,
    /// Dated openings that replace the day's hours (S2-14..16).
    #[serde(default)]
    pub openings: Vec<ExceptionalOpening>,
}

/// Statutory holidays by rule (`requirements.md` of the project: CNESST list, ESA list).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holidays {
    #[default]
    None,
    /// CNESST's eight days with Good Friday.
    Quebec,
    /// The eight days with Good Friday and Easter Monday.
    QuebecBothEaster,
    /// ESA's nine days.
    Ontario,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeeklyHours {
    pub from: NaiveDate,
    /// Absent: closed that weekday.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monday: Option<Hours>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuesday: Option<Hours>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wednesday: Option<Hours>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thursday: Option<Hours>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub friday: Option<Hours>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saturday: Option<Hours>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sunday: Option<Hours>,
}

/// Local wall-clock hours of one day, half-open. `close = "24:00"` in the file is midnight at the end of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    pub open: NaiveTime,
    pub close: NaiveTime,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExceptionalOpening {
    pub on: NaiveDate,
    pub hours: Hours,
    pub reason: String,
}

impl Calendar {
    /// The instant with this zone's offset at that moment.
    pub fn local(&self, at: Instant) -> Local {
        let _ = at;
        unimplemented!()
    }

    /// Whether the day counts as a business day: open at some hour, and no holiday or closure.
    pub fn is_business_day(&self, day: NaiveDate) -> bool {
        let _ = day;
        unimplemented!()
    }
}

/// The version of the bundled time-zone database, stored with every due instant.
pub fn time_zone_database_version() -> &'static str {
    unimplemented!()
}
