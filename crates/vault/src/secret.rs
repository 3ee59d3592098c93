//! Random bytes, the wrapping of one key by another, and keyed hashes. No other module touches a cipher of keys.

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use hmac::{Hmac, Mac};
use rand::{TryRng, rngs::SysRng};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Key material, wiped when dropped.
pub(crate) type Secret<const N: usize> = Zeroizing<[u8; N]>;

pub(crate) const NONCE: usize = 24;

/// The wrapped text does not belong to this wrapping key and these words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key does not unwrap")]
pub(crate) struct DoesNotUnwrap;

pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SysRng.try_fill_bytes(&mut bytes).expect("the operating system has randomness once it has started");
    bytes
}

/// Concatenates parts so that no two lists of parts read alike.
pub(crate) fn length_prefixed<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    for part in parts {
        bytes.extend_from_slice(&u32::try_from(part.len()).expect("a part is below 4 GiB").to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

/// Nonce and ciphertext of a key under another, bound to the words that say which key it is.
pub(crate) fn wrap(with: &[u8; 32], words: &[u8], key: &[u8]) -> Vec<u8> {
    let nonce = random::<NONCE>();
    let sealed = XChaCha20Poly1305::new(with.into())
        .encrypt(&XNonce::from(nonce), Payload { msg: key, aad: words })
        .expect("a key is far below the cipher's limit");
    [nonce.as_slice(), &sealed].concat()
}

pub(crate) fn unwrap<const N: usize>(
    with: &[u8; 32],
    words: &[u8],
    wrapped: &[u8],
) -> Result<Secret<N>, DoesNotUnwrap> {
    let (nonce, sealed) = wrapped.split_first_chunk::<NONCE>().ok_or(DoesNotUnwrap)?;
    let opened = XChaCha20Poly1305::new(with.into())
        .decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: words })
        .map_err(|_| DoesNotUnwrap)?;
    let opened = Zeroizing::new(opened);
    let key: [u8; N] = opened.as_slice().try_into().map_err(|_| DoesNotUnwrap)?;
    Ok(Zeroizing::new(key))
}

/// HMAC-SHA-256 over length-prefixed parts.
pub(crate) fn keyed_hash(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(&length_prefixed(parts.iter().copied()));
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_key_unwraps_under_the_same_words_only() {
        let master = random();
        let key = random::<32>();
        let wrapped = wrap(&master, b"boston/key-1", &key);
        assert_eq!(*unwrap::<32>(&master, b"boston/key-1", &wrapped).expect("same words"), key);
        assert_eq!(unwrap::<32>(&master, b"boston/key-2", &wrapped), Err(DoesNotUnwrap));
        assert_eq!(unwrap::<32>(&random(), b"boston/key-1", &wrapped), Err(DoesNotUnwrap));
        assert_eq!(unwrap::<32>(&master, b"boston/key-1", &wrapped[..20]), Err(DoesNotUnwrap));
    }

    #[test]
    fn parts_never_run_together() {
        assert_ne!(length_prefixed([b"ab".as_slice(), b"c"]), length_prefixed([b"a".as_slice(), b"bc"]));
    }
}
