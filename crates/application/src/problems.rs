//! Refusals of the domain as a caller reads them: fields that do not read, or an act that the situation forbids.

use domain::{person, request};

use crate::errors::Problem;

/// The fields that a refused request points at; empty when the situation forbids the act.
pub(crate) fn of_request(refusal: &request::Refusal) -> Vec<Problem> {
    match (refusal, refusal.field()) {
        (request::Refusal::Answers(faults), _) => faults
            .iter()
            .map(|fault| Problem { field: format!("answers/{}", fault.question), code: fault.kind.code() })
            .collect(),
        (_, Some(field)) => vec![Problem { field: field.to_owned(), code: refusal.code() }],
        (_, None) => vec![],
    }
}

/// As [`of_request`], of the requester's details.
pub(crate) fn of_person(refusal: &person::Refusal) -> Vec<Problem> {
    refusal.field().map(|field| Problem { field: field.to_owned(), code: refusal.code() }).into_iter().collect()
}
