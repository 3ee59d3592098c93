//! The question tree of a product (S2-22): which questions are asked, and what their answers decide.
//!
//! Questions are read in file order; one with a condition is asked when an earlier asked question was answered with
//! one of its choices. Three rules keep clients that know nothing of conditions welcome (GeoReport v2 has none):
//! - a blank answer is no answer;
//! - an answer to a question that was not asked, to a notice, or under a name that the tree does not know is kept as
//!   text, never refused;
//! - an emergency counts wherever it was said, asked or not, and before any fault: a citizen in danger is sent to
//!   9-1-1 even when a required answer is missing (S2-38..43).

use chrono::DateTime;

use super::{Answer, AnswerValue, TEXT_MOST, Unasked};
use crate::{
    declaration::{Product, Question, QuestionKind},
    personal::Personal,
    time,
    words::{Code, NotAText, required_text},
};

/// Most characters of a name that no question has.
const NAME_MOST: usize = 200;

/// What came under one name, as typed: the code of a question, or anything else.
#[derive(Clone, PartialEq, Eq)]
pub struct Given {
    pub question: String,
    pub values: Vec<String>,
}

/// What the answers come to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Walk {
    /// In the order of the tree, then those it does not know as they came.
    pub answers: Vec<Answer>,
    /// Decided by the last choice that names one: the deepest in the tree.
    pub precision: Option<Code>,
    /// No request is created; the other answers do not matter.
    pub emergency: Option<Code>,
}

/// One question whose answer does not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{question}: {kind}")]
pub struct Fault {
    pub question: Code,
    pub kind: FaultKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    #[error("an answer is required")]
    Required,
    #[error("the answer is none of the choices")]
    UnknownChoice,
    #[error("the question takes one answer")]
    SeveralValues,
    #[error("the answer is not a number")]
    NotANumber,
    #[error("the answer is not a date and time with its offset")]
    NotADatetime,
    #[error(transparent)]
    Text(#[from] NotAText),
}

impl FaultKind {
    /// Stable; the words are under `question.<code>` in the catalogues.
    pub fn code(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::UnknownChoice => "unknown_choice",
            Self::SeveralValues => "several_values",
            Self::NotANumber => "not_a_number",
            Self::NotADatetime => "not_a_datetime",
            Self::Text(NotAText::Blank) => "blank",
            Self::Text(NotAText::TooLong { .. }) => "too_long",
            Self::Text(NotAText::Nul) => "nul",
        }
    }
}

/// Reads the answers along the tree, or says of every faulty one what is wrong with it.
pub fn walk(product: &Product, given: &[Given]) -> Result<Walk, Vec<Fault>> {
    if let Some(emergency) = emergency(product, given) {
        return Ok(Walk { emergency: Some(emergency), ..Walk::default() });
    }
    let mut walk = Walk::default();
    let mut faults = Vec::new();
    for question in &product.questions {
        let values = values_of(question.code.as_str(), given);
        let asked = question.kind != QuestionKind::Notice && is_asked(question, &walk.answers);
        let read = match (asked, values.is_empty()) {
            (true, true) if question.required => Err(FaultKind::Required),
            (_, true) => continue,
            (true, false) => read(question, &values),
            (false, false) => as_text(&values),
        };
        match read {
            Ok(value) => {
                walk.precision = precision(question, &value).or(walk.precision);
                walk.answers.push(Answer { question: question.code.clone(), value });
            }
            Err(kind) => faults.push(Fault { question: question.code.clone(), kind }),
        }
    }
    for name in unknown_names(product, given) {
        let question = Answer::UNKNOWN.parse().expect("a word is a code");
        match unasked(name, &values_of(name, given)) {
            Ok(value) => walk.answers.push(Answer { question, value }),
            Err(kind) => faults.push(Fault { question, kind }),
        }
    }
    if faults.is_empty() { Ok(walk) } else { Err(faults) }
}

/// The first choice of the tree that is an emergency and was given.
fn emergency(product: &Product, given: &[Given]) -> Option<Code> {
    product.questions.iter().find_map(|question| {
        let values = values_of(question.code.as_str(), given);
        question
            .choices
            .iter()
            .filter(|choice| values.contains(&choice.key.as_str()))
            .find_map(|choice| choice.emergency.clone())
    })
}

/// Everything that came under the name, blanks left out.
fn values_of<'a>(name: &str, given: &'a [Given]) -> Vec<&'a str> {
    given
        .iter()
        .filter(|given| given.question == name)
        .flat_map(|given| &given.values)
        .map(|value| value.trim())
        .filter(|value| !value.is_empty())
        .collect()
}

/// Names that the tree does not have and that hold something, each once.
fn unknown_names<'a>(product: &Product, given: &'a [Given]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for Given { question: name, .. } in given {
        let known = product.questions.iter().any(|known| known.code.as_str() == name);
        if !known && !names.contains(&name.as_str()) && !values_of(name, given).is_empty() {
            names.push(name);
        }
    }
    names
}

fn is_asked(question: &Question, answers: &[Answer]) -> bool {
    question.when.as_ref().is_none_or(|when| {
        answers.iter().filter(|answer| answer.question == when.question).any(|answer| match &answer.value {
            AnswerValue::Choices(chosen) => chosen.iter().any(|choice| when.any_of.contains(choice)),
            AnswerValue::Number(_) | AnswerValue::Datetime(_) | AnswerValue::Text(_) | AnswerValue::Unknown(_) => false,
        })
    })
}

fn read(question: &Question, values: &[&str]) -> Result<AnswerValue, FaultKind> {
    match (question.kind, values) {
        (QuestionKind::MultiValueList, values) => choices(question, values),
        (_, [_, _, ..]) => Err(FaultKind::SeveralValues),
        (QuestionKind::SingleValueList, values) => choices(question, values),
        (QuestionKind::Number, [value]) if is_number(value) => Ok(AnswerValue::Number((*value).to_owned())),
        (QuestionKind::Number, _) => Err(FaultKind::NotANumber),
        (QuestionKind::Datetime, values) => values
            .first()
            .and_then(|value| DateTime::parse_from_rfc3339(value).ok())
            .filter(|at| time::is_sane(at.date_naive()))
            .map(AnswerValue::Datetime)
            .ok_or(FaultKind::NotADatetime),
        (QuestionKind::Notice | QuestionKind::String | QuestionKind::Text, values) => as_text(values),
    }
}

fn choices(question: &Question, values: &[&str]) -> Result<AnswerValue, FaultKind> {
    if values.iter().any(|value| question.choices.iter().all(|choice| choice.key.as_str() != *value)) {
        return Err(FaultKind::UnknownChoice);
    }
    let chosen = question.choices.iter().filter(|choice| values.contains(&choice.key.as_str()));
    Ok(AnswerValue::Choices(chosen.map(|choice| choice.key.clone()).collect()))
}

/// Digits with at most one sign before and one separator between: `12,5` is a number in French.
fn is_number(value: &str) -> bool {
    let unsigned = value.strip_prefix(['-', '+']).unwrap_or(value);
    let (whole, fraction) = unsigned.split_once(['.', ',']).unwrap_or((unsigned, "0"));
    [whole, fraction].iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

fn as_text(values: &[&str]) -> Result<AnswerValue, FaultKind> {
    Ok(AnswerValue::Text(Personal::Plain(joined(values)?)))
}

fn unasked(name: &str, values: &[&str]) -> Result<AnswerValue, FaultKind> {
    let (name, text) = (required_text(name.to_owned(), NAME_MOST)?, joined(values)?);
    Ok(AnswerValue::Unknown(Personal::Plain(Unasked { name, text })))
}

fn joined(values: &[&str]) -> Result<String, NotAText> {
    required_text(values.join("\n"), TEXT_MOST)
}

fn precision(question: &Question, value: &AnswerValue) -> Option<Code> {
    let AnswerValue::Choices(chosen) = value else { return None };
    question.choices.iter().filter(|choice| chosen.contains(&choice.key)).find_map(|choice| choice.precision.clone())
}

#[cfg(test)]
mod examples {
    use super::*;
    use crate::{promise::fixtures::code, request::fixtures::city};

    fn walked(given: &[(&str, &[&str])]) -> Result<Walk, Vec<Fault>> {
        let given: Vec<Given> = given
            .iter()
            .map(|&(question, values)| Given {
                question: question.to_owned(),
                values: values.iter().map(|&value| value.to_owned()).collect(),
            })
            .collect();
        walk(city().latest().product(&code("water")).expect("water"), &given)
    }

    fn answers(given: &[(&str, &[&str])]) -> Vec<(String, AnswerValue)> {
        let walk = walked(given).expect("answers that read");
        walk.answers.into_iter().map(|answer| (answer.question.to_string(), answer.value)).collect()
    }

    fn faults(given: &[(&str, &[&str])]) -> Vec<(String, &'static str)> {
        let faults = walked(given).expect_err("answers that do not read");
        faults.into_iter().map(|fault| (fault.question.to_string(), fault.kind.code())).collect()
    }

    fn chosen(keys: &[&str]) -> AnswerValue {
        AnswerValue::Choices(keys.iter().map(|key| code(key)).collect())
    }

    fn text(text: &str) -> AnswerValue {
        AnswerValue::Text(Personal::Plain(text.to_owned()))
    }

    #[test]
    fn one_path_is_asked_and_decides_the_precision() {
        let since = "2026-11-17T08:00:00-05:00";
        let given: &[(&str, &[&str])] = &[("since", &[since]), ("what", &["taste"]), ("strength", &["7,5"])];
        assert_eq!(
            answers(given),
            [
                ("what".to_owned(), chosen(&["taste"])),
                ("since".to_owned(), AnswerValue::Datetime(since.parse().expect("an instant"))),
                ("strength".to_owned(), AnswerValue::Number("7,5".to_owned())),
            ]
        );
        assert_eq!(walked(given).expect("a walk").precision, Some(code("taste")));
    }

    #[test]
    fn several_choices_are_kept_in_the_order_of_the_tree_each_once() {
        let given: &[(&str, &[&str])] = &[("what", &["leak"]), ("signs", &["wet", "dry"]), ("signs", &["wet"])];
        assert_eq!(answers(given)[1].1, chosen(&["dry", "wet"]));
    }

    #[test]
    fn a_blank_answer_is_none() {
        assert_eq!(answers(&[("what", &["other", " "]), ("remark", &["", " \n"]), ("shape", &[""])]).len(), 1);
        assert_eq!(faults(&[("what", &[" "])]), [("what".to_owned(), "required")]);
    }

    #[test]
    fn what_was_not_asked_or_not_known_is_kept_as_text() {
        let given: &[(&str, &[&str])] =
            &[("My aunt’s name", &["Élodie", "Ada"]), ("what", &["other"]), ("signs", &["wet"]), ("advice", &["ok"])];
        let unasked = Unasked { name: "My aunt’s name".to_owned(), text: "Élodie\nAda".to_owned() };
        assert_eq!(
            answers(given)[1..],
            [
                ("advice".to_owned(), text("ok")),
                ("signs".to_owned(), text("wet")),
                ("unknown".to_owned(), AnswerValue::Unknown(Personal::Plain(unasked))),
            ]
        );
        let long = "é".repeat(NAME_MOST + 1);
        assert_eq!(faults(&[("what", &["other"]), (&long, &["x"])]), [("unknown".to_owned(), "too_long")]);
    }

    #[test]
    fn an_emergency_counts_wherever_it_was_said() {
        for given in [&[("what", &["leak"][..]), ("signs", &["wet", "flood"])][..], &[("signs", &["flood"])]] {
            assert_eq!(walked(given).map(|walk| walk.emergency), Ok(Some(code("flood"))));
        }
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let long = "é".repeat(TEXT_MOST + 1);
        let given: &[(&str, &[&str])] =
            &[("what", &["taste"]), ("since", &["yesterday"]), ("strength", &["1", "2"]), ("remark", &[&long])];
        assert_eq!(
            faults(given),
            [("since", "not_a_datetime"), ("strength", "several_values"), ("remark", "too_long")]
                .map(|(question, code)| (question.to_owned(), code))
        );
        assert_eq!(faults(&[("what", &["colour"]), ("x", &["\0"])]).len(), 2);
        assert_eq!(faults(&[("what", &["taste"])]), [("since".to_owned(), "required")]);
        for far in ["9999-12-31T23:59:59-05:00", "+12026-11-17T08:00:00Z", "0026-11-17T08:00:00Z"] {
            assert_eq!(faults(&[("what", &["taste"]), ("since", &[far])]), [("since".to_owned(), "not_a_datetime")]);
        }
    }

    #[test]
    fn numbers_are_what_people_write() {
        for good in ["0", "-3", "+3", "12.5", "12,5", "007"] {
            assert!(is_number(good), "{good}");
        }
        for bad in ["", "-", "1.", ".5", "1.2.3", "1e3", "NaN", "0x1", "1 000"] {
            assert!(!is_number(bad), "{bad}");
        }
    }
}
