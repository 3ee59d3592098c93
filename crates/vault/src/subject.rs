//! A subject's key: seals and opens the personal fields of one person, or of a matter where there is nobody.
//!
//! XChaCha20-Poly1305 with a random nonce. The authentication covers where the field was written (log, stream, event,
//! path) and the key's id, so a ciphertext moved elsewhere does not open. It never covers a revision or a position,
//! which come after sealing.

use std::{fmt, sync::Arc};

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::secret::{NONCE, Secret, length_prefixed, random};

/// Cheap to clone; wiped with its last clone.
#[derive(Clone)]
pub struct SubjectKey {
    id: Uuid,
    log: Arc<str>,
    subject: Arc<str>,
    secret: Arc<Secret<32>>,
}

/// Where a field is written. A sealed value carries these words, so that a row folded from many events still opens.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub stream: &'a str,
    pub event: Uuid,
    /// Path in the payload: `/description`.
    pub path: &'a str,
}

/// What sealing gives: the key's id, the nonce, ciphertext with its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    pub key: Uuid,
    pub nonce: [u8; NONCE],
    pub ciphertext: Vec<u8>,
}

/// The envelope was changed, moved, or sealed under another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealed value is not what was sealed here")]
pub struct Refused;

impl SubjectKey {
    pub(crate) fn new(id: Uuid, log: Arc<str>, subject: &str, secret: Secret<32>) -> Self {
        Self { id, log, subject: subject.into(), secret: Arc::new(secret) }
    }

    /// The stream of the person, or of the matter, whose key this is.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    pub fn id(&self) -> Uuid {
        self.id
    }

    pub fn seal(&self, place: Place<'_>, plain: &[u8]) -> Envelope {
        let nonce = random::<NONCE>();
        let ciphertext = self
            .cipher()
            .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: &self.words(place) })
            .expect("a field is far below the cipher's limit");
        Envelope { key: self.id, nonce, ciphertext }
    }

    pub fn open(&self, place: Place<'_>, envelope: &Envelope) -> Result<Zeroizing<Vec<u8>>, Refused> {
        self.cipher()
            .decrypt(&XNonce::from(envelope.nonce), Payload { msg: &envelope.ciphertext, aad: &self.words(place) })
            .map(Zeroizing::new)
            .map_err(|_| Refused)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&**self.secret).into())
    }

    fn words(&self, place: Place<'_>) -> Vec<u8> {
        length_prefixed([
            b"guichet.field.1".as_slice(),
            self.log.as_bytes(),
            place.stream.as_bytes(),
            place.event.as_bytes(),
            place.path.as_bytes(),
            self.id.as_bytes(),
        ])
    }
}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SubjectKey({}, …)", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(log: &str) -> SubjectKey {
        SubjectKey::new(Uuid::from_u128(1), log.into(), "person-1", Zeroizing::new([7; 32]))
    }

    fn place() -> Place<'static> {
        Place { stream: "request-1", event: Uuid::from_u128(2), path: "/description" }
    }

    #[test]
    fn a_sealed_field_opens_where_it_was_written() {
        let envelope = key("boston").seal(place(), b"\"nid-de-poule\"");
        assert_eq!(key("boston").open(place(), &envelope).expect("untouched").as_slice(), b"\"nid-de-poule\"");
        assert_ne!(key("boston").seal(place(), b"x").nonce, key("boston").seal(place(), b"x").nonce);
    }

    #[test]
    fn a_sealed_field_opens_nowhere_else() {
        let envelope = key("boston").seal(place(), b"secret");
        for elsewhere in [
            Place { stream: "request-2", ..place() },
            Place { event: Uuid::from_u128(3), ..place() },
            Place { path: "/text", ..place() },
        ] {
            assert_eq!(key("boston").open(elsewhere, &envelope), Err(Refused));
        }
        assert_eq!(key("montreal").open(place(), &envelope), Err(Refused));
        let other_id = SubjectKey::new(Uuid::from_u128(9), "boston".into(), "person-1", Zeroizing::new([7; 32]));
        assert_eq!(other_id.open(place(), &envelope), Err(Refused));
        let other_key = SubjectKey::new(Uuid::from_u128(1), "boston".into(), "person-1", Zeroizing::new([8; 32]));
        assert_eq!(other_key.open(place(), &envelope), Err(Refused));
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let sealed = key("boston").seal(place(), b"secret");
        for bit in 0..(NONCE + sealed.ciphertext.len()) * 8 {
            let mut changed = sealed.clone();
            let byte = match bit / 8 {
                at if at < NONCE => &mut changed.nonce[at],
                at => &mut changed.ciphertext[at - NONCE],
            };
            *byte ^= 1 << (bit % 8);
            assert_eq!(key("boston").open(place(), &changed), Err(Refused), "bit {bit}");
        }
    }
}
