//! A contact: for now, only the one that sends a citizen to 9-1-1 (S2-38..43).

use serde::{Deserialize, Serialize};

use crate::{time::Local, words::Code};

/// `contact.*` in `contact-<uuid>`. Holds nothing personal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    #[serde(rename = "directed_to_911")]
    DirectedTo911 { at: Local, reason: Code, channel: Code, product: Code },
}
