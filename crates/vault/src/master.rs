//! The master key: 32 bytes that wrap every other key. It lives in a file or an environment variable, never beside the data.

use std::{fmt, path::Path, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::secret::{Secret, random};

/// Cheap to clone; wiped with its last clone.
#[derive(Clone)]
pub struct MasterKey(Arc<Secret<32>>);

#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    #[error("a master key is 32 bytes in base64 (44 characters)")]
    NotAKey,
    #[error("the master key file cannot be read")]
    File(#[source] std::io::Error),
}

impl MasterKey {
    pub fn generate() -> Self {
        Self(Arc::new(Zeroizing::new(random())))
    }

    /// White space around the text is ignored, so that a file may end with a line feed.
    pub fn from_base64(text: &str) -> Result<Self, MasterKeyError> {
        let bytes = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| MasterKeyError::NotAKey)?);
        let key: [u8; 32] = bytes.as_slice().try_into().map_err(|_| MasterKeyError::NotAKey)?;
        Ok(Self(Arc::new(Zeroizing::new(key))))
    }

    pub fn from_file(path: &Path) -> Result<Self, MasterKeyError> {
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(MasterKeyError::File)?);
        Self::from_base64(&text)
    }

    /// For the one who keeps it: what `from_base64` reads.
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.bytes()))
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use fuzz::{Document, Nearly};

    use super::*;

    #[test]
    fn it_reads_what_it_wrote() {
        let key = MasterKey::generate();
        let text = format!("{}\n", key.to_base64().as_str());
        assert_eq!(MasterKey::from_base64(&text).expect("its own text").bytes(), key.bytes());
    }

    #[test]
    fn anything_else_is_refused_without_being_repeated() {
        for text in ["", "short", "not base64 at all!", "AAAA", &"A".repeat(88)] {
            let error = MasterKey::from_base64(text).expect_err("no key");
            assert_eq!(error.to_string(), "a master key is 32 bytes in base64 (44 characters)");
        }
    }

    #[test]
    fn it_does_not_print_itself() {
        assert_eq!(format!("{:?}", MasterKey::generate()), "MasterKey(…)");
    }

    #[test]
    fn a_key_that_reads_is_32_bytes() {
        let sample = MasterKey::generate().to_base64().as_bytes().to_vec();
        fuzz::check!().with_generator(Nearly::of([sample])).for_each(|document: &Document| {
            let text = document.text();
            if let Ok(key) = MasterKey::from_base64(&text) {
                assert_eq!(key.to_base64().as_str(), text.trim());
            }
        });
    }
}
