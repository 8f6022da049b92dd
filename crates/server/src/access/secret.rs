//! The text of a token: `cpz_`, its number, and a secret. Only its hash is kept.

use capataz_engine::TokenId;
use rand::TryRngCore;
use rand::rand_core::OsError;
use sha2::{Digest, Sha256};

/// What a token begins with, so that it is recognised where it should not be.
pub(crate) const PREFIX: &str = "cpz_";
/// Random bytes of a token: nobody guesses one, so that a plain hash of it is enough.
const SECRET_BYTES: usize = 32;

/// A new token, which nobody but the caller knows.
pub(crate) struct Secret {
    /// Its number.
    pub(crate) id: TokenId,
    /// Its text.
    pub(crate) text: String,
}

impl Secret {
    /// Makes one from the system's randomness.
    pub(crate) fn random() -> Result<Secret, OsError> {
        let mut number = [0; 8];
        rand::rngs::OsRng.try_fill_bytes(&mut number)?;
        let id = TokenId(u64::from_be_bytes(number));
        let text = format!("{PREFIX}{id}_{}", random_hex()?);
        Ok(Secret { id, text })
    }
}

/// A secret's text alone.
pub(crate) fn random_hex() -> Result<String, OsError> {
    let mut bytes = [0; SECRET_BYTES];
    rand::rngs::OsRng.try_fill_bytes(&mut bytes)?;
    Ok(hex::encode(bytes))
}

/// What is kept of a token.
pub(crate) fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Compares hashes in the same time whatever they are.
pub(crate) fn is_same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    constant_time_eq::constant_time_eq_32(one, other)
}

/// The number that a token names, if it is not the admin's of the data folder.
pub(crate) fn number(text: &str) -> Option<TokenId> {
    let (id, _) = text.strip_prefix(PREFIX)?.split_once('_')?;
    id.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_number_and_is_different_each_time() {
        let (one, other) = (Secret::random().unwrap(), Secret::random().unwrap());
        assert_ne!(one.text, other.text);
        assert_eq!(number(&one.text), Some(one.id));
        assert_eq!(one.text.len(), PREFIX.len() + 16 + 1 + 2 * SECRET_BYTES);
        assert_eq!(number("cpz_0123"), None);
        assert!(is_same(&hash(&one.text), &hash(&one.text)));
        assert!(!is_same(&hash(&one.text), &hash(&other.text)));
    }
}
