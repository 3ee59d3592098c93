//! An answer that is an emergency creates no request: the citizen is sent to 9-1-1, in the organisation's words (S2-38..43).

use application::Organisation;
use domain::words::Code;

use crate::problem::{Fact, Problem};

/// The problem to show; with the program's own words if the declaration has changed since.
pub(crate) fn emergency(organisation: &Organisation, code: &Code) -> Problem {
    let rules = organisation.rules();
    let mut known = rules.versions().iter().rev().flat_map(|version| &version.emergencies);
    let words = known.find(|emergency| emergency.code == *code).map(|emergency| emergency.message.clone());
    let problem = Problem::from(Fact::RequestEmergency);
    match words {
        Some(words) => problem.in_words(words),
        None => problem,
    }
}
