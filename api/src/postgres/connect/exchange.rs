//! The server's side of SCRAM-SHA-256 (RFC 5802) without channel binding: parses the client's messages and writes the
//! answers. [`Auth`](crate::access::Auth) checks the proof.

use base64::{Engine, engine::general_purpose::STANDARD};
use pgwire::messages::startup::PasswordMessageFamily;
use ring::rand::{SecureRandom, SystemRandom};

use super::fields::Fields;
use crate::access::ScramOffer;

/// Name of the mechanism.
pub(super) const MECHANISM: &str = "SCRAM-SHA-256";

/// Random bytes of the server's part of the nonce.
const NONCE_BYTES: usize = 18;

/// The client's first message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct First {
    /// The header of the binding with its comma at the end: `n,,` or `y,,`.
    header: String,
    bare: String,
    nonce: String,
}

/// An exchange after the server's first message.
#[derive(Debug)]
pub(super) struct Waiting {
    first: First,
    /// The server's first message.
    pub(super) server_first: String,
    nonce: String,
    /// Salt and iterations.
    pub(super) offer: ScramOffer,
}

/// What is to be checked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Proof {
    pub(super) auth_message: String,
    pub(super) proof: Vec<u8>,
}

impl First {
    /// Parses `n,,n=user,r=nonce`.
    pub(super) fn parse(message: &[u8]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(message).map_err(|_| "the first message is not UTF-8")?;
        let mut parts = text.splitn(3, ',');
        let (Some(flag), Some(identity), Some(bare)) = (parts.next(), parts.next(), parts.next()) else {
            return Err("the first message has no header");
        };
        if flag.starts_with("p=") {
            return Err("channel binding is not offered");
        }
        if !["n", "y"].contains(&flag) || !identity.is_empty() {
            return Err("the header of the first message is neither n,, nor y,,");
        }
        let mut attributes = bare.split(',');
        let user = attributes.next().unwrap_or_default();
        let nonce = attributes.next().and_then(|attribute| attribute.strip_prefix("r=")).unwrap_or_default();
        let is_printable = nonce.bytes().all(|byte| byte.is_ascii_graphic());
        if !user.starts_with("n=") || nonce.is_empty() || !is_printable {
            return Err("the first message has no user name and nonce");
        }
        Ok(Self { header: format!("{flag},,"), bare: bare.to_owned(), nonce: nonce.to_owned() })
    }

    /// Answers with salt and iterations; `None` when the system gives no random bytes.
    pub(super) fn answer(self, offer: ScramOffer) -> Option<Waiting> {
        let mut random = [0; NONCE_BYTES];
        SystemRandom::new().fill(&mut random).ok()?;
        Some(self.answer_with(offer, &STANDARD.encode(random)))
    }

    fn answer_with(self, offer: ScramOffer, random: &str) -> Waiting {
        let nonce = format!("{}{random}", self.nonce);
        let server_first = format!("r={nonce},s={},i={}", STANDARD.encode(&offer.salt), offer.iterations);
        Waiting { first: self, server_first, nonce, offer }
    }
}

impl Waiting {
    /// Parses `c=binding,r=nonce,p=proof`.
    pub(super) fn proof(&self, message: &[u8]) -> Result<Proof, &'static str> {
        let text = std::str::from_utf8(message).map_err(|_| "the last message is not UTF-8")?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or("the last message has no proof")?;
        let mut attributes = without_proof.split(',');
        let binding = attributes.next().and_then(|attribute| attribute.strip_prefix("c=")).unwrap_or_default();
        if STANDARD.decode(binding).ok().as_deref() != Some(self.first.header.as_bytes()) {
            return Err("the last message repeats another header");
        }
        if attributes.next().and_then(|attribute| attribute.strip_prefix("r=")) != Some(self.nonce.as_str()) {
            return Err("the last message has another nonce");
        }
        let proof = STANDARD.decode(proof).map_err(|_| "the proof is not base64")?;
        Ok(Proof { auth_message: format!("{},{},{without_proof}", self.first.bare, self.server_first), proof })
    }
}

/// Reads a message of a sign-in as the first one and as the last one.
///
/// # Errors
/// What is wrong with it.
pub(in crate::postgres) fn check_sign_in(message: PasswordMessageFamily) -> Result<(), String> {
    let first = initial_response(message)?;
    let offer = ScramOffer { salt: vec![1; 16], iterations: 4096 };
    let waiting = First::parse(&first)?.answer(offer).ok_or("no random bytes")?;
    waiting.proof(&first)?;
    Ok(())
}

/// Returns the client's first message out of its choice of a mechanism: a name, and a message with its length.
pub(super) fn initial_response(message: PasswordMessageFamily) -> Result<Vec<u8>, &'static str> {
    let PasswordMessageFamily::Raw(body) = message else { return Err("the message is not that of a mechanism") };
    let mut fields = Fields::new(&body);
    let mechanism = fields.text().ok_or("the message names no mechanism")?;
    if mechanism != MECHANISM.as_bytes() {
        return Err("the mechanism is not SCRAM-SHA-256");
    }
    let length = fields.int().and_then(|length| usize::try_from(length).ok());
    let first = length.and_then(|length| fields.bytes(length)).filter(|_| fields.is_done());
    Ok(first.ok_or("the message of the mechanism has another length")?.to_vec())
}

/// Returns the last message of the server.
pub(super) fn last(signature: &[u8]) -> String {
    format!("v={}", STANDARD.encode(signature))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer() -> ScramOffer {
        ScramOffer { salt: STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap(), iterations: 4096 }
    }

    /// The exchange of RFC 7677, section 3.
    #[test]
    fn the_example_of_the_rfc_gives_its_messages() {
        let first = First::parse(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap();
        let waiting = first.answer_with(offer(), "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
        assert_eq!(
            waiting.server_first,
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        );
        let last = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        let proof = waiting.proof(last.as_bytes()).unwrap();
        assert!(proof.auth_message.starts_with("n=user,r=") && proof.auth_message.ends_with("hNlF$k0"));
        assert_eq!(proof.proof.len(), 32);
        for (wrong, reason) in [
            (last.replace("biws", "eSws"), "the last message repeats another header"),
            (last.replace("hvYD", "hvYE"), "the last message has another nonce"),
            (last.replace(",p=", ",q="), "the last message has no proof"),
            (format!("{last}!"), "the proof is not base64"),
        ] {
            assert_eq!(waiting.proof(wrong.as_bytes()), Err(reason), "{wrong}");
        }
    }

    #[test]
    fn other_first_messages_are_refused() {
        for wrong in [
            "",
            "n,,",
            "n,,n=u",
            "n,,n=u,r=",
            "n,,m=x,n=u,r=a",
            "p=tls-server-end-point,,n=u,r=a",
            "n,a=x,n=u,r=a",
            "x,,n=u,r=a",
        ] {
            assert!(First::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(First::parse(b"n,,n=\xff,r=a").is_err());
        assert!(First::parse(b"y,,n=,r=a").is_ok());
    }
}
