//! How an aggregate decides. See `request.rs` for one that uses every part.

/// An aggregate: commands in, events out, state folded from events.
pub trait Decider {
    /// The stream category, stored: never renamed.
    const STREAM: &'static str;
    type Command;
    type Event;
    type State;
    type Refusal: std::error::Error;

    fn initial() -> Self::State;
    /// What happens, or why it must not. A command that already happened yields no event.
    fn decide(state: &Self::State, command: Self::Command) -> Result<Vec<Self::Event>, Self::Refusal>;
    /// Total: no error, no panic, on any order of events.
    fn evolve(state: Self::State, event: &Self::Event) -> Self::State;
}
