//! Primary data that is not events: subject keys, log keys, the blind index, API keys.
//!
//! Personal fields are sealed under a key of their subject ([`subject`]); destroying that key erases every copy
//! of them at once, in the log and in the read models alike. Every key stands wrapped by the [`master`] key.
//! The vault knows bytes, streams and subjects by name; it refuses to know what an event or a person is.
//! Start reading at [`vault`], which puts the parts together; `docs/personal-data.md` is the whole story.

mod error;
mod secret;

pub mod master;
pub mod subject;
pub mod tokens;

pub mod blind;
mod normalise;

mod cache;
mod log_keys;
mod new_keys;
pub mod vault;

pub mod api_keys;

pub use api_keys::{ApiKey, ApiKeys, NewApiKey};
pub use blind::{Field, Term};
pub use error::VaultError;
pub use master::{MasterKey, MasterKeyError};
pub use subject::{Envelope, Place, Refused, SubjectKey};
pub use tokens::{ForeignToken, Tokens};
pub use vault::Vault;
