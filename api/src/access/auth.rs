//! Identifies callers by their tokens: `server.token`, and those of the tokens file.
//!
//! Without any token the service accepts everybody. Once a token was seen, one is required until the process ends, so
//! that a lost file does not open the service.

use std::{
    collections::HashMap,
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::{Mutex, RwLock};
use ring::{hmac, rand::SystemRandom};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use super::{
    Caller, Limits, Scopes, TokensFileError,
    file::{self, StoredToken},
    hash,
    scram::Verifier,
    wrong::{Tag, WrongTokens},
};
use crate::config::{Config, Secret};

/// Name of `server.token` in the ledger and in the audit.
const SERVER_TOKEN: &str = "server.token";
/// Longest token that is verified; longer ones are wrong.
const MAX_TOKEN_BYTES: usize = 512;
/// Verifications that run at the same time, each with about 20 ms of CPU time and 19 MiB.
const VERIFICATIONS: usize = 2;
/// Largest number of requests that wait for a verification; further ones are refused with [`Refusal::TooMany`].
const WAITING: usize = 1024;
/// Delay of the answer to a wrong token.
pub(super) const WRONG_DELAY: Duration = Duration::from_millis(300);

/// Why the service cannot start with this access.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The address is not loopback and a protection is missing.
    #[error(
        "{listen} can be reached from other machines, so it needs {needs}; or listen on 127.0.0.1, or set server.insecure = true \
         where something else protects it"
    )]
    Unprotected {
        /// The address.
        listen: SocketAddr,
        /// What is missing, and how to add it.
        needs: &'static str,
    },
    /// `server.tokens_file` names a file that does not exist.
    #[error("server.tokens_file {} does not exist; create it with almanac token new", path.display())]
    NoFile {
        /// The file.
        path: PathBuf,
    },
    /// The tokens file cannot be used.
    #[error(transparent)]
    File(#[from] TokensFileError),
}

/// Why a caller is not identified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No token was sent.
    #[error("this service requires a token")]
    Missing,
    /// The token is wrong.
    #[error("the token is not valid for this service")]
    Wrong,
    /// The address sent too many wrong tokens, or too many tokens wait for their verification.
    #[error("too many tokens are being tried; repeat the request later")]
    TooMany {
        /// Time after which a repetition may succeed.
        retry_after: Duration,
    },
}

/// The check of callers. Cloning is cheap.
#[derive(Clone)]
pub struct Auth(pub(super) Arc<Inner>);

pub(super) struct Inner {
    /// Key of the digests of tokens in memory, random for each process.
    pub(super) key: hmac::Key,
    pub(super) anonymous: Caller,
    pub(super) fixed: Option<(Tag, Caller)>,
    /// Text of `server.token` for verifiers of SCRAM, and the verifier for the last salt.
    pub(super) fixed_text: Option<Secret>,
    pub(super) fixed_verifier: Mutex<Option<Arc<Verifier>>>,
    /// Salt for sign-ins when no token has one.
    pub(super) salt: [u8; 16],
    pub(super) path: Option<PathBuf>,
    pub(super) defaults: Limits,
    /// Tokens of the file, by id.
    pub(super) stored: RwLock<HashMap<String, Arc<Stored>>>,
    /// Content of the file when it was last read, to find changes.
    pub(super) content: Mutex<Option<Vec<u8>>>,
    pub(super) is_required: AtomicBool,
    pub(super) wrong: WrongTokens,
    pub(super) verifications: Semaphore,
    pub(super) waiting: Semaphore,
}

/// A token of the file. The digest of its text is remembered after the first successful verification.
pub(super) struct Stored {
    pub(super) token: StoredToken,
    pub(super) caller: Caller,
    pub(super) verified: OnceLock<Tag>,
}

impl Auth {
    /// Accepts every caller.
    #[must_use]
    pub fn open() -> Self {
        Self::build(None, None, Limits::default())
    }

    /// Accepts callers that send this token, which has every scope.
    #[must_use]
    pub fn token(token: &str) -> Self {
        Self::build(Some(token), None, Limits::default())
    }

    /// Builds the check for a configuration, and reads the tokens file.
    ///
    /// # Errors
    /// [`AccessError`] when the file is invalid, or when other machines can reach the address and a protection is
    /// missing.
    pub fn of_config(config: &Config) -> Result<Self, AccessError> {
        let server = &config.server;
        let limits = Limits { rate: server.token_rate, concurrency: server.token_concurrency };
        let path = config.tokens_file();
        let fixed = server.token.as_ref().map(Secret::expose);
        let auth = Self::build(fixed, Some(path.clone()), limits);
        auth.reload()?;
        if server.tokens_file.is_some() && auth.0.content.lock().is_none() {
            return Err(AccessError::NoFile { path });
        }
        // Canonical: `::ffff:127.0.0.1` is loopback too.
        let is_public = |listen: &SocketAddr| !listen.ip().to_canonical().is_loopback();
        let addresses = [Some(server.listen), config.grpc.listen, config.postgres.listen];
        let listen = addresses.into_iter().flatten().find(is_public);
        let Some(listen) = listen.filter(|_| !server.insecure) else { return Ok(auth) };
        let needs = match (auth.is_required(), server.tls_cert.is_some()) {
            (true, true) => return Ok(auth),
            (true, false) => "TLS: set server.tls_cert and server.tls_key",
            (false, true) => "a token: run almanac token new, or set ALMANAC_TOKEN or server.token",
            (false, false) => {
                "a token and TLS: run almanac token new, or set ALMANAC_TOKEN or server.token, and set server.tls_cert and \
                 server.tls_key"
            }
        };
        Err(AccessError::Unprotected { listen, needs })
    }

    fn build(fixed: Option<&str>, path: Option<PathBuf>, defaults: Limits) -> Self {
        let key = random_key();
        let mut salt = [0; 16];
        salt.copy_from_slice(&hmac::sign(&key, b"salt").as_ref()[..16]);
        let fixed_text = fixed.map(Secret::new);
        let fixed =
            fixed.map(|token| (tag(&key, token.as_bytes()), Caller::new(Some(SERVER_TOKEN), Scopes::all(), defaults)));
        Self(Arc::new(Inner {
            is_required: AtomicBool::new(fixed.is_some()),
            anonymous: Caller::new(None, Scopes::all(), defaults),
            fixed,
            fixed_text,
            fixed_verifier: Mutex::default(),
            salt,
            path,
            defaults,
            stored: RwLock::default(),
            content: Mutex::default(),
            wrong: WrongTokens::default(),
            verifications: Semaphore::new(VERIFICATIONS),
            waiting: Semaphore::new(WAITING),
            key,
        }))
    }

    /// Whether callers have to send a token.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.0.is_required.load(Ordering::Acquire)
    }

    /// Reads the tokens file if it has changed, and returns the number of its tokens in that case.
    ///
    /// A file that was deleted has no tokens. Callers of unchanged tokens keep their limits and are not verified again.
    ///
    /// # Errors
    /// [`TokensFileError`] when the file cannot be used; the former tokens then stay valid.
    pub fn reload(&self) -> Result<Option<usize>, TokensFileError> {
        let Some(path) = &self.0.path else { return Ok(None) };
        let bytes = file::read_bytes(path)?;
        let mut content = self.0.content.lock();
        if *content == bytes {
            return Ok(None);
        }
        let is_present = bytes.is_some();
        // Remembered also when it is invalid, so that the error is reported once for each content.
        content.clone_from(&bytes);
        let tokens = file::parse(path, bytes.as_deref().unwrap_or_default())?;
        if file::is_readable_by_others(path) {
            tracing::warn!(path = %path.display(), "other users can read the tokens file; run chmod 600 on it");
        }
        let count = tokens.len();
        let mut stored = self.0.stored.write();
        let former = std::mem::take(&mut *stored);
        for token in tokens {
            let kept = former.get(&token.id).filter(|known| known.token == token).cloned();
            let known = kept.unwrap_or_else(|| {
                let limits = token.limits.or(self.0.defaults);
                let caller = Caller::new(Some(&token.name), token.scopes, limits);
                Arc::new(Stored { caller, verified: OnceLock::new(), token })
            });
            stored.insert(known.token.id.clone(), known);
        }
        drop(stored);
        self.0.wrong.forget();
        if is_present {
            self.0.is_required.store(true, Ordering::Release);
        }
        Ok(Some(count))
    }

    /// Returns the caller that a token belongs to. `from` is the address of the sender, if it is known.
    ///
    /// A known token costs one digest. An unknown one costs at most one verification, of which two run at the same time;
    /// the answer to a wrong one is delayed, and an address that tries many has to wait.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn identify(&self, token: Option<&[u8]>, from: Option<IpAddr>) -> Result<Caller, Refusal> {
        if !self.is_required() {
            return Ok(self.0.anonymous.clone());
        }
        let Some(token) = token.filter(|token| !token.is_empty()) else { return Err(Refusal::Missing) };
        let tag = tag(&self.0.key, token);
        if let Some((fixed, caller)) = &self.0.fixed
            && bool::from(fixed.ct_eq(&tag))
        {
            return Ok(caller.clone());
        }
        let stored = hash::id_of(token).and_then(|id| self.0.stored.read().get(id).cloned());
        if let Some(caller) = stored.as_ref().and_then(|stored| stored.remembered(&tag)) {
            return Ok(caller);
        }
        let is_known_wrong = token.len() > MAX_TOKEN_BYTES || self.0.wrong.knows(&tag);
        if !is_known_wrong {
            if let Some(retry_after) = self.0.wrong.blocked_for(from, Instant::now()) {
                return Err(Refusal::TooMany { retry_after });
            }
            if let Some(stored) = &stored
                && let Some(caller) = self.verify(stored, token, tag, from).await?
            {
                return Ok(caller);
            }
            self.0.wrong.add(tag, from, Instant::now());
        }
        if let Some(suppressed) = self.0.wrong.may_log(Instant::now()) {
            let name = stored.as_ref().map(|stored| stored.token.name.as_str());
            let from = from.map_or_else(|| "unknown".to_owned(), |from| from.to_string());
            tracing::warn!(target: "audit", from, name, suppressed, "a wrong token was refused");
        }
        tokio::time::sleep(WRONG_DELAY).await;
        Err(Refusal::Wrong)
    }

    /// Whether a caller that was identified before would be identified again: its token was not revoked.
    #[must_use]
    pub fn still_knows(&self, caller: &Caller) -> bool {
        if !self.is_required() || self.0.fixed.as_ref().is_some_and(|(_, fixed)| fixed.is(caller)) {
            return true;
        }
        self.0.stored.read().values().any(|stored| stored.caller.is(caller))
    }

    /// Verifies a token against its hash outside of the threads that serve connections.
    async fn verify(
        &self,
        stored: &Arc<Stored>,
        token: &[u8],
        tag: Tag,
        from: Option<IpAddr>,
    ) -> Result<Option<Caller>, Refusal> {
        let busy = Refusal::TooMany { retry_after: Duration::from_secs(1) };
        let _waiting = self.0.waiting.try_acquire().map_err(|_| busy)?;
        let _permit = self.0.verifications.acquire().await.map_err(|_| busy)?;
        // While this request waited, another one may have verified the token, or its address may have sent wrong ones.
        if let Some(caller) = stored.remembered(&tag) {
            return Ok(Some(caller));
        }
        if let Some(retry_after) = self.0.wrong.blocked_for(from, Instant::now()) {
            return Err(Refusal::TooMany { retry_after });
        }
        let (stored, token) = (Arc::clone(stored), token.to_vec());
        let verified = tokio::task::spawn_blocking(move || {
            hash::verify(&token, &stored.token.hash).then(|| {
                let _ = stored.verified.set(tag);
                stored.caller.clone()
            })
        });
        verified.await.map_err(|_| busy)
    }
}

impl Stored {
    /// Returns the caller if a token with this digest was verified before.
    fn remembered(&self, tag: &Tag) -> Option<Caller> {
        let verified = self.verified.get()?;
        bool::from(verified.ct_eq(tag)).then(|| self.caller.clone())
    }
}

pub(super) fn tag(key: &hmac::Key, token: &[u8]) -> Tag {
    let mut tag = [0; 32];
    tag.copy_from_slice(hmac::sign(key, token).as_ref());
    tag
}

/// Returns a random key.
fn random_key() -> hmac::Key {
    hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).unwrap_or_else(|_| {
        // The system's generator fails on no supported platform; the hasher's keys are random too.
        use std::hash::{BuildHasher, RandomState};
        let words = [0_u8; 4].map(|_| RandomState::new().hash_one(0));
        hmac::Key::new(hmac::HMAC_SHA256, words.map(u64::to_be_bytes).as_flattened())
    })
}

/// Omits all tokens, which must not reach logs.
impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_required() { "Auth(token)" } else { "Auth(open)" })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::access::{NewToken, Scope, append_token};

    /// Returns a configuration with a tokens file in `folder`.
    fn config(folder: &std::path::Path, listen: &str) -> Config {
        let mut config = Config::default();
        config.server.listen = listen.parse().unwrap();
        config.store.path = folder.join("almanac.duckdb");
        config
    }

    fn add(config: &Config, name: &str) -> String {
        let new = NewToken { name: Some(name.to_owned()), scopes: Scopes::all(), ..NewToken::default() };
        append_token(&config.tokens_file(), &new).unwrap().0
    }

    async fn name(auth: &Auth, token: &str) -> Result<String, Refusal> {
        auth.identify(Some(token.as_bytes()), None).await.map(|caller| caller.shown().to_owned())
    }

    #[test]
    fn an_address_of_other_machines_needs_a_token_and_tls() {
        let folder = tempfile::tempdir().unwrap();
        let check = |listen: &str, token: bool, tls: bool, insecure: bool, missing: Option<&str>| {
            let mut config = config(folder.path(), listen);
            config.server.token = token.then(|| crate::config::Secret::new("secret"));
            config.server.tls_cert = tls.then(|| "cert.pem".into());
            config.server.insecure = insecure;
            let found = Auth::of_config(&config).map_err(|error| error.to_string());
            match (found, missing) {
                (Ok(auth), None) => assert_eq!(auth.is_required(), token, "{listen}"),
                (Err(error), Some(missing)) => {
                    let head = format!("{listen} can be reached from other machines, so it needs {missing}");
                    assert!(error.starts_with(&head), "{error}");
                }
                (found, _) => panic!("{listen} {token} {tls} {insecure}: {found:?}"),
            }
        };
        for local in ["127.0.0.1:9797", "127.8.0.1:1", "[::1]:9797", "[::ffff:127.0.0.1]:9797"] {
            check(local, false, false, false, None);
            check(local, true, false, false, None);
        }
        for public in ["0.0.0.0:9797", "[::]:9797", "10.0.0.1:9797"] {
            check(public, false, false, false, Some("a token and TLS: run almanac token new"));
            check(public, true, false, false, Some("TLS: set server.tls_cert"));
            check(public, false, true, false, Some("a token: run almanac token new"));
            check(public, true, true, false, None);
            check(public, false, false, true, None);
        }
    }

    #[tokio::test]
    async fn several_tokens_are_valid_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path(), "127.0.0.1:1");
        config.server.token = Some(crate::config::Secret::new("alm_looks_like-one"));
        let tokens = ["ci", "ops"].map(|name| add(&config, name));
        let auth = Auth::of_config(&config).unwrap();
        // Twice: the second time the digest is remembered.
        for _ in 0..2 {
            assert_eq!(name(&auth, &tokens[0]).await.unwrap(), "ci");
            assert_eq!(name(&auth, &tokens[1]).await.unwrap(), "ops");
            assert_eq!(name(&auth, "alm_looks_like-one").await.unwrap(), "server.token");
        }
        let mixed = format!("{}{}", &tokens[0][..13], &tokens[1][13..]);
        for wrong in ["x", "alm_looks_like-on", &mixed, &tokens[0].to_uppercase(), &"x".repeat(10_000)] {
            assert_eq!(name(&auth, wrong).await, Err(Refusal::Wrong), "{wrong}");
        }
        assert_eq!(auth.identify(None, None).await.unwrap_err(), Refusal::Missing);
        assert_eq!(auth.identify(Some(b""), None).await.unwrap_err(), Refusal::Missing);
        assert!(!format!("{auth:?}").contains("alm_"));
    }

    #[tokio::test]
    async fn changes_of_the_file_take_effect_and_never_open_the_service() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), "127.0.0.1:1");
        let auth = Auth::of_config(&config).unwrap();
        assert!(!auth.is_required());
        assert_eq!(auth.identify(None, None).await.unwrap().name(), None);
        let first = add(&config, "first");
        assert_eq!((auth.reload().unwrap(), auth.reload().unwrap()), (Some(1), None));
        assert_eq!(auth.identify(None, None).await.unwrap_err(), Refusal::Missing);
        assert_eq!(name(&auth, &first).await.unwrap(), "first");
        let path = config.tokens_file();
        let one = fs::read(&path).unwrap();
        let second = add(&config, "second");
        // Wrong until the file is read again, then remembered as wrong no longer.
        assert_eq!(name(&auth, &second).await, Err(Refusal::Wrong));
        assert_eq!(auth.reload().unwrap(), Some(2));
        assert_eq!(name(&auth, &second).await.unwrap(), "second");
        fs::write(&path, "[[token]]\nid = ").unwrap();
        assert!(auth.reload().is_err());
        assert!(auth.reload().unwrap().is_none(), "an error is reported once");
        assert_eq!(name(&auth, &second).await.unwrap(), "second");
        fs::write(&path, one).unwrap();
        assert_eq!(auth.reload().unwrap(), Some(1));
        assert_eq!((name(&auth, &first).await, name(&auth, &second).await), (Ok("first".into()), Err(Refusal::Wrong)));
        fs::remove_file(&path).unwrap();
        assert_eq!(auth.reload().unwrap(), Some(0));
        assert_eq!(name(&auth, &first).await, Err(Refusal::Wrong));
        assert_eq!(auth.identify(None, None).await.unwrap_err(), Refusal::Missing);
    }

    #[test]
    fn a_named_file_must_exist_and_an_empty_one_closes_the_service() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path(), "127.0.0.1:1");
        config.server.tokens_file = Some(folder.path().join("t"));
        let error = Auth::of_config(&config).unwrap_err().to_string();
        assert!(error.contains("/t does not exist; create it with almanac token new"), "{error}");
        fs::write(config.tokens_file(), "").unwrap();
        assert!(Auth::of_config(&config).unwrap().is_required());
    }

    /// Many wrong tokens of one address, for a known id: their verifications are bounded, and they do not keep out a
    /// token that was verified before.
    #[tokio::test]
    async fn guesses_are_blocked_and_known_tokens_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), "127.0.0.1:1");
        let (token, other) = (add(&config, "ci"), add(&config, "late"));
        let auth = Auth::of_config(&config).unwrap();
        let from = Some(IpAddr::from([192, 0, 2, 1]));
        assert!(auth.identify(Some(token.as_bytes()), from).await.is_ok());
        let prefix = &other[..13];
        let guesses = (0..60).map(|n| format!("{prefix}{n:052}")).collect::<Vec<_>>();
        let refusals =
            futures::future::join_all(guesses.iter().map(|guess| auth.identify(Some(guess.as_bytes()), from))).await;
        let refusals: Vec<Refusal> = refusals.into_iter().map(Result::unwrap_err).collect();
        let wrong = refusals.iter().filter(|refusal| **refusal == Refusal::Wrong).count();
        let blocked = refusals.iter().filter(|refusal| matches!(refusal, Refusal::TooMany { .. })).count();
        // At most one more than the limit for each verification that ran when it was reached.
        assert!((30..=30 + VERIFICATIONS).contains(&wrong) && wrong + blocked == 60, "{wrong} {blocked}");
        let caller = auth.identify(Some(token.as_bytes()), from).await.unwrap();
        assert_eq!((caller.shown(), caller.require(Scope::Admin)), ("ci", Ok(())));
        assert!(matches!(auth.identify(Some(other.as_bytes()), from).await, Err(Refusal::TooMany { .. })));
        let elsewhere = Some(IpAddr::from([192, 0, 2, 2]));
        assert!(auth.identify(Some(other.as_bytes()), elsewhere).await.is_ok());
    }
}
