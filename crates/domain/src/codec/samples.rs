//! One event of every kind with every field filled: what the golden files hold.

use chrono::NaiveDate;
use uuid::Uuid;

use super::{DeclarationEvent, Event};
use crate::{
    access,
    calendar::Holidays,
    contact,
    declaration::Priority,
    ids::{PersonId, RequestId},
    number::{self, Number},
    person,
    personal::{Personal, Sealed},
    promise::{
        self, Basis, Due, Duration, Milestone, PromiseId, Release,
        fixtures::{at, calendar, code, declaration, standard},
    },
    request::{self, Answer, AnswerValue, Location, Place, Point, Source, Submitted, Visibility},
    time::Local,
};

/// In the order of a life.
pub(super) fn samples() -> Vec<Event> {
    let mut samples: Vec<Event> = request_events().into_iter().map(Event::Request).collect();
    samples.extend(promise_events().into_iter().map(|event| Event::Request(request::Event::Promise(event))));
    samples.extend([
        Event::Number(number::Event::Reserved { request: request_id(1) }),
        Event::Contact(contact::Event::DirectedTo911 {
            at: local(),
            reason: code("person_in_danger"),
            channel: code("app"),
            product: code("other"),
        }),
        Event::Person(person::Event::Registered {
            at: local(),
            first_name: Some(sealed("/first_name")),
            last_name: Some(sealed("/last_name")),
            email: Some(sealed("/email")),
            phone: Some(sealed("/phone")),
        }),
        Event::Person(person::Event::DetailsAdded {
            at: local(),
            first_name: Some(sealed("/first_name")),
            last_name: Some(sealed("/last_name")),
            email: Some(sealed("/email")),
            phone: Some(sealed("/phone")),
        }),
        Event::Person(person::Event::Merged { at: local(), into: PersonId(Uuid::from_u128(4)) }),
        Event::Person(person::Event::Unmerged { at: local(), from: PersonId(Uuid::from_u128(4)) }),
        Event::Access(access::Event::Opened {
            at: local(),
            subject: PersonId(Uuid::from_u128(3)).stream(),
            fields: vec!["/email".to_owned()],
            door: code("request"),
            purpose: code("handling"),
            actor: "key_1".to_owned(),
        }),
        Event::Declaration(DeclarationEvent::Published {
            at: local(),
            version: code("2026-1"),
            sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".to_owned(),
            text: "version = \"2026-1\"".to_owned(),
            rules: Box::new(declaration(calendar(Holidays::Quebec), vec![standard(Duration::BusinessDays(20))])),
        }),
    ]);
    samples
}

fn request_events() -> Vec<request::Event> {
    use request::Event::{
        Answered, Assigned, Cancelled, InterimAnswered, LinkedAsDuplicate, Noted, Planned, Recategorised, Refused,
        Reopened, Resolved, Started, Submitted, TextReleased, Transferred, Triaged, Unlinked, WaitingEnded,
        WaitingStarted,
    };
    let at = local();
    vec![
        Submitted(Box::new(submitted())),
        Triaged { at, priority: Priority::High },
        Assigned { at, unit: code("parks"), agent: Some(code("usr_1")) },
        Transferred { at, from: Some(code("parks")), to: code("roads") },
        Started { at },
        WaitingStarted { at, question: Some(sealed("/question")) },
        WaitingEnded { at },
        Noted { at, visibility: Visibility::Internal, text: sealed("/text") },
        InterimAnswered { at, anticipated_at: due().due_at, anticipated_on: day(), text: sealed("/text") },
        Answered { at, text: sealed("/text") },
        Resolved { at, outcome: Some(code("felled")), text: Some(sealed("/text")) },
        Refused { at, reason: code("private_tree"), text: Some(sealed("/text")) },
        Reopened { at },
        Cancelled { at },
        Recategorised {
            at,
            from: code("tree"),
            product: code("hedge"),
            precision: Some(code("height")),
            unit: Some(code("roads")),
        },
        LinkedAsDuplicate { at, of: request_id(2) },
        Unlinked { at, of: request_id(2) },
        Planned { at, programme: code("planting") },
        TextReleased { at, text: "Un arbre penche.".to_owned() },
    ]
}

fn submitted() -> Submitted {
    let location = Location {
        point: Some(Point { lat: 468_138_783, long: -712_079_809 }),
        address: Some("2, rue des Jardins".to_owned()),
        address_id: Some("0123".to_owned()),
    };
    let answer = |question, value| Answer { question: code(question), value };
    Submitted {
        at: local(),
        number: Number::of(request_id(1)),
        channel: code("app"),
        product: code("tree"),
        precision: Some(code("felling")),
        priority: Priority::Normal,
        unit: Some(code("parks")),
        area: Some(code("limoilou")),
        place: Some(Place::Public(location)),
        answers: vec![
            answer("species", AnswerValue::Choices(vec![code("oak")])),
            answer("height", AnswerValue::Number("12,5".to_owned())),
            answer("since", AnswerValue::Datetime(local())),
            answer("remark", AnswerValue::Text(sealed("/answers/3/value/text"))),
        ],
        description: Some(sealed("/description")),
        media_url: Some(sealed("/media_url")),
        requester: Some(PersonId(Uuid::from_u128(3))),
        declaration: code("2026-1"),
        source: Some(Source {
            name: code("boston-311"),
            key: Some("101000295613".to_owned()),
            verdict: Some(code("ONTIME")),
        }),
    }
}

fn promise_events() -> Vec<promise::Event> {
    use promise::Event::{Extended, Kept, Made, Missed, Paused, Released, Resumed};
    let id = || PromiseId { standard: code("reply"), ordinal: 0 };
    let (at, due_at, due_on) = (local(), due().due_at, day());
    let (previous_due_at, previous_due_on) = (due_at, due_on);
    vec![
        Made {
            id: id(),
            at,
            milestone: Milestone::Answer,
            basis: Basis::Source,
            due: due(),
            computed_due_at: Some(due_at),
        },
        Kept { id: id(), at, due_at, due_on },
        Missed { id: id(), at, due_at, due_on },
        Extended { id: id(), at, previous_due_at, previous_due_on, due: due() },
        Paused { id: id(), at },
        Resumed { id: id(), at, previous_due_at, previous_due_on, due: due() },
        Released { id: id(), at, reason: Release::Duplicate, due_at, due_on },
    ]
}

fn due() -> Due {
    Due {
        trigger_at: local(),
        due_strict_at: at("2026-11-21 00:00"),
        due_at: at("2026-11-21 00:00"),
        due_on: day(),
        declaration: code("2026-1"),
        calendar: code("test_2026-1"),
        tzdb: "2026a".to_owned(),
    }
}

fn local() -> Local {
    "2026-11-18T10:00:00.123456-05:00".parse().expect("an instant")
}

fn day() -> NaiveDate {
    "2026-11-20".parse().expect("a day")
}

fn request_id(number: u128) -> RequestId {
    RequestId(Uuid::from_u128(number))
}

fn sealed<T>(path: &str) -> Personal<T> {
    Personal::Sealed(Sealed {
        key: Uuid::from_u128(5),
        stream: request_id(1).stream(),
        event: Uuid::from_u128(6),
        path: path.to_owned(),
        nonce: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX".to_owned(),
        ciphertext: "c2VhbGVk".to_owned(),
    })
}
