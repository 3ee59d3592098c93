//! Reading personal data is a fact too: who opened what, through which door, to what end.

use serde::{Deserialize, Serialize};

use crate::{time::Local, words::Code};

/// `access.*` in `access-<subject>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Opened {
        at: Local,
        /// The stream of the subject whose key was used: `person-…` or `request-…`.
        subject: String,
        /// Paths that were opened: `request-…/description`.
        fields: Vec<String>,
        /// The route that showed them.
        door: Code,
        /// What for, as the caller stated or the route implies.
        purpose: Code,
        /// `key_…` or `usr_…`.
        actor: String,
    },
}
