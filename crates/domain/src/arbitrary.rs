//! Any event, for properties: every kind, every optional field there or not, typed text of any characters.

use chrono::{DateTime, NaiveDate};
use proptest::{collection::vec, option::of, prelude::*};
use uuid::Uuid;

use crate::{
    access,
    codec::Event,
    contact,
    declaration::Priority,
    ids::{PersonId, RequestId},
    number::{self, Number},
    person,
    personal::{Personal, Sealed},
    promise::{self, Basis, Due, Milestone, PromiseId, Release},
    request::{self, Answer, AnswerValue, Location, Place, Point, Source, Submitted, Unasked, Visibility},
    time::{Instant, Local},
    words::Code,
};

pub(crate) fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => request_event().prop_map(Event::Request),
        1 => (local(), code(), code(), code()).prop_map(|(at, reason, channel, product)| {
            Event::Contact(contact::Event::DirectedTo911 { at, reason, channel, product })
        }),
        1 => request_id().prop_map(|request| Event::Number(number::Event::Reserved { request })),
        2 => person_event().prop_map(Event::Person),
        1 => (local(), any::<String>(), vec(any::<String>(), 0..3), code(), code()).prop_map(
            |(at, subject, fields, door, purpose)| {
                let actor = "key_1".to_owned();
                Event::Access(access::Event::Opened { at, subject, fields, door, purpose, actor })
            }
        ),
    ]
}

pub(crate) fn request_event() -> impl Strategy<Value = request::Event> {
    use request::Event::{
        Answered, Assigned, Cancelled, InterimAnswered, LinkedAsDuplicate, Noted, Planned, Recategorised, Refused,
        Reopened, Resolved, Started, Submitted, TextReleased, Transferred, Triaged, Unlinked, WaitingEnded,
        WaitingStarted,
    };
    prop_oneof![
        submitted().prop_map(|submitted| Submitted(Box::new(submitted))),
        (local(), priority()).prop_map(|(at, priority)| Triaged { at, priority }),
        (local(), code(), of(code())).prop_map(|(at, unit, agent)| Assigned { at, unit, agent }),
        (local(), of(code()), code()).prop_map(|(at, from, to)| Transferred { at, from, to }),
        local().prop_map(|at| Started { at }),
        (local(), of(text())).prop_map(|(at, question)| WaitingStarted { at, question }),
        local().prop_map(|at| WaitingEnded { at }),
        (local(), visibility(), text()).prop_map(|(at, visibility, text)| Noted { at, visibility, text }),
        (local(), instant(), day(), text()).prop_map(|(at, anticipated_at, anticipated_on, text)| {
            InterimAnswered { at, anticipated_at, anticipated_on, text }
        }),
        (local(), text()).prop_map(|(at, text)| Answered { at, text }),
        (local(), of(code()), of(text())).prop_map(|(at, outcome, text)| Resolved { at, outcome, text }),
        (local(), code(), of(text())).prop_map(|(at, reason, text)| Refused { at, reason, text }),
        local().prop_map(|at| Reopened { at }),
        local().prop_map(|at| Cancelled { at }),
        (local(), code(), code(), of(code()), of(code()))
            .prop_map(|(at, from, product, precision, unit)| { Recategorised { at, from, product, precision, unit } }),
        (local(), request_id()).prop_map(|(at, of)| LinkedAsDuplicate { at, of }),
        (local(), request_id()).prop_map(|(at, of)| Unlinked { at, of }),
        (local(), code()).prop_map(|(at, programme)| Planned { at, programme }),
        (local(), any::<String>()).prop_map(|(at, text)| TextReleased { at, text }),
        promise_event().prop_map(request::Event::Promise),
    ]
}

fn promise_event() -> impl Strategy<Value = promise::Event> {
    use promise::Event::{Extended, Kept, Made, Missed, Paused, Released, Resumed};
    let basis = prop_oneof![Just(Basis::Standard), Just(Basis::Source), Just(Basis::Interim)];
    let milestone = prop_oneof![Just(Milestone::Answer), Just(Milestone::Resolution)];
    let reason = prop_oneof![
        Just(Release::Recategorised),
        Just(Release::Duplicate),
        Just(Release::Cancelled),
        Just(Release::Planned),
        Just(Release::Refused)
    ];
    prop_oneof![
        (promise_id(), local(), milestone, basis, due(), of(instant())).prop_map(
            |(id, at, milestone, basis, due, computed_due_at)| Made { id, at, milestone, basis, due, computed_due_at }
        ),
        (promise_id(), local(), instant(), day()).prop_map(|(id, at, due_at, due_on)| Kept { id, at, due_at, due_on }),
        (promise_id(), local(), instant(), day()).prop_map(|(id, at, due_at, due_on)| Missed {
            id,
            at,
            due_at,
            due_on
        }),
        (promise_id(), local(), instant(), day(), due()).prop_map(|(id, at, previous_due_at, previous_due_on, due)| {
            Extended { id, at, previous_due_at, previous_due_on, due }
        }),
        (promise_id(), local()).prop_map(|(id, at)| Paused { id, at }),
        (promise_id(), local(), instant(), day(), due()).prop_map(|(id, at, previous_due_at, previous_due_on, due)| {
            Resumed { id, at, previous_due_at, previous_due_on, due }
        }),
        (promise_id(), local(), reason, instant(), day()).prop_map(|(id, at, reason, due_at, due_on)| Released {
            id,
            at,
            reason,
            due_at,
            due_on
        }),
    ]
}

fn person_event() -> impl Strategy<Value = person::Event> {
    let details = || (of(text()), of(text()), of(text()), of(text()));
    let person = || any::<u128>().prop_map(|id| PersonId(Uuid::from_u128(id)));
    prop_oneof![
        (local(), details()).prop_map(|(at, (first_name, last_name, email, phone))| {
            person::Event::Registered { at, first_name, last_name, email, phone }
        }),
        (local(), details()).prop_map(|(at, (first_name, last_name, email, phone))| {
            person::Event::DetailsAdded { at, first_name, last_name, email, phone }
        }),
        (local(), person()).prop_map(|(at, into)| person::Event::Merged { at, into }),
        (local(), person()).prop_map(|(at, from)| person::Event::Unmerged { at, from }),
    ]
}

fn submitted() -> impl Strategy<Value = Submitted> {
    let what = (code(), code(), of(code()), priority(), of(code()), of(code()));
    let told = (of(place()), vec(answer(), 0..4), of(text()), of(text()));
    let source =
        (code(), of(any::<String>()), of(code())).prop_map(|(name, key, verdict)| Source { name, key, verdict });
    (local(), request_id(), what, told, of(any::<u128>()), of(source)).prop_map(
        |(at, id, (channel, product, precision, priority, unit, area), told, requester, source)| {
            let (place, answers, description, media_url) = told;
            Submitted {
                at,
                number: Number::of(id),
                channel,
                product,
                precision,
                priority,
                unit,
                area,
                place,
                answers,
                description,
                media_url,
                requester: requester.map(|id| PersonId(Uuid::from_u128(id))),
                declaration: "2026-1".parse().expect("a code"),
                source,
            }
        },
    )
}

fn answer() -> impl Strategy<Value = Answer> {
    let value = prop_oneof![
        vec(code(), 0..3).prop_map(AnswerValue::Choices),
        "-?[0-9]{1,9}([.,][0-9]{1,3})?".prop_map(AnswerValue::Number),
        local().prop_map(AnswerValue::Datetime),
        text().prop_map(AnswerValue::Text),
        unasked().prop_map(AnswerValue::Unknown),
    ];
    (code(), value).prop_map(|(question, value)| Answer { question, value })
}

fn place() -> impl Strategy<Value = Place> {
    let point = (-900_000_000..=900_000_000_i64, any::<i32>()).prop_map(|(lat, long)| Point { lat, long: long.into() });
    let location = (of(point), of(any::<String>()), of(any::<String>()))
        .prop_map(|(point, address, address_id)| Location { point, address, address_id });
    prop_oneof![
        location.clone().prop_map(Place::Public),
        location.prop_map(|location| Place::Private(Personal::Plain(location))),
        sealed().prop_map(|sealed| Place::Private(Personal::Sealed(sealed))),
    ]
}

fn due() -> impl Strategy<Value = Due> {
    (local(), instant(), instant(), day(), code(), code()).prop_map(
        |(trigger_at, due_strict_at, due_at, due_on, declaration, calendar)| Due {
            trigger_at,
            due_strict_at,
            due_at,
            due_on,
            declaration,
            calendar,
            tzdb: "2026a".to_owned(),
        },
    )
}

/// Few, so that events meet.
fn promise_id() -> impl Strategy<Value = PromiseId> {
    (prop_oneof![Just("reply"), Just("felling"), Just("other")], 0..3_u32)
        .prop_map(|(standard, ordinal)| PromiseId { standard: standard.parse().expect("a code"), ordinal })
}

fn code() -> impl Strategy<Value = Code> {
    prop_oneof![Just("tree".to_owned()), "[A-Za-z0-9_-]{1,64}"].prop_map(|code| code.parse().expect("a code"))
}

fn text() -> impl Strategy<Value = Personal<String>> {
    prop_oneof![any::<String>().prop_map(Personal::Plain), sealed().prop_map(Personal::Sealed)]
}

fn unasked() -> impl Strategy<Value = Personal<Unasked>> {
    let plain = any::<(String, String)>().prop_map(|(name, text)| Personal::Plain(Unasked { name, text }));
    prop_oneof![plain, sealed().prop_map(Personal::Sealed)]
}

fn sealed() -> impl Strategy<Value = Sealed> {
    (any::<u128>(), any::<u128>(), any::<String>(), "[A-Za-z0-9+/]{32}").prop_map(|(key, event, path, nonce)| Sealed {
        key: Uuid::from_u128(key),
        stream: RequestId(Uuid::from_u128(event)).stream(),
        event: Uuid::from_u128(event),
        path,
        ciphertext: nonce.clone(),
        nonce,
    })
}

fn request_id() -> impl Strategy<Value = RequestId> {
    any::<u128>().prop_map(|id| RequestId(Uuid::from_u128(id)))
}

fn priority() -> impl Strategy<Value = Priority> {
    prop_oneof![Just(Priority::Low), Just(Priority::Normal), Just(Priority::High), Just(Priority::Urgent)]
}

fn visibility() -> impl Strategy<Value = Visibility> {
    prop_oneof![Just(Visibility::Internal), Just(Visibility::Public)]
}

fn local() -> impl Strategy<Value = Local> {
    let offset = prop_oneof![Just(-300), Just(-240), Just(-210), Just(0)];
    (instant(), offset).prop_map(|(at, minutes)| {
        at.with_timezone(&chrono::FixedOffset::east_opt(minutes * 60).expect("an offset of a few hours"))
    })
}

/// 1980 to 2080, whole microseconds.
fn instant() -> impl Strategy<Value = Instant> {
    (315_532_800_000_000..3_471_292_800_000_000_i64)
        .prop_map(|micros| DateTime::from_timestamp_micros(micros).expect("an instant of this century"))
}

fn day() -> impl Strategy<Value = NaiveDate> {
    instant().prop_map(|at| at.date_naive())
}
