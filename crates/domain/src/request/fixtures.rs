//! A small city for the examples of this folder, and short names for what happens in it.

use std::sync::Arc;

use uuid::Uuid;

use super::{Act, Command, Event, Request, Status, Submission, Visibility};
use crate::{
    calendar::Holidays,
    declaration::{
        Channel, Choice, Condition, Declaration, Emergency, PlaceKind, Priority, Product, Question, QuestionKind,
        Reason, Unit,
    },
    given::{Given, given},
    ids::RequestId,
    number::Number,
    promise::{
        Duration, Milestone, Standard,
        fixtures::{at, calendar, code, declaration, label, standard},
    },
    rules::Rules,
};

/// Wednesday: two business days end with Friday.
pub(super) const RECEIVED: &str = "2026-11-18 10:00";
/// In time for every promise of [`city`].
pub(super) const SOON: &str = "2026-11-19 10:00";
/// Too late for its replies, in time for its fellings.
pub(super) const LATE: &str = "2026-11-23 10:00";

/// `tree`: a reply in 2 business days that waits with the citizen and yields to an interim answer, a felling in 20.
/// `hedge`: a reply alone. `water`: nothing but questions, at a private place.
pub(super) fn city() -> Arc<Rules> {
    let reply = Standard {
        code: code("reply"),
        milestone: Milestone::Answer,
        pauses: true,
        extends: true,
        ..standard(Duration::BusinessDays(2))
    };
    let felling = Standard { code: code("felling"), ..standard(Duration::BusinessDays(20)) };
    let mut city = declaration(calendar(Holidays::None), vec![reply, felling]);
    city.channels = vec![Channel { code: code("app"), label: label("app"), address: None, open311: true }];
    city.units = ["parks", "roads", "aqueduct"].map(|unit| Unit { code: code(unit), label: label(unit) }).into();
    city.refusal_reasons = vec![reason("private_tree"), reason("not_ours")];
    city.programmes = vec![reason("planting"), reason("pruning")];
    city.emergencies = vec![Emergency { code: code("flood"), message: label("9-1-1") }];
    city.products = vec![
        product("tree", Some("parks"), &["reply", "felling"]),
        product("hedge", Some("roads"), &["reply"]),
        Product {
            place: PlaceKind::Private,
            precisions: vec![reason("taste"), reason("pressure"), reason("leak")],
            questions: water_questions(),
            ..product("water", None, &[])
        },
    ];
    rules(city)
}

pub(super) fn rules(declaration: Declaration) -> Arc<Rules> {
    Arc::new(Rules::new(vec![Arc::new(declaration)]).expect("one declaration"))
}

fn reason(name: &str) -> Reason {
    Reason { code: code(name), label: label(name) }
}

fn product(name: &str, unit: Option<&str>, standards: &[&str]) -> Product {
    Product {
        code: code(name),
        label: label(name),
        description: None,
        group: None,
        keywords: vec![],
        place: PlaceKind::Public,
        precisions: vec![],
        questions: vec![],
        standards: standards.iter().map(|standard| code(standard)).collect(),
        unit: unit.map(code),
        priority: Priority::Normal,
    }
}

/// What is wrong with the water? If its taste: since when, and how bad from 1 to 10. If a leak: is it flooding?
fn water_questions() -> Vec<Question> {
    let plain = |name: &str, kind: QuestionKind| Question {
        code: code(name),
        text: label(name),
        hint: None,
        kind,
        required: false,
        choices: vec![],
        when: None,
    };
    let choice = |key: &str, precision: Option<&str>, emergency: Option<&str>| Choice {
        key: code(key),
        label: label(key),
        precision: precision.map(code),
        emergency: emergency.map(code),
    };
    let when = |question: &str, any_of: &str| Some(Condition { question: code(question), any_of: vec![code(any_of)] });
    vec![
        Question {
            required: true,
            choices: vec![
                choice("taste", Some("taste"), None),
                choice("leak", Some("leak"), None),
                choice("other", None, None),
            ],
            ..plain("what", QuestionKind::SingleValueList)
        },
        Question { when: when("what", "taste"), required: true, ..plain("since", QuestionKind::Datetime) },
        Question { when: when("what", "taste"), ..plain("strength", QuestionKind::Number) },
        plain("advice", QuestionKind::Notice),
        Question {
            when: when("what", "leak"),
            choices: vec![choice("dry", None, None), choice("wet", None, None), choice("flood", None, Some("flood"))],
            ..plain("signs", QuestionKind::MultiValueList)
        },
        plain("remark", QuestionKind::Text),
    ]
}

pub(super) fn id(number: u128) -> RequestId {
    RequestId(Uuid::from_u128(number))
}

pub(super) fn submission(product: &str) -> Submission {
    Submission::new(Number::of(id(1)), code("app"), code(product))
}

pub(super) fn on(local: &str, act: Act) -> Command {
    Command { rules: city(), at: at(local), act }
}

pub(super) fn submit(submission: Submission) -> Command {
    on(RECEIVED, Act::Submit(Box::new(submission)))
}

pub(super) fn unsubmitted() -> Given<Request> {
    given([])
}

/// A request about a tree to which these acts happened soon after its submission.
#[track_caller]
pub(super) fn tree(acts: impl IntoIterator<Item = Act>) -> Given<Request> {
    acts.into_iter().fold(unsubmitted().and(submit(submission("tree"))), |given, act| given.and(on(SOON, act)))
}

pub(super) fn kinds(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(Event::kind).collect()
}

pub(super) fn assign(unit: &str) -> Act {
    Act::Assign { unit: code(unit), agent: None }
}

pub(super) fn wait() -> Act {
    Act::WaitForCitizen { question: Some("Which tree?".to_owned()) }
}

pub(super) fn answer() -> Act {
    Act::Answer { text: "It will be felled.".to_owned() }
}

pub(super) fn interim(anticipated_on: &str) -> Act {
    Act::AnswerInterim {
        anticipated_on: anticipated_on.parse().expect("a day"),
        text: "We are looking into it.".to_owned(),
    }
}

pub(super) fn resolve() -> Act {
    Act::Resolve { outcome: Some(code("felled")), text: None }
}

pub(super) fn refuse(reason: &str) -> Act {
    Act::Refuse { reason: code(reason), text: None }
}

pub(super) fn recategorise(product: &str) -> Act {
    Act::Recategorise { product: code(product), precision: None }
}

pub(super) fn link() -> Act {
    Act::LinkAsDuplicate { of: id(2), original: Some(Status::Assigned) }
}

pub(super) fn plan(programme: &str) -> Act {
    Act::Plan { programme: code(programme) }
}

/// One of every act, each able to change a fresh request.
pub(super) fn every_act() -> Vec<Act> {
    vec![
        Act::Submit(Box::new(submission("tree"))),
        Act::Triage { priority: Priority::High },
        assign("parks"),
        Act::Transfer { to: code("roads") },
        Act::Start,
        wait(),
        Act::CitizenReplied,
        Act::Note { visibility: Visibility::Internal, text: "Oak, 12 m.".to_owned() },
        interim("2026-12-04"),
        answer(),
        resolve(),
        refuse("private_tree"),
        Act::Reopen,
        Act::Cancel,
        recategorise("hedge"),
        link(),
        Act::Unlink,
        plan("planting"),
        Act::ReleaseText { text: "A tree leans.".to_owned() },
    ]
}
