//! No personal value gets through in clear, whatever the event.

use application::sealing;
use domain::{
    codec::Event,
    person,
    personal::{Personal, Sealed},
    request::{self, Answer, AnswerValue, Location, Place, Point, Submitted, Unasked, Visibility},
    time::Local,
    words::Code,
};
use proptest::{
    collection::vec,
    option,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::Value;
use testkit::on_both_databases;
use uuid::Uuid;
use vault::{MasterKey, SubjectKey};

use crate::fixture::Process;

fn at() -> Local {
    "2026-11-22T12:00:00-05:00".parse().expect("an instant")
}

fn code() -> impl Strategy<Value = Code> {
    "[a-z_]{1,12}".prop_map(|code| code.parse().expect("a code"))
}

/// Any text, what looks like a seal or its absence included.
fn text() -> impl Strategy<Value = Personal<String>> {
    prop_oneof![any::<String>(), Just(r#"{"$plain":1}"#.to_owned()), Just("$plain".to_owned())]
        .prop_map(Personal::Plain)
}

fn location() -> impl Strategy<Value = Location> {
    (option::of((any::<i64>(), any::<i64>())), option::of(any::<String>())).prop_map(|(point, address)| Location {
        point: point.map(|(lat, long)| Point { lat, long }),
        address,
        address_id: None,
    })
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![location().prop_map(|place| Place::Private(Personal::Plain(place))), location().prop_map(Place::Public)]
}

fn answer() -> impl Strategy<Value = Answer> {
    let value = prop_oneof![
        text().prop_map(AnswerValue::Text),
        any::<(String, String)>()
            .prop_map(|(name, text)| AnswerValue::Unknown(Personal::Plain(Unasked { name, text }))),
        vec(code(), 0..3).prop_map(AnswerValue::Choices),
        any::<u32>().prop_map(|number| AnswerValue::Number(number.to_string())),
    ];
    (code(), value).prop_map(|(question, value)| Answer { question, value })
}

fn submitted() -> impl Strategy<Value = Event> {
    let texts = (option::of(text()), option::of(text()));
    (code(), code(), option::of(place()), vec(answer(), 0..4), texts).prop_map(
        |(channel, product, place, answers, (description, media_url))| {
            Event::Request(request::Event::Submitted(Box::new(Submitted {
                at: at(),
                number: domain::number::Number::of(domain::ids::RequestId(Uuid::nil())),
                channel,
                product,
                precision: None,
                priority: domain::declaration::Priority::Normal,
                unit: None,
                area: None,
                place,
                answers,
                description,
                media_url,
                requester: None,
                declaration: "v1".parse().expect("a code"),
                source: None,
            })))
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    let details = (option::of(text()), option::of(text()), option::of(text()), option::of(text()));
    prop_oneof![
        submitted(),
        text().prop_map(|text| request::Event::Noted { at: at(), visibility: Visibility::Internal, text }.into()),
        text().prop_map(|text| request::Event::Answered { at: at(), text }.into()),
        option::of(text()).prop_map(|question| request::Event::WaitingStarted { at: at(), question }.into()),
        any::<String>().prop_map(|text| request::Event::TextReleased { at: at(), text }.into()),
        details.prop_map(|(first_name, last_name, email, phone)| {
            person::Event::Registered { at: at(), first_name, last_name, email, phone }.into()
        }),
    ]
}

/// The payload with every sealed value opened again, as it was before.
fn opened(value: &Value, key: &SubjectKey) -> Value {
    match value {
        Value::Object(fields) => match fields.get("$sealed") {
            Some(sealed) => {
                let sealed: Sealed = serde_json::from_value(sealed.clone()).expect("a sealed value");
                serde_json::json!({ "$plain": sealing::open(&sealed, key).expect("untouched") })
            }
            None => fields.iter().map(|(name, field)| (name.clone(), opened(field, key))).collect(),
        },
        Value::Array(items) => items.iter().map(|item| opened(item, key)).collect(),
        other => other.clone(),
    }
}

/// Whether a key of any object says that a value is in clear.
fn says_plain(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.iter().any(|(name, field)| name == "$plain" || says_plain(field)),
        Value::Array(items) => items.iter().any(says_plain),
        _ => false,
    }
}

on_both_databases! {
    async fn what_is_sealed_is_not_in_clear_and_opens_as_it_was(fresh: Fresh) {
        let process = Process::start(&fresh, &MasterKey::generate()).await;
        let key = process.vault.create_key("person-1", &[]).await.expect("a key");
        let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
        let outcome = runner.run(&event(), |event| {
            let plain = event.payload();
            let mut payload = plain.clone();
            sealing::seal(&mut payload, &key, "request-1", Uuid::from_u128(1));
            prop_assert!(!says_plain(&payload));
            let bytes = sealing::bytes(&payload).expect("nothing remains");
            prop_assert_eq!(sealing::bytes(&plain).is_err(), says_plain(&plain), "in clear it is refused");
            prop_assert_eq!(opened(&payload, &key), plain);
            let read = Event::decode(event.kind(), event.schema(), &bytes);
            prop_assert!(read.is_ok(), "what was sealed is still an event");
            Ok(())
        });
        outcome.expect("for every event");
    }

    async fn a_plain_value_among_others_is_refused_with_its_path(fresh: Fresh) {
        let process = Process::start(&fresh, &MasterKey::generate()).await;
        let key = process.vault.create_key("person-1", &[]).await.expect("a key");
        // No event is written so; were one, it would not get through.
        let mut payload = serde_json::json!({ "answers": [{ "value": { "$plain": "x", "more": 1 } }] });
        sealing::seal(&mut payload, &key, "request-1", Uuid::from_u128(1));
        assert_eq!(sealing::bytes(&payload).expect_err("refused").path, "/answers/0/value");
    }
}
