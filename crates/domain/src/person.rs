//! A requester, with contact details sealed under the person's own key.
//!
//! Two persons who turn out to be one are merged by an event on the absorbed one alone, so that taking it back is
//! one event too; readers follow the merges. Nobody is registered without a detail to be found by: anonymity is a
//! right, and an anonymous request simply has no requester.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    decider::Decider,
    ids::PersonId,
    personal::Personal,
    rules::Rules,
    time::{Instant, Local},
    words::{NotAText, optional_text},
};

const DETAIL_MOST: usize = 254;

/// The aggregate.
#[derive(Debug)]
pub struct Person;

#[derive(Debug, Clone)]
pub struct Command {
    pub rules: Arc<Rules>,
    pub at: Instant,
    pub act: Act,
}

/// Contact details as typed; a blank one is absent.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Details {
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
}

#[derive(Clone, PartialEq, Eq)]
pub enum Act {
    Register(Details),
    /// What somebody who is known already gave that was not known of them. Found by an e-mail or a telephone, a person
    /// may come back with another name or number: it is kept beside what was given before.
    AddDetails(Details),
    /// `leads_back`: whether following the merges from `into`, itself included, arrives at this person. Looked up by
    /// the application, which expects the revision of `into` in the same append.
    Merge {
        into: PersonId,
        leads_back: bool,
    },
    Unmerge,
}

/// Names the act alone: what was typed stays out of every log line.
impl fmt::Debug for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Register(_) => "Register",
            Self::AddDetails(_) => "AddDetails",
            Self::Merge { .. } => "Merge",
            Self::Unmerge => "Unmerge",
        })
    }
}

/// `person.*` in `person-<uuid>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Registered {
        at: Local,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        first_name: Option<Personal<String>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_name: Option<Personal<String>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        email: Option<Personal<String>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        phone: Option<Personal<String>>,
    },
    DetailsAdded {
        at: Local,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        first_name: Option<Personal<String>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_name: Option<Personal<String>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        email: Option<Personal<String>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        phone: Option<Personal<String>>,
    },
    /// Stands on the absorbed person's stream alone.
    Merged {
        at: Local,
        into: PersonId,
    },
    Unmerged {
        at: Local,
        from: PersonId,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Unknown,
    Registered,
    Merged { into: PersonId },
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("nobody was registered")]
    NotRegistered,
    #[error("the person is already registered")]
    AlreadyRegistered,
    #[error("no detail was given")]
    NoDetail,
    #[error("the person is merged into {into}")]
    MergedElsewhere { into: PersonId },
    #[error("the merge would go round in a circle")]
    Circle,
    #[error("{field} does not read")]
    Text {
        field: &'static str,
        #[source]
        source: NotAText,
    },
}

impl Refusal {
    /// Stable for ever: programs branch on it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotRegistered => "person.not_registered",
            Self::AlreadyRegistered => "person.already_registered",
            Self::NoDetail => "person.no_detail",
            Self::MergedElsewhere { .. } => "person.merged_elsewhere",
            Self::Circle => "person.circle",
            Self::Text { source, .. } => source.code(),
        }
    }

    /// The field that does not read; none when the situation forbids the act.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::Text { field, .. } => Some(field),
            Self::NoDetail => Some("requester"),
            Self::NotRegistered | Self::AlreadyRegistered | Self::MergedElsewhere { .. } | Self::Circle => None,
        }
    }
}

impl Decider for Person {
    const STREAM: &'static str = "person";
    type Command = Command;
    type Event = Event;
    type State = State;
    type Refusal = Refusal;

    fn initial() -> State {
        State::Unknown
    }

    fn decide(state: &State, Command { rules, at, act }: Command) -> Result<Vec<Event>, Refusal> {
        let at = rules.local(at);
        match (state, act) {
            (State::Unknown, Act::Register(details)) => {
                let [first_name, last_name, email, phone] = details.read()?;
                Ok(vec![Event::Registered { at, first_name, last_name, email, phone }])
            }
            (State::Unknown, _) => Err(Refusal::NotRegistered),
            (State::Registered | State::Merged { .. }, Act::Register(_)) => Err(Refusal::AlreadyRegistered),
            (State::Registered | State::Merged { .. }, Act::AddDetails(details)) => {
                let [first_name, last_name, email, phone] = details.read()?;
                Ok(vec![Event::DetailsAdded { at, first_name, last_name, email, phone }])
            }
            (State::Registered, Act::Merge { leads_back: true, .. }) => Err(Refusal::Circle),
            (State::Registered, Act::Merge { into, leads_back: false }) => Ok(vec![Event::Merged { at, into }]),
            (State::Registered, Act::Unmerge) => Ok(vec![]),
            (State::Merged { into }, Act::Merge { into: again, .. }) if *into == again => Ok(vec![]),
            (State::Merged { into }, Act::Merge { .. }) => Err(Refusal::MergedElsewhere { into: *into }),
            (State::Merged { into }, Act::Unmerge) => Ok(vec![Event::Unmerged { at, from: *into }]),
        }
    }

    fn evolve(state: State, event: &Event) -> State {
        match event {
            Event::DetailsAdded { .. } => state,
            Event::Registered { .. } | Event::Unmerged { .. } => State::Registered,
            Event::Merged { into, .. } => State::Merged { into: *into },
        }
    }
}

impl Event {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Registered { .. } => "person.registered",
            Self::DetailsAdded { .. } => "person.details_added",
            Self::Merged { .. } => "person.merged",
            Self::Unmerged { .. } => "person.unmerged",
        }
    }
}

impl Details {
    /// First name, last name, e-mail, telephone; at least one of them says something.
    fn read(self) -> Result<[Option<Personal<String>>; 4], Refusal> {
        let details = [
            detail("first_name", self.first_name)?,
            detail("last_name", self.last_name)?,
            detail("email", self.email)?,
            detail("phone", self.phone)?,
        ];
        if details.iter().all(Option::is_none) { Err(Refusal::NoDetail) } else { Ok(details) }
    }
}

fn detail(field: &'static str, typed: Option<String>) -> Result<Option<Personal<String>>, Refusal> {
    let detail = optional_text(typed, DETAIL_MOST).map_err(|source| Refusal::Text { field, source })?;
    Ok(detail.map(Personal::Plain))
}

#[cfg(test)]
mod examples {
    use uuid::Uuid;

    use super::*;
    use crate::{
        calendar::Holidays,
        given::{Given, given},
        promise::fixtures::{at, calendar, declaration, rules},
    };

    const ADA: PersonId = PersonId(Uuid::from_u128(1));
    const EVE: PersonId = PersonId(Uuid::from_u128(2));

    fn on(act: Act) -> Command {
        let rules = Arc::new(rules(declaration(calendar(Holidays::None), vec![])));
        Command { rules, at: at("2026-11-18 10:00"), act }
    }

    fn register(email: &str) -> Command {
        let email = Some(email.to_owned());
        on(Act::Register(Details { last_name: Some(" ".to_owned()), email, ..Details::default() }))
    }

    fn merge(into: PersonId) -> Command {
        on(Act::Merge { into, leads_back: false })
    }

    fn now() -> Local {
        "2026-11-18T10:00:00-05:00".parse().expect("an instant")
    }

    fn registered() -> Given<Person> {
        given([]).and(register("ada@example.org"))
    }

    #[test]
    fn a_blank_detail_is_absent_and_the_others_are_personal() {
        given::<Person>([]).when(register("ada@example.org")).then([Event::Registered {
            at: now(),
            first_name: None,
            last_name: None,
            email: Some(Personal::Plain("ada@example.org".to_owned())),
            phone: None,
        }]);
    }

    #[test]
    fn nobody_is_registered_without_a_detail_or_twice() {
        given::<Person>([]).when(register("")).refused(Refusal::NoDetail);
        registered().when(register("ada@example.org")).refused(Refusal::AlreadyRegistered);
        given::<Person>([]).when(merge(ADA)).refused(Refusal::NotRegistered);
        let too_long = Refusal::Text { field: "email", source: NotAText::TooLong { most: DETAIL_MOST } };
        given::<Person>([]).when(register(&"a".repeat(255))).refused(too_long);
    }

    #[test]
    fn a_known_person_comes_back_with_another_number() {
        let phone = Some("418 555-0100".to_owned());
        let act = Act::AddDetails(Details { phone: phone.clone(), ..Details::default() });
        registered().and(merge(ADA)).when(on(act)).then([Event::DetailsAdded {
            at: now(),
            first_name: None,
            last_name: None,
            email: None,
            phone: phone.map(Personal::Plain),
        }]);
    }

    #[test]
    fn a_merge_is_taken_back_by_one_event() {
        registered().when(merge(ADA)).then([Event::Merged { at: now(), into: ADA }]).then_nothing_again();
        let unmerge = || on(Act::Unmerge);
        registered()
            .and(merge(ADA))
            .when(unmerge())
            .then([Event::Unmerged { at: now(), from: ADA }])
            .then_nothing_again();
        registered().when(unmerge()).nothing();
    }

    #[test]
    fn a_person_is_merged_into_one_other_and_never_into_itself() {
        registered().and(merge(ADA)).when(merge(EVE)).refused(Refusal::MergedElsewhere { into: ADA });
        registered().when(on(Act::Merge { into: ADA, leads_back: true })).refused(Refusal::Circle);
    }
}
