//! A requester, with contact details sealed under the person's own key.

use serde::{Deserialize, Serialize};

use crate::{ids::PersonId, personal::Personal, time::Local};

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

impl Event {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Registered { .. } => "person.registered",
            Self::Merged { .. } => "person.merged",
            Self::Unmerged { .. } => "person.unmerged",
        }
    }
}
