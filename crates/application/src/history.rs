//! A request that was lived in another system: decided again, act by act, as it happened there.
//!
//! The same decider that serves today's citizens says what each act led to, promises included; only the instants are
//! those of the source. Everything here is pure. Ids come from the row, so a second import finds what the first wrote.

use std::sync::Arc;

use domain::{
    decider::Decider,
    ids::RequestId,
    number::Number,
    request::{self, Act, Command, Refusal, Request, State},
    rules::Rules,
    time::Instant,
};
use uuid::Uuid;

use crate::errors::StorageError;

/// Every id of an import is a UUIDv5 under this name.
const IMPORTED: Uuid = Uuid::from_u128(0x7f1c_5a4e_0a35_4c5e_9b52_6a1d_3d0c_91e7);

/// What one row tells.
#[derive(Debug, Clone)]
pub struct History {
    /// Names the row for ever, within its organisation: the source, then its key, or its fingerprint and its place
    /// among equals.
    pub row: String,
    /// Of what the row says. The same row saying something else is not the same import.
    pub fingerprint: [u8; 32],
    /// In the order of time. The first is the submission; its number follows from the row.
    pub acts: Vec<(Instant, Act)>,
}

/// The events of a history, ready to be sealed and appended to the request's stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Lived {
    pub request: RequestId,
    pub number: Number,
    /// Each with its id.
    pub events: Vec<(Uuid, request::Event)>,
}

impl History {
    /// Decides every act in turn. `attempt` counts from 0: another one gives other ids, for the rare row whose number
    /// is already another request's.
    pub fn live(&self, organisation: &str, rules: &Arc<Rules>, attempt: u32) -> Result<Lived, Refusal> {
        let request = RequestId(Uuid::new_v5(&IMPORTED, format!("{organisation}/{}/{attempt}", self.row).as_bytes()));
        let number = Number::of(request);
        let mut state = State::Unsubmitted;
        let mut events = Vec::new();
        for (at, act) in &self.acts {
            let mut act = act.clone();
            if let Act::Submit(submission) = &mut act {
                submission.number = number.clone();
            }
            for event in Request::decide(&state, Command { rules: Arc::clone(rules), at: *at, act })? {
                state = Request::evolve(state, &event);
                let id = Uuid::new_v5(&request.0, events.len().to_string().as_bytes());
                events.push((id, event));
            }
        }
        Ok(Lived { request, number, events })
    }
}

/// What became of a history in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub request: RequestId,
    /// How many events it is made of.
    pub events: usize,
    /// An earlier import had written it.
    pub replayed: bool,
}

/// Why a history was not kept.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The declaration does not know a word of it, or its acts do not follow from one another.
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    #[error("imported before with another content")]
    Changed,
    /// Imports bring no words of persons: there is nobody to ask for them to be erased.
    #[error("it holds personal text, which an import does not take")]
    Personal,
    #[error("more than one append takes")]
    TooLarge,
    #[error("too much is waiting")]
    Overloaded,
    #[error("the outcome is not known yet")]
    Unknown,
    #[error("the log is behind what was acknowledged")]
    Diverged,
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl HistoryError {
    /// Whether the row is at fault, so that the next one may go in.
    pub fn is_of_the_row(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Changed | Self::Personal | Self::TooLarge => true,
            Self::Overloaded | Self::Unknown | Self::Diverged | Self::Storage(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use domain::{
        declaration::Declaration,
        promise::{self, Basis},
        request::{Event, SourceDue, Submission},
    };

    use super::*;

    fn rules() -> Arc<Rules> {
        let declaration: Declaration = serde_json::from_value(serde_json::json!({
            "organisation": {"slug": "essai", "jurisdiction": "essai.example",
                "name": {"fr": "Essai", "en": "Trial"}, "contact": {"fr": "-", "en": "-"}},
            "version": "2011-1", "effective_from": "2000-01-01", "source": "test",
            "calendar": {"version": "essai-1", "zone": "America/New_York",
                "hours": [{"from": "2000-01-01", "friday": {"open": "08:30", "close": "17:00"}}]},
            "channels": [{"code": "phone", "label": {"fr": "Téléphone", "en": "Phone"}}],
            "standards": [{"code": "lamp", "label": {"fr": "Lampe", "en": "Lamp"}, "duration": {"calendar_days": 3}}],
            "products": [{"code": "lamp", "label": {"fr": "Lampe", "en": "Lamp"}, "standards": ["lamp"]}],
        }))
        .expect("a declaration");
        Arc::new(Rules::new(vec![Arc::new(declaration)]).expect("one declaration"))
    }

    fn at(text: &str) -> Instant {
        text.parse::<DateTime<Utc>>().expect("an instant")
    }

    fn history(source_due: SourceDue) -> History {
        let [channel, product] = ["phone", "lamp"].map(|code| code.parse().expect("a code"));
        let mut submission = Submission::new(Number::of(RequestId(Uuid::nil())), channel, product);
        submission.source_due = source_due;
        let acts = vec![
            (at("2011-07-01T12:00:00Z"), Act::Submit(Box::new(submission))),
            (at("2011-07-02T12:00:00Z"), Act::Resolve { outcome: None, text: None }),
        ];
        History { row: "essai/key/1".to_owned(), fingerprint: [0; 32], acts }
    }

    fn kinds(lived: &Lived) -> Vec<&'static str> {
        lived.events.iter().map(|(_, event)| domain::codec::Event::Request(event.clone()).kind()).collect()
    }

    #[test]
    fn the_date_of_the_source_is_the_promise_and_the_computed_one_stands_beside_it() {
        let due = at("2011-07-02T12:00:00Z");
        let lived = history(SourceDue::By(due)).live("essai", &rules(), 0).expect("it was lived");
        assert_eq!(kinds(&lived), ["request.submitted", "promise.made", "request.resolved", "promise.missed"]);
        let Event::Promise(promise::Event::Made { basis, due: made, computed_due_at, .. }) = &lived.events[1].1 else {
            panic!("{:?}", lived.events[1]);
        };
        assert_eq!((*basis, made.due_at), (Basis::Source, due), "the instant itself is too late");
        assert!(computed_due_at.is_some());
    }

    #[test]
    fn what_the_source_did_not_promise_is_not_made_up() {
        let unsaid = history(SourceDue::Unsaid).live("essai", &rules(), 0).expect("it was lived");
        assert_eq!(kinds(&unsaid), ["request.submitted", "promise.made", "request.resolved", "promise.kept"]);
        let nothing = history(SourceDue::Nothing).live("essai", &rules(), 0).expect("it was lived");
        assert_eq!(kinds(&nothing), ["request.submitted", "request.resolved"]);
    }

    #[test]
    fn ids_follow_from_the_row_the_organisation_and_the_attempt() {
        let lived = |organisation, attempt| history(SourceDue::Unsaid).live(organisation, &rules(), attempt);
        let first = lived("essai", 0).expect("it was lived");
        assert_eq!(first, lived("essai", 0).expect("it was lived"), "again the same");
        assert_ne!(first.request, lived("essai", 1).expect("it was lived").request);
        assert_ne!(first.request, lived("other", 0).expect("it was lived").request);
        let Event::Submitted(submitted) = &first.events[0].1 else { panic!("{:?}", first.events[0]) };
        assert_eq!(submitted.number, Number::of(first.request));
    }
}
