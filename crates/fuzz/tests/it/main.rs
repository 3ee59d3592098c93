//! Targets for the parsers that other crates offer: what the log says, and the words of outside.

mod payloads;
mod words;
