//! A contact: for now, only the one that sends a citizen to 9-1-1 (S2-38..43).
//!
//! It is counted and holds nothing personal: neither who spoke, nor where, nor what was answered.
//! The emergency is found by [`crate::request::questions::walk`]; its words are in the declaration.

use std::{convert::Infallible, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    decider::Decider,
    rules::Rules,
    time::{Instant, Local},
    words::Code,
};

/// The aggregate.
#[derive(Debug)]
pub struct Contact;

#[derive(Debug, Clone)]
pub struct Command {
    pub rules: Arc<Rules>,
    pub at: Instant,
    pub act: Act,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// `reason`: the emergency's code. `product`: whose question tree found it.
    DirectTo911 { reason: Code, channel: Code, product: Code },
}

/// `contact.*` in `contact-<uuid>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    #[serde(rename = "directed_to_911")]
    DirectedTo911 { at: Local, reason: Code, channel: Code, product: Code },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Unrecorded,
    DirectedTo911,
}

impl Decider for Contact {
    const STREAM: &'static str = "contact";
    type Command = Command;
    type Event = Event;
    type State = State;
    /// Somebody in danger is never turned away: what the declaration may lack is the words to show.
    type Refusal = Infallible;

    fn initial() -> State {
        State::Unrecorded
    }

    fn decide(state: &State, Command { rules, at, act }: Command) -> Result<Vec<Event>, Infallible> {
        let Act::DirectTo911 { reason, channel, product } = act;
        match state {
            State::DirectedTo911 => Ok(vec![]),
            State::Unrecorded => Ok(vec![Event::DirectedTo911 { at: rules.local(at), reason, channel, product }]),
        }
    }

    fn evolve(_: State, event: &Event) -> State {
        match event {
            Event::DirectedTo911 { .. } => State::DirectedTo911,
        }
    }
}

#[cfg(test)]
mod examples {
    use super::*;
    use crate::{
        calendar::Holidays,
        given::given,
        promise::fixtures::{at, calendar, code, declaration, rules},
    };

    fn direct(reason: &str) -> Command {
        let city = declaration(calendar(Holidays::None), vec![]);
        let act = Act::DirectTo911 { reason: code(reason), channel: code("app"), product: code("other") };
        Command { rules: Arc::new(rules(city)), at: at("2026-11-18 10:00"), act }
    }

    #[test]
    fn a_citizen_in_danger_is_directed_once() {
        given::<Contact>([])
            .when(direct("fire"))
            .then([Event::DirectedTo911 {
                at: "2026-11-18T10:00:00-05:00".parse().expect("an instant"),
                reason: code("fire"),
                channel: code("app"),
                product: code("other"),
            }])
            .then_nothing_again();
    }
}
