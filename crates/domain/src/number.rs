//! Public request numbers: ten Crockford base-32 characters of the request's UUID and a check character.

use serde::{Deserialize, Serialize};

use crate::ids::RequestId;

/// `Q0M3VX7K1ZP`: the last 50 bits of the request's UUID, then a Crockford check character (modulo 37).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Number(String);

impl Number {
    pub fn of(request: RequestId) -> Self {
        let _ = request;
        unimplemented!()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `number-<number>`, which takes `number.reserved` once.
    pub fn stream(&self) -> String {
        format!("number-{}", self.0)
    }
}

/// `number.*`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Reserved { request: RequestId },
}
