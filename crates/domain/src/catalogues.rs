//! Every word that the domain hands out as a code can be said in French and in English, and none is left over.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::{
    codec::KINDS,
    ids::{PersonId, RequestId},
    person,
    promise::fixtures::code,
    request::{self, Status, questions::FaultKind},
    words::NotAText,
};

const TEXTS: [NotAText; 3] = [NotAText::Blank, NotAText::TooLong { most: 1 }, NotAText::Nul];

fn refusals() -> Vec<&'static str> {
    use request::Refusal as R;
    let x = || code("x");
    let of = RequestId(Uuid::nil());
    let requests = [
        R::NotSubmitted,
        R::AlreadySubmitted,
        R::Closed { status: Status::Resolved },
        R::Duplicate { of },
        R::Waiting,
        R::Planned,
        R::HeldByAnotherUnit { unit: x() },
        R::Unassigned,
        R::DuplicateOfItself,
        R::UnknownOriginal,
        R::OriginalIsDuplicate,
        R::AnticipatedInThePast,
        R::AnticipatedTooFar,
        R::DateOutOfRange { field: "at" },
        R::NotAnAgent,
        R::Emergency { reason: x() },
        R::Answers(vec![]),
        R::UnknownProduct(x()),
        R::UnknownPrecision(x()),
        R::UnknownChannel(x()),
        R::UnknownUnit(x()),
        R::UnknownArea(x()),
        R::UnknownReason(x()),
        R::UnknownProgramme(x()),
        R::PointOffEarth,
        R::NotAMediaUrl,
        R::NotASourceKey,
    ];
    let persons = [
        person::Refusal::NotRegistered,
        person::Refusal::AlreadyRegistered,
        person::Refusal::NoDetail,
        person::Refusal::MergedElsewhere { into: PersonId(Uuid::nil()) },
        person::Refusal::Circle,
    ];
    let mut codes: Vec<_> = requests.iter().map(R::code).collect();
    codes.extend(persons.iter().map(person::Refusal::code));
    codes.extend(TEXTS.map(NotAText::code));
    codes
}

fn faults() -> Vec<&'static str> {
    use FaultKind::{NotADatetime, NotANumber, Required, SeveralValues, Text, UnknownChoice};
    let plain = [Required, UnknownChoice, SeveralValues, NotANumber, NotADatetime];
    plain.into_iter().chain(TEXTS.map(Text)).map(FaultKind::code).collect()
}

fn keys() -> BTreeSet<String> {
    let mut keys = BTreeSet::from(["status.open".to_owned(), "status.closed".to_owned()]);
    keys.extend(refusals().iter().map(|code| format!("refusal.{code}")));
    keys.extend(faults().iter().map(|code| format!("question.{code}")));
    keys.extend(KINDS.iter().map(|kind| format!("event.{kind}")));
    keys.extend(Status::ALL.iter().map(|status| format!("status.request.{}", status.as_str())));
    keys
}

#[test]
fn every_code_has_its_words_and_no_word_is_left_over() {
    let namespaces = ["refusal.", "question.", "event.", "status."];
    for catalogue in [include_str!("../../../catalogues/fr.json"), include_str!("../../../catalogues/en.json")] {
        let catalogue: BTreeMap<String, String> = serde_json::from_str(catalogue).expect("an object of texts");
        let said = catalogue.into_keys().filter(|key| namespaces.iter().any(|namespace| key.starts_with(namespace)));
        assert_eq!(said.collect::<BTreeSet<_>>(), keys());
    }
}
