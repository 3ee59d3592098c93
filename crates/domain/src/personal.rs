//! A personal value: typed by or about a person, sealed before it is appended.
//!
//! The domain only moves it. The application seals each [`Personal::Plain`] under the key of its subject
//! and refuses to append one that remains; see `application::sealing`.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// `{"$plain": …}` before sealing, `{"$sealed": {…}}` in the log and in every read model.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Personal<T> {
    #[serde(rename = "$plain")]
    Plain(T),
    #[serde(rename = "$sealed")]
    Sealed(Sealed),
}

impl<T> std::fmt::Debug for Personal<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain(…)",
            Self::Sealed(_) => "Sealed(…)",
        })
    }
}

impl<T> From<T> for Personal<T> {
    fn from(value: T) -> Self {
        Self::Plain(value)
    }
}

/// XChaCha20-Poly1305 over the value's JSON, and the words its authentication covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The subject key, `vault::KeyId`.
    pub key: Uuid,
    pub stream: String,
    pub event: Uuid,
    /// Path of the field in the payload when it was sealed: `/description`.
    pub path: String,
    /// 24 bytes, base64 (standard alphabet, padded).
    pub nonce: String,
    /// Ciphertext and tag, base64.
    pub ciphertext: String,
}
