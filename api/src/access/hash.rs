//! Makes tokens `alm_<id>_<secret>`, and hashes and verifies them with Argon2id.
//!
//! The id is public: it selects the one hash to verify, so that a request costs at most one verification.

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use ring::rand::{SecureRandom, SystemRandom};

/// First part of every token, so that scanners of leaked secrets can find it.
const PREFIX: &str = "alm";
/// Characters of ids and secrets, 5 bits each.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Length of an id, 40 bits.
const ID_CHARS: usize = 8;
/// Length of a secret, 260 bits.
const SECRET_CHARS: usize = 52;
/// Bytes of a salt (RFC 9106, section 3.1).
const SALT_BYTES: usize = 16;

/// A token could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gave no random bytes, or too little memory, for a token")]
pub struct TokenNotMade;

/// Returns a new token as its id and its whole text.
///
/// # Errors
/// [`TokenNotMade`] when the system gives no random bytes.
pub(super) fn new_token() -> Result<(String, String), TokenNotMade> {
    let id = random_text(ID_CHARS)?;
    let text = format!("{PREFIX}_{id}_{}", random_text(SECRET_CHARS)?);
    Ok((id, text))
}

/// Returns the id within the text of a token.
pub(super) fn id_of(token: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(token).ok()?;
    let (id, _) = text.strip_prefix(PREFIX)?.strip_prefix('_')?.split_once('_')?;
    Some(id)
}

/// Returns the Argon2id hash of a token in PHC format, with the default cost: 19 MiB, 2 passes (OWASP, 2023).
///
/// # Errors
/// [`TokenNotMade`] when the system gives no random bytes.
pub(super) fn hash(token: &str) -> Result<String, TokenNotMade> {
    let salt = new_salt()?;
    let hashed = Argon2::default().hash_password_with_salt(token.as_bytes(), &salt).map_err(|_| TokenNotMade)?;
    Ok(hashed.to_string())
}

/// Returns a random salt.
///
/// # Errors
/// [`TokenNotMade`] when the system gives no random bytes.
pub(super) fn new_salt() -> Result<[u8; SALT_BYTES], TokenNotMade> {
    let mut salt = [0; SALT_BYTES];
    SystemRandom::new().fill(&mut salt).map_err(|_| TokenNotMade)?;
    Ok(salt)
}

/// Whether the text is a hash that [`verify`] can use.
pub(super) fn is_hash(text: &str) -> bool {
    text.starts_with("$argon2") && PasswordHash::new(text).is_ok()
}

/// Whether `token` has this hash. Takes about 20 ms and 19 MiB; the caller bounds how many run at once.
pub(super) fn verify(token: &[u8], hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(token, &hash).is_ok())
}

fn random_text(chars: usize) -> Result<String, TokenNotMade> {
    let mut bytes = vec![0; chars];
    SystemRandom::new().fill(&mut bytes).map_err(|_| TokenNotMade)?;
    // 32 characters divide 256 evenly, so that each is equally likely.
    Ok(bytes.into_iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_token_verifies() {
        let (id, token) = new_token().unwrap();
        assert_eq!(id_of(token.as_bytes()), Some(id.as_str()));
        let hash = hash(&token).unwrap();
        assert!(is_hash(&hash) && hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(verify(token.as_bytes(), &hash));
        let (_, other) = new_token().unwrap();
        for wrong in [other.as_str(), &token[..token.len() - 1], &format!("{token}a"), "", &hash] {
            assert!(!verify(wrong.as_bytes(), &hash), "{wrong}");
        }
        assert!(!verify(token.as_bytes(), "$argon2id$nothing") && !is_hash("$argon2id$nothing") && !is_hash("x"));
    }

    #[test]
    fn ids_are_found_in_tokens_alone() {
        let check = |token: &[u8], id: Option<&str>| assert_eq!(id_of(token), id, "{token:?}");
        check(b"alm_abc_secret", Some("abc"));
        check(b"alm_abc_se_cret", Some("abc"));
        check(b"alm_abc", None);
        check(b"alma_abc_x", None);
        check(b"", None);
        check(b"alm_\xff_x", None);
    }
}
