//! A small organisation for the examples of this folder: America/Toronto, Monday to Friday 8 to 19.

use std::sync::Arc;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

use super::{Duration, Standard};
use crate::{
    calendar::{Calendar, ExceptionalOpening, Holidays, Hours, WeeklyHours, Zone},
    declaration::{Declaration, Organisation},
    rules::Rules,
    time::Instant,
    words::{Code, Label},
};

pub(crate) fn code(text: &str) -> Code {
    text.parse().expect("a code")
}

pub(crate) fn label(text: &str) -> Label {
    Label { fr: text.to_owned(), en: text.to_owned() }
}

/// A local time in Toronto: `2026-11-16 09:00`, seconds optional.
pub(crate) fn at(local: &str) -> Instant {
    let full = if local.len() == 16 { format!("{local}:00") } else { local.to_owned() };
    let wall: NaiveDateTime = full.replace(' ', "T").parse().expect("a local time");
    calendar(Holidays::None).instant(wall.date(), wall.time())
}

pub(crate) fn hours(open: &str, close: &str) -> Hours {
    serde_json::from_value(serde_json::json!({ "open": open, "close": close })).expect("hours")
}

pub(crate) fn opening(on: &str, open: &str, close: &str) -> ExceptionalOpening {
    ExceptionalOpening { on: on.parse().expect("a day"), hours: hours(open, close), reason: "storm".to_owned() }
}

pub(crate) fn calendar(holidays: Holidays) -> Calendar {
    let day = Some(Hours { open: time(8), close: time(19) });
    let week = WeeklyHours {
        from: NaiveDate::from_ymd_opt(1990, 1, 1).expect("a day"),
        monday: day,
        tuesday: day,
        wednesday: day,
        thursday: day,
        friday: day,
        saturday: None,
        sunday: None,
    };
    Calendar {
        version: code("test_2026-1"),
        zone: Zone::try_from("America/Toronto".to_owned()).expect("a zone"),
        holidays,
        hours: vec![week],
        closures: vec![],
        openings: vec![],
    }
}

fn time(hour: u32) -> NaiveTime {
    NaiveTime::from_hms_opt(hour, 0, 0).expect("a time")
}

pub(crate) fn standard(duration: Duration) -> Standard {
    Standard {
        code: code("test"),
        label: label("Essai"),
        matter: super::Matter::default(),
        milestone: super::Milestone::default(),
        channels: vec![],
        duration,
        day_rule: super::DayRule::default(),
        hours_mode: super::HoursMode::default(),
        after_hours: super::AfterHours::default(),
        closed_day: super::ClosedDay::default(),
        late: None,
        pauses: false,
        extends: false,
        target_percent: None,
        source: None,
    }
}

pub(crate) fn declaration(calendar: Calendar, standards: Vec<Standard>) -> Declaration {
    Declaration {
        organisation: Organisation {
            slug: code("test"),
            jurisdiction: "test.example".to_owned(),
            name: label("Essai"),
            contact: label("Essai"),
        },
        version: code("2026-1"),
        effective_from: NaiveDate::MIN,
        effective_until: None,
        source: "examples".to_owned(),
        calendar,
        channels: vec![],
        units: vec![],
        areas: vec![],
        standards,
        products: vec![],
        refusal_reasons: vec![],
        programmes: vec![],
        emergencies: vec![],
    }
}

pub(crate) fn rules(declaration: Declaration) -> Rules {
    Rules::new(vec![Arc::new(declaration)]).expect("one declaration")
}
