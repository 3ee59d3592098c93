//! Dates as Open311 clients write them, and as we write them.
//!
//! The standard wants an offset; clients send fractions, dates alone, and a `+` that their form encoder turned into
//! a space. We take what has one meaning and refuse the rest.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveTime, SecondsFormat, Utc};
use domain::{
    calendar::Calendar,
    time::{self, Instant},
};

/// The instant a text means; a date alone is its midnight in the organisation's zone.
pub(crate) fn read(text: &str, calendar: &Calendar) -> Option<Instant> {
    if text.len() == 10 {
        let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|day| time::is_sane(*day));
        return day.map(|day| calendar.instant(day, NaiveTime::MIN));
    }
    let at = with_offset(text).filter(|at| time::is_sane(at.date_naive()));
    at.map(|at| time::whole_microseconds(at.with_timezone(&Utc)))
}

fn with_offset(text: &str) -> Option<DateTime<FixedOffset>> {
    if !text.is_ascii() || text.as_bytes().get(10) != Some(&b'T') {
        return None;
    }
    let (date, rest) = text.split_at(11);
    let mended = format!("{date}{}", rest.replacen(' ', "+", 1));
    DateTime::parse_from_rfc3339(&mended).ok().or_else(|| without_seconds(&mended))
}

/// The profile that the standard cites allows `2026-11-22T08:30-05:00`.
fn without_seconds(text: &str) -> Option<DateTime<FixedOffset>> {
    let numeric = text.strip_suffix('Z').map_or_else(|| text.to_owned(), |bare| format!("{bare}+00:00"));
    DateTime::parse_from_str(&numeric, "%Y-%m-%dT%H:%M%:z").ok()
}

/// Seconds and the organisation's offset, always: `2026-11-22T08:30:00-05:00`.
pub(crate) fn write(at: Instant, calendar: &Calendar) -> String {
    calendar.local(at).to_rfc3339_opts(SecondsFormat::Secs, false)
}

#[cfg(test)]
mod tests {
    use fuzz::{Document, Nearly};

    use super::*;

    fn quebec() -> Calendar {
        serde_json::from_value(serde_json::json!({ "version": "test", "zone": "America/Toronto", "hours": [] }))
            .expect("a calendar")
    }

    #[track_caller]
    fn means(text: &str, expected: &str) {
        let read = read(text, &quebec()).map(|at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true));
        assert_eq!(read.as_deref(), Some(expected), "{text}");
    }

    #[test]
    fn every_spelling_with_one_meaning_is_taken() {
        means("2026-11-22T08:30:00-05:00", "2026-11-22T13:30:00Z");
        means("2026-11-22T08:30:00Z", "2026-11-22T08:30:00Z");
        means("2026-11-22T08:30:00.250Z", "2026-11-22T08:30:00.250Z");
        means("2026-11-22T08:30:00 02:00", "2026-11-22T06:30:00Z");
        means("2026-11-22T08:30-05:00", "2026-11-22T13:30:00Z");
        means("2026-11-22T08:30Z", "2026-11-22T08:30:00Z");
        means("2026-11-22", "2026-11-22T05:00:00Z");
        means("2026-07-01", "2026-07-01T04:00:00Z");
    }

    #[test]
    fn what_has_no_meaning_or_two_is_refused() {
        for text in [
            "2026-11-22T08:30:00",
            "2026-13-01",
            "2026-11-22 08:30:00Z",
            "22/11/2026",
            "hier",
            "2026-11-2é",
            "",
            "2026-11-22T",
            "-99999-1-1",
            "+99999-1-1",
            "9999-12-31",
            "9999-12-31T23:59:59-05:00",
            "0001-01-01T00:00:00Z",
        ] {
            assert_eq!(read(text, &quebec()), None, "{text}");
        }
    }

    #[test]
    fn what_we_write_has_seconds_and_the_local_offset() {
        let at = "2026-07-01T04:00:00.123456Z".parse().expect("an instant");
        assert_eq!(write(at, &quebec()), "2026-07-01T00:00:00-04:00");
    }

    #[test]
    fn a_date_that_reads_is_written_as_the_same_second() {
        let samples = ["2026-11-22T08:30:00.250-05:00", "2026-11-22T08:30Z", "2026-07-01", "2026-11-22T08:30:00 02:00"];
        let quebec = quebec();
        fuzz::check!().with_generator(Nearly::of(samples)).for_each(|document: &Document| {
            let Some(at) = read(&document.text(), &quebec) else { return };
            let written = write(at, &quebec);
            let second = read(&written, &quebec).map(|at| at.timestamp());
            assert_eq!(second, Some(at.timestamp()), "{written}");
        });
    }
}
