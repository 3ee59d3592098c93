//! What the writer remembers of streams, valid as long as the head has not moved without it.

use std::collections::HashMap;

use db::append::StreamState;

/// The most recently touched streams, in two generations: when the younger is full the older is forgotten. Costs one look-up
/// more than a map and never more than twice the bound.
#[derive(Debug)]
pub(crate) struct Streams {
    young: HashMap<String, StreamState>,
    old: HashMap<String, StreamState>,
    bound: usize,
}

impl Streams {
    pub(crate) fn new(bound: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), bound }
    }

    pub(crate) fn get(&self, stream: &str) -> Option<StreamState> {
        self.young.get(stream).or_else(|| self.old.get(stream)).copied()
    }

    pub(crate) fn put(&mut self, stream: &str, state: StreamState) {
        if let Some(known) = self.young.get_mut(stream) {
            *known = state;
            return;
        }
        if self.young.len() >= self.bound {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(stream.to_owned(), state);
    }

    pub(crate) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_touched_lately_is_remembered_and_the_rest_is_bounded() {
        let mut streams = Streams::new(10);
        for revision in 0..100 {
            streams.put(&format!("s-{revision}"), StreamState::live(revision));
            streams.put("s-always", StreamState::live(revision));
        }
        assert_eq!(streams.get("s-always"), Some(StreamState::live(99)));
        assert_eq!(streams.get("s-99"), Some(StreamState::live(99)));
        assert_eq!(streams.get("s-1"), None);
        assert!(streams.young.len() + streams.old.len() <= 20);
    }

    #[test]
    fn the_newer_state_hides_the_older_generation() {
        let mut streams = Streams::new(1);
        streams.put("a", StreamState::live(0));
        streams.put("b", StreamState::live(0));
        streams.put("a", StreamState::live(1));
        assert_eq!(streams.get("a"), Some(StreamState::live(1)));
    }
}
