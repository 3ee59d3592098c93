//! The harness of every decider's examples: `given(events).when(command).then(events)`.
//!
//! `given` folds what happened, `when` decides, `then`, `nothing` and `refused` compare. A claim that repeating
//! changes nothing is checked by [`When::then_nothing_again`], which decides once more after the first answer.

use std::fmt::Debug;

use crate::decider::Decider;

pub(crate) struct Given<D: Decider> {
    state: D::State,
}

pub(crate) struct When<D: Decider> {
    before: D::State,
    command: D::Command,
    outcome: Result<Vec<D::Event>, D::Refusal>,
}

pub(crate) fn given<D: Decider>(events: impl IntoIterator<Item = D::Event>) -> Given<D> {
    Given { state: fold::<D>(D::initial(), &events.into_iter().collect::<Vec<_>>()) }
}

pub(crate) fn fold<D: Decider>(state: D::State, events: &[D::Event]) -> D::State {
    events.iter().fold(state, |state, event| D::evolve(state, event))
}

impl<D: Decider> Given<D>
where
    D::State: Clone,
    D::Command: Clone,
    D::Event: Debug + PartialEq,
    D::Refusal: PartialEq,
{
    pub(crate) fn when(self, command: D::Command) -> When<D> {
        let outcome = D::decide(&self.state, command.clone());
        When { before: self.state, command, outcome }
    }

    /// For examples whose past is easier told as commands.
    #[track_caller]
    pub(crate) fn and(self, command: D::Command) -> Self {
        let when = self.when(command);
        let state = when.state();
        Given { state }
    }

    pub(crate) fn state(&self) -> &D::State {
        &self.state
    }
}

impl<D: Decider> When<D>
where
    D::State: Clone,
    D::Command: Clone,
    D::Event: Debug + PartialEq,
    D::Refusal: PartialEq,
{
    pub(crate) fn into_outcome(self) -> Result<Vec<D::Event>, D::Refusal> {
        self.outcome
    }

    #[track_caller]
    pub(crate) fn events(&self) -> &[D::Event] {
        match &self.outcome {
            Ok(events) => events,
            Err(refusal) => panic!("refused: {refusal}"),
        }
    }

    #[track_caller]
    pub(crate) fn state(&self) -> D::State {
        fold::<D>(self.before.clone(), self.events())
    }

    #[track_caller]
    pub(crate) fn then(self, expected: impl IntoIterator<Item = D::Event>) -> Self {
        assert_eq!(self.events(), expected.into_iter().collect::<Vec<_>>());
        self
    }

    #[track_caller]
    pub(crate) fn nothing(self) {
        self.then([]);
    }

    #[track_caller]
    pub(crate) fn refused(self, expected: D::Refusal) {
        match self.outcome {
            Ok(events) => panic!("not refused: {events:?}"),
            Err(refusal) => assert_eq!(refusal, expected),
        }
    }

    /// Repeating the command after its events yields nothing.
    #[track_caller]
    pub(crate) fn then_nothing_again(self) {
        let state = self.state();
        match D::decide(&state, self.command) {
            Ok(events) => assert_eq!(events, [], "repeating the command says something new"),
            Err(refusal) => panic!("repeating the command is refused: {refusal}"),
        }
    }
}
