//! Opaque tokens of one log: ETags, cursors, SSE ids, `after` tokens.
//!
//! AES-SIV over the value with kind and epoch as authenticated headers: the same value gives the same token (an ETag
//! must), nothing can be read out of it, and a token of another kind, log or history is refused.

use std::sync::Arc;

use aes_siv::{KeyInit, siv::Aes256Siv};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

use crate::secret::Secret;

/// Cheap to clone.
#[derive(Clone)]
pub struct Tokens {
    key: Arc<Secret<64>>,
    epoch: Uuid,
}

/// Not a token of this kind, log and history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a token of this organisation and purpose")]
pub struct ForeignToken;

impl Tokens {
    pub(crate) fn new(key: Secret<64>, epoch: Uuid) -> Self {
        Self { key: Arc::new(key), epoch }
    }

    pub fn seal(&self, kind: &str, value: &[u8]) -> String {
        let sealed = self
            .cipher()
            .encrypt([kind.as_bytes(), self.epoch.as_bytes()], value)
            .expect("two headers are fewer than the cipher's 126");
        URL_SAFE_NO_PAD.encode(sealed)
    }

    pub fn open(&self, kind: &str, token: &str) -> Result<Vec<u8>, ForeignToken> {
        let sealed = URL_SAFE_NO_PAD.decode(token).map_err(|_| ForeignToken)?;
        self.cipher().decrypt([kind.as_bytes(), self.epoch.as_bytes()], &sealed).map_err(|_| ForeignToken)
    }

    fn cipher(&self) -> Aes256Siv {
        Aes256Siv::new((&**self.key).into())
    }
}

#[cfg(test)]
mod tests {
    use fuzz::{Document, Nearly};
    use zeroize::Zeroizing;

    use super::*;

    fn tokens(key: u8, epoch: u128) -> Tokens {
        Tokens::new(Zeroizing::new([key; 64]), Uuid::from_u128(epoch))
    }

    #[test]
    fn a_token_is_opaque_and_always_the_same() {
        let token = tokens(1, 1).seal("etag", b"42");
        assert_eq!(token, tokens(1, 1).seal("etag", b"42"));
        assert_ne!(token, tokens(1, 1).seal("etag", b"43"));
        assert_eq!(tokens(1, 1).open("etag", &token), Ok(b"42".to_vec()));
        assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
    }

    #[test]
    fn a_foreign_token_is_refused() {
        let token = tokens(1, 1).seal("etag", b"42");
        assert_eq!(tokens(1, 1).open("cursor", &token), Err(ForeignToken));
        assert_eq!(tokens(1, 2).open("etag", &token), Err(ForeignToken));
        assert_eq!(tokens(2, 1).open("etag", &token), Err(ForeignToken));
        for text in ["", "A", "é", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAA", &token[1..]] {
            assert_eq!(tokens(1, 1).open("etag", text), Err(ForeignToken), "{text}");
        }
    }

    #[test]
    fn every_changed_character_is_refused() {
        let token = tokens(1, 1).seal("etag", b"a longer value, three bytes a group");
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("still ASCII");
            assert_eq!(tokens(1, 1).open("etag", &changed), Err(ForeignToken), "{at}");
        }
    }

    #[test]
    fn a_token_has_one_spelling() {
        let ours = tokens(1, 1);
        let samples =
            ["", "42", "a longer value, three bytes a group"].map(|value| ours.seal("etag", value.as_bytes()));
        fuzz::check!().with_generator(Nearly::of(samples)).for_each(|document: &Document| {
            let text = document.text();
            if let Ok(value) = ours.open("etag", &text) {
                assert_eq!(ours.seal("etag", &value), text);
            }
        });
    }
}
