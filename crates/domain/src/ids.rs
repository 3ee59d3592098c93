//! Identities. Every id is a UUID inside and carries a prefix on the wire (`req_…`).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Text that is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of the form {prefix}_<32 hexadecimal digits>")]
pub struct NotAnId {
    pub prefix: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        /// The form on the wire: prefix, underscore, 32 hexadecimal digits.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}_{}", $prefix, self.0.simple())
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                text.strip_prefix(concat!($prefix, "_"))
                    .filter(|hex| hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)))
                    .and_then(|hex| Uuid::try_parse(hex).ok())
                    .map(Self)
                    .ok_or(NotAnId { prefix: $prefix })
            }
        }
    };
}

id!(
    /// A service request; its stream is `request-<uuid>`.
    RequestId,
    "req"
);
id!(
    /// A requester; its stream is `person-<uuid>`.
    PersonId,
    "per"
);
id!(
    /// A contact; its stream is `contact-<uuid>`.
    ContactId,
    "con"
);

impl RequestId {
    pub fn stream(self) -> String {
        format!("request-{}", self.0)
    }

    /// Whose stream this is, if it is one of them.
    pub fn of_stream(stream: &str) -> Option<Self> {
        stream.strip_prefix("request-").and_then(|uuid| uuid.parse().ok()).map(Self)
    }
}

impl PersonId {
    pub fn stream(self) -> String {
        format!("person-{}", self.0)
    }

    /// Whose stream this is, if it is one of them.
    pub fn of_stream(stream: &str) -> Option<Self> {
        stream.strip_prefix("person-").and_then(|uuid| uuid.parse().ok()).map(Self)
    }
}

impl ContactId {
    pub fn stream(self) -> String {
        format!("contact-{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_from_its_only_form() {
        let id = RequestId(Uuid::from_u128(0x0123_4567_89ab_cdef));
        assert_eq!(id.to_string(), "req_00000000000000000123456789abcdef");
        assert_eq!(id.to_string().parse(), Ok(id));
        let others = [
            id.to_string().to_uppercase(),
            id.to_string().replace("req_", "per_"),
            format!("req_{}", id.0.hyphenated()),
            "req_".to_owned(),
            String::new(),
        ];
        for other in others {
            assert_eq!(other.parse::<RequestId>(), Err(NotAnId { prefix: "req" }), "{other}");
        }
    }
}
