//! Events as an organisation would have them, for examples and tests. Everything is made from small numbers.

use chrono::{DateTime, TimeDelta};
use domain::{
    codec::{Event, Recorded},
    declaration::Priority,
    ids::{PersonId, RequestId},
    number::Number,
    person,
    personal::{Personal, Sealed},
    promise::{self, Basis, Due, Milestone, PromiseId, Release},
    request::{self, Location, Place, Point, Submitted, Visibility},
    time::Local,
    words::Code,
};
use uuid::Uuid;

pub(crate) fn request(number: u128) -> RequestId {
    RequestId(Uuid::from_u128(number))
}

pub(crate) fn person(number: u128) -> PersonId {
    PersonId(Uuid::from_u128(number))
}

pub(crate) fn code(text: &str) -> Code {
    text.parse().expect("a code")
}

/// So many hours after Monday 2026-06-01 08:00 in Québec.
pub(crate) fn at(hours: i64) -> Local {
    let monday = DateTime::parse_from_rfc3339("2026-06-01T08:00:00-04:00").expect("an instant");
    monday + TimeDelta::hours(hours)
}

pub(crate) fn sealed<T>(path: &str) -> Personal<T> {
    Personal::Sealed(Sealed {
        key: Uuid::from_u128(9),
        stream: "person-9".to_owned(),
        event: Uuid::from_u128(8),
        path: path.to_owned(),
        nonce: "bm9uY2U=".to_owned(),
        ciphertext: "Y2lwaGVy".to_owned(),
    })
}

pub(crate) fn submission(id: RequestId, hours: i64) -> Submitted {
    Submitted {
        at: at(hours),
        number: Number::of(id),
        channel: code("web"),
        product: code("tree"),
        precision: Some(code("felling")),
        priority: Priority::Normal,
        unit: Some(code("parks")),
        area: Some(code("limoilou")),
        place: Some(Place::Public(Location {
            point: Some(Point { lat: 468_130_000, long: -712_080_000 }),
            address: Some("2, rue des Jardins".to_owned()),
            address_id: None,
        })),
        answers: Vec::new(),
        description: Some(sealed("/description")),
        media_url: None,
        requester: None,
        declaration: code("2026-1"),
        source: None,
    }
}

pub(crate) fn submitted(id: RequestId, hours: i64) -> request::Event {
    request::Event::Submitted(Box::new(submission(id, hours)))
}

pub(crate) fn promise(ordinal: u32) -> PromiseId {
    PromiseId { standard: code("felling-20"), ordinal }
}

/// Due so many hours after that Monday.
pub(crate) fn due(hours: i64) -> Due {
    Due {
        trigger_at: at(0),
        due_strict_at: at(hours).to_utc(),
        due_at: at(hours).to_utc(),
        due_on: (at(hours) - TimeDelta::microseconds(1)).date_naive(),
        declaration: code("2026-1"),
        calendar: code("qc-1"),
        tzdb: "2026a".to_owned(),
    }
}

pub(crate) fn made(ordinal: u32, hours: i64, due_hours: i64) -> request::Event {
    request::Event::Promise(promise::Event::Made {
        id: promise(ordinal),
        at: at(hours),
        milestone: Milestone::Resolution,
        basis: Basis::Standard,
        due: due(due_hours),
        computed_due_at: None,
    })
}

pub(crate) fn kept(ordinal: u32, hours: i64, due_hours: i64) -> request::Event {
    let due = due(due_hours);
    let id = promise(ordinal);
    request::Event::Promise(promise::Event::Kept { id, at: at(hours), due_at: due.due_at, due_on: due.due_on })
}

pub(crate) fn released(ordinal: u32, hours: i64, due_hours: i64, reason: Release) -> request::Event {
    let due = due(due_hours);
    let (id, at) = (promise(ordinal), at(hours));
    request::Event::Promise(promise::Event::Released { id, at, reason, due_at: due.due_at, due_on: due.due_on })
}

pub(crate) fn paused(ordinal: u32, hours: i64) -> request::Event {
    request::Event::Promise(promise::Event::Paused { id: promise(ordinal), at: at(hours) })
}

pub(crate) fn resolved(hours: i64) -> request::Event {
    request::Event::Resolved { at: at(hours), outcome: Some(code("felled")), text: None }
}

pub(crate) fn noted(hours: i64, visibility: Visibility) -> request::Event {
    request::Event::Noted { at: at(hours), visibility, text: sealed("/text") }
}

/// The stream that an event of a story belongs to.
pub(crate) fn in_request(id: RequestId, event: request::Event) -> (String, Event) {
    (id.stream(), Event::Request(event))
}

pub(crate) fn in_person(id: PersonId, event: person::Event) -> (String, Event) {
    (id.stream(), Event::Person(event))
}

/// As they would be read back: positions from 1, revisions by stream.
pub(crate) fn recorded(story: impl IntoIterator<Item = (String, Event)>) -> Vec<Recorded> {
    let mut revisions = std::collections::HashMap::<String, i64>::new();
    let record = |(position, (stream, body)): (usize, (String, Event))| {
        let next = revisions.entry(stream.clone()).or_insert(0);
        let revision = *next;
        *next += 1;
        Recorded {
            position: position as i64 + 1,
            stream,
            revision,
            id: Uuid::from_u128(position as u128 + 1),
            recorded_at: at(0).to_utc(),
            actor: "usr_1".to_owned(),
            body,
        }
    };
    story.into_iter().enumerate().map(record).collect()
}

/// Many lives of requests and persons, woven into one another; the same for the same seed.
pub(crate) fn woven(requests: u128, seed: u64) -> Vec<(String, Event)> {
    let mut lives: Vec<std::collections::VecDeque<(String, Event)>> =
        (1..=requests).map(|number| life(number).into()).collect();
    let mut draw = seed;
    let mut story = Vec::new();
    while !lives.is_empty() {
        // Knuth's multiplier: a small generator that needs no crate.
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let index = (draw >> 33) as usize % lives.len();
        match lives[index].pop_front() {
            Some(event) => story.push(event),
            None => drop(lives.swap_remove(index)),
        }
    }
    story
}

/// One request, in one of eight ways; every other one is of a person.
fn life(number: u128) -> Vec<(String, Event)> {
    use request::Event as R;
    let id = request(number);
    let start = number as i64 * 7 % 400;
    let end = start + 30 + number as i64 % 50;
    let due = start + 60;
    let mut submission = submission(id, start);
    submission.product = code(["tree", "water", "rats"][(number % 3) as usize]);
    submission.area = (!number.is_multiple_of(5)).then(|| code(["limoilou", "charlesbourg"][(number % 2) as usize]));
    submission.requester = number.is_multiple_of(2).then(|| person(number / 4));
    let mut events = vec![R::Submitted(Box::new(submission)), made(0, start, due)];
    events.extend(match number % 8 {
        0 => vec![R::Started { at: at(start + 1) }],
        1 => vec![kept(0, end, due), resolved(end)],
        2 => vec![kept(0, end, due), resolved(end), R::Reopened { at: at(end + 1) }, made(1, end + 1, end + 90)],
        3 => vec![
            R::WaitingStarted { at: at(start + 2), question: Some(sealed("/question")) },
            paused(0, start + 2),
            noted(start + 3, Visibility::Internal),
        ],
        4 => vec![
            released(0, start + 2, due, Release::Planned),
            R::Planned { at: at(start + 2), programme: code("trees-2027") },
            R::Triaged { at: at(start + 4), priority: Priority::High },
        ],
        5 => vec![
            R::Transferred { at: at(start + 2), from: Some(code("parks")), to: code("roads") },
            R::TextReleased { at: at(start + 3), text: "Arbre penché sur la rue".to_owned() },
        ],
        6 => vec![
            released(0, start + 2, due, Release::Recategorised),
            R::Recategorised {
                at: at(start + 2),
                from: code("tree"),
                product: code("water"),
                precision: None,
                unit: Some(code("water")),
            },
            made(1, start + 2, due),
        ],
        _ => vec![
            released(0, start + 2, due, Release::Duplicate),
            R::LinkedAsDuplicate { at: at(start + 2), of: request(1) },
        ],
    });
    let mut story: Vec<(String, Event)> = events.into_iter().map(|event| in_request(id, event)).collect();
    if number % 16 == 2 {
        let merged = person::Event::Merged { at: at(start), into: person(number / 4 + 1) };
        story.push(in_person(person(number / 4), merged));
    }
    story
}
