//! Primary data that is not events: subject keys, log keys, the blind index, API keys.
//!
//! Personal fields are sealed under a key of their subject ([`subject`]); destroying that key erases every copy
//! of them at once, in the log and in the read models alike. Everything here is wrapped by the [`master`] key.
//! The vault knows bytes, streams and subjects by name; it refuses to know what an event or a person is.
//! Start reading at [`vault`], which puts the parts together; `docs/personal-data.md` is the whole story.

pub mod master;
pub mod normalise;
pub mod secret;
pub mod subject;
pub mod tokens;

pub use master::{MasterKey, MasterKeyError};
pub use subject::{Envelope, Place, Refused, SubjectKey};
pub use tokens::{ForeignToken, Tokens};
