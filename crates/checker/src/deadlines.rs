//! The due instants of promises, folded from the log alone: what was issued, and whether it ever moved without an event.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, FixedOffset};
use serde_json::Value;

type Instant = DateTime<FixedOffset>;

/// Every promise of a log, and how its due instant came about.
#[derive(Debug, Default)]
pub struct Deadlines {
    /// By stream and `<standard>/<ordinal>`.
    promises: HashMap<(u32, String), Promise>,
    pub followed: u64,
    pub violations: Vec<String>,
}

#[derive(Debug)]
struct Promise {
    /// The due instant from each revision on.
    due: BTreeMap<i64, Instant>,
    settled: bool,
}

impl Promise {
    fn now(&self) -> Option<Instant> {
        self.due.last_key_value().map(|(_, due)| *due)
    }
}

impl Deadlines {
    /// What was owed in a stream at a revision, by promise.
    pub fn at(&self, stream: u32, revision: i64, promise: &str) -> Option<Instant> {
        let promise = self.promises.get(&(stream, promise.to_owned()))?;
        promise.due.range(..=revision).next_back().map(|(_, due)| *due)
    }

    pub(crate) fn follow(&mut self, stream: u32, revision: i64, kind: &str, payload: &[u8]) {
        let Some(what) = kind.strip_prefix("promise.") else { return };
        self.followed += 1;
        let followed = match serde_json::from_slice(payload) {
            Ok(payload) => self.step(stream, revision, what, &payload),
            Err(_) => Err("is no JSON".to_owned()),
        };
        if let Err(why) = followed {
            self.violations.push(format!("{kind} at revision {revision} of stream {stream} {why}"));
        }
    }

    fn step(&mut self, stream: u32, revision: i64, what: &str, payload: &Value) -> Result<(), String> {
        let id = name(&payload["id"]).ok_or("names no promise")?;
        let key = (stream, id);
        if what == "made" {
            let due = instant(&payload["due"]["due_at"]).ok_or("has no due instant")?;
            let promise = Promise { due: BTreeMap::from([(revision, due)]), settled: false };
            return match self.promises.insert(key, promise) {
                None => Ok(()),
                Some(_) => Err("makes a promise again that was made before".into()),
            };
        }
        let promise = self.promises.get_mut(&key).ok_or("is of a promise that was never made")?;
        let standing = promise.now().ok_or("is of a promise without a due instant")?;
        if promise.settled {
            return Err("is of a promise that is settled".into());
        }
        match what {
            "paused" => Ok(()),
            "resumed" | "extended" => {
                let due = instant(&payload["due"]["due_at"]).ok_or("has no due instant")?;
                promise.due.insert(revision, due);
                if instant(&payload["previous_due_at"]) != Some(standing) {
                    return Err(format!("says that another instant stood before it than {standing}"));
                }
                if due < standing {
                    return Err("shortens what was promised".into());
                }
                Ok(())
            }
            "kept" | "missed" | "released" => {
                promise.settled = true;
                if instant(&payload["due_at"]) != Some(standing) {
                    return Err(format!("is judged by another instant than {standing}"));
                }
                let at = instant(&payload["at"]).ok_or("has no instant")?;
                match what {
                    "kept" if at >= standing => Err("was kept at its due instant or later".into()),
                    "missed" if at < standing => Err("was missed before it was due".into()),
                    _ => Ok(()),
                }
            }
            _ => Err("is of a kind that nobody described".into()),
        }
    }
}

fn name(id: &Value) -> Option<String> {
    Some(format!("{}/{}", id.get("standard")?.as_str()?, id.get("ordinal")?.as_u64()?))
}

pub(crate) fn instant(value: &Value) -> Option<Instant> {
    DateTime::parse_from_rfc3339(value.as_str()?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn followed(events: &[(&str, Value)]) -> Vec<String> {
        let mut deadlines = Deadlines::default();
        for (revision, (kind, payload)) in (0..).zip(events) {
            let mut payload = payload.clone();
            payload["id"] = json!({ "standard": "answer", "ordinal": 0 });
            deadlines.follow(0, revision, kind, payload.to_string().as_bytes());
        }
        deadlines.violations
    }

    fn made(day: u8) -> (&'static str, Value) {
        ("promise.made", json!({ "at": "2026-01-01T09:00:00-05:00", "due": { "due_at": due(day) } }))
    }

    fn moved(kind: &'static str, from: u8, to: u8) -> (&'static str, Value) {
        (kind, json!({ "previous_due_at": due(from), "due": { "due_at": due(to) } }))
    }

    fn settled(kind: &'static str, day: u8, at: &str) -> (&'static str, Value) {
        (kind, json!({ "at": at, "due_at": due(day) }))
    }

    fn due(day: u8) -> String {
        format!("2026-01-{day:02}T05:00:00Z")
    }

    #[test]
    fn a_promise_that_is_made_moved_by_events_and_kept_in_time_is_good() {
        let events = [
            made(10),
            ("promise.paused", json!({})),
            moved("promise.resumed", 10, 12),
            moved("promise.extended", 12, 20),
            settled("promise.kept", 20, "2026-01-19T23:59:59.999999-05:00"),
        ];
        assert_eq!(followed(&events), Vec::<String>::new());
    }

    #[test]
    fn each_way_in_which_a_deadline_moves_silently_is_told() {
        let before = "2026-01-01T10:00:00-05:00";
        for (events, why) in [
            (vec![made(10), made(10)], "makes a promise again"),
            (vec![moved("promise.resumed", 10, 12)], "never made"),
            (vec![made(10), moved("promise.extended", 9, 12)], "another instant stood"),
            (vec![made(10), moved("promise.resumed", 10, 9)], "shortens"),
            (vec![made(10), settled("promise.kept", 11, before)], "another instant"),
            (vec![made(10), settled("promise.kept", 10, "2026-01-10T00:00:00-05:00")], "or later"),
            (vec![made(10), settled("promise.missed", 10, before)], "before it was due"),
            (vec![made(10), settled("promise.kept", 10, before), moved("promise.extended", 10, 12)], "settled"),
        ] {
            let told = followed(&events);
            assert!(told.len() == 1 && told[0].contains(why), "{why}: {told:?}");
        }
    }
}
