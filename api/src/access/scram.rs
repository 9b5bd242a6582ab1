//! Verifiers of SCRAM-SHA-256 (RFC 5802, RFC 7677), with which a token is checked without being sent.
//!
//! All tokens of a file share a salt, so that the user name of a sign-in is free: the salt is sent before it is known
//! which token the client has. A token is random, so that a common salt helps nobody to guess.

use base64::{Engine, engine::general_purpose::STANDARD};
use pgwire::api::auth::sasl::scram::gen_salted_password;
use ring::{digest, hmac};
use subtle::ConstantTimeEq;

/// Name of the mechanism, and first part of a verifier.
const MECHANISM: &str = "SCRAM-SHA-256";
/// Iterations of PBKDF2: as many as the RFC asks for at least. A token has 260 random bits.
pub(super) const ITERATIONS: u32 = 4096;
/// Largest number of iterations of a verifier in the file; the client computes them.
const MAX_ITERATIONS: u32 = 1_000_000;
/// Longest salt in bytes.
const MAX_SALT_BYTES: usize = 64;

/// What the server knows of a token.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Verifier {
    pub(super) salt: Vec<u8>,
    pub(super) iterations: u32,
    stored_key: [u8; 32],
    server_key: [u8; 32],
}

impl Verifier {
    /// Derives the verifier of a token.
    pub(super) fn derive(token: &str, salt: &[u8], iterations: u32) -> Self {
        let salted = gen_salted_password(token, salt, iterations as usize);
        let client_key = sign(&salted, b"Client Key");
        Self {
            salt: salt.to_vec(),
            iterations,
            stored_key: hash(&client_key),
            server_key: sign(&salted, b"Server Key"),
        }
    }

    /// Parses `SCRAM-SHA-256$iterations:salt$stored key:server key`, as PostgreSQL writes it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (head, keys) = text.strip_prefix(MECHANISM)?.strip_prefix('$')?.split_once('$')?;
        let ((iterations, salt), (stored, server)) = (head.split_once(':')?, keys.split_once(':')?);
        let iterations = iterations.parse().ok().filter(|count| (ITERATIONS..=MAX_ITERATIONS).contains(count))?;
        let salt = STANDARD.decode(salt).ok().filter(|salt| (1..=MAX_SALT_BYTES).contains(&salt.len()))?;
        let key = |text: &str| STANDARD.decode(text).ok().and_then(|key| <[u8; 32]>::try_from(key).ok());
        Some(Self { salt, iterations, stored_key: key(stored)?, server_key: key(server)? })
    }

    /// Checks the proof of a client, and returns the server's signature for it if the proof is right.
    pub(super) fn check(&self, auth_message: &[u8], proof: &[u8]) -> Option<[u8; 32]> {
        let proof: [u8; 32] = proof.try_into().ok()?;
        let signature = sign(&self.stored_key, auth_message);
        let mut client_key = [0; 32];
        for (byte, (one, other)) in client_key.iter_mut().zip(proof.iter().zip(signature)) {
            *byte = one ^ other;
        }
        let is_right = bool::from(hash(&client_key).ct_eq(&self.stored_key));
        is_right.then(|| sign(&self.server_key, auth_message))
    }
}

impl std::fmt::Display for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |bytes: &[u8]| STANDARD.encode(bytes);
        let (stored, server) = (text(&self.stored_key), text(&self.server_key));
        write!(f, "{MECHANISM}${}:{}${stored}:{server}", self.iterations, text(&self.salt))
    }
}

/// Omits the keys.
impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier")
    }
}

fn sign(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref());
    out
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exchange of RFC 7677, section 3.
    #[test]
    fn the_example_of_the_rfc_is_accepted() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = Verifier::derive("pencil", &salt, 4096);
        let message = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                       s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let proof = STANDARD.decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=").unwrap();
        let signature = verifier.check(message.as_bytes(), &proof).unwrap();
        assert_eq!(STANDARD.encode(signature), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        assert!(verifier.check(b"another message", &proof).is_none());
        for wrong in [&proof[1..], &[proof.as_slice(), &[0]].concat(), &[0; 32], b""] {
            assert!(verifier.check(message.as_bytes(), wrong).is_none());
        }
        assert!(!format!("{verifier:?}").contains(&verifier.to_string()));
    }

    #[test]
    fn verifiers_are_parsed_as_written_and_others_are_refused() {
        let verifier = Verifier::derive("alm_a_b", b"salt", ITERATIONS);
        let text = verifier.to_string();
        assert_eq!(Verifier::parse(&text), Some(verifier));
        for wrong in [
            "",
            "SCRAM-SHA-256",
            &text[1..],
            &text[..text.len() - 1],
            &text.replace("4096", "1"),
            &text.replace("4096", "x"),
        ] {
            assert_eq!(Verifier::parse(wrong), None, "{wrong}");
        }
    }
}
