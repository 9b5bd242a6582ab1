//! Sessions of browsers: a random name in a cookie in place of the token, which scripts cannot read.

use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use ring::{
    digest::{SHA256, digest},
    rand::{SecureRandom, SystemRandom},
};

/// Time for which a session lasts from the sign-in.
pub const SESSION_TIME: Duration = Duration::from_hours(12);
/// Sessions at the same time; a further one ends the oldest.
const MAX_SESSIONS: usize = 1_000;
/// Random bytes of a session's name.
const NAME_BYTES: usize = 32;

/// The sessions of this process. They end with it. Cloning is cheap.
///
/// A session holds the token that opened it, which is checked again with every request: a revoked token ends its
/// sessions.
#[derive(Clone, Default)]
pub struct Sessions(Arc<Mutex<HashMap<Digest, Session>>>);

/// SHA-256 of a session's name, so that the time of a lookup tells nothing about names.
type Digest = [u8; 32];

struct Session {
    token: Vec<u8>,
    opened: Instant,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sessions({})", self.0.lock().len())
    }
}

impl Sessions {
    /// Opens a session for a token that was found valid, and returns its name for the cookie. `None` when the system
    /// gives no random bytes.
    #[must_use]
    pub fn open(&self, token: &[u8], now: Instant) -> Option<String> {
        let mut bytes = [0; NAME_BYTES];
        SystemRandom::new().fill(&mut bytes).ok()?;
        let name = URL_SAFE_NO_PAD.encode(bytes);
        let mut sessions = self.0.lock();
        sessions.retain(|_, session| now.duration_since(session.opened) < SESSION_TIME);
        if sessions.len() >= MAX_SESSIONS
            && let Some(oldest) = sessions.iter().min_by_key(|(_, session)| session.opened).map(|(key, _)| *key)
        {
            sessions.remove(&oldest);
        }
        sessions.insert(key(&name), Session { token: token.to_vec(), opened: now });
        Some(name)
    }

    /// Returns the token of a session.
    #[must_use]
    pub fn token(&self, name: &str, now: Instant) -> Option<Vec<u8>> {
        let sessions = self.0.lock();
        let session = sessions.get(&key(name))?;
        (now.duration_since(session.opened) < SESSION_TIME).then(|| session.token.clone())
    }

    /// Ends a session.
    pub fn close(&self, name: &str) {
        self.0.lock().remove(&key(name));
    }
}

fn key(name: &str) -> Digest {
    let mut key = [0; 32];
    key.copy_from_slice(digest(&SHA256, name.as_bytes()).as_ref());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_by_time_by_sign_out_and_by_number() {
        let sessions = Sessions::default();
        let start = Instant::now();
        let name = sessions.open(b"secret", start).unwrap();
        assert_eq!(name.len(), 43);
        assert_eq!(sessions.token(&name, start).as_deref(), Some(b"secret".as_slice()));
        assert_eq!(sessions.token(&name, start + SESSION_TIME), None);
        assert_eq!(sessions.token(&name[1..], start), None);
        sessions.close(&name);
        assert_eq!(sessions.token(&name, start), None);

        let first = sessions.open(b"first", start).unwrap();
        for number in 1..=MAX_SESSIONS as u64 {
            sessions.open(b"other", start + Duration::from_millis(number)).unwrap();
        }
        assert_eq!(sessions.token(&first, start), None, "the oldest made room");
        assert!(!format!("{sessions:?}").contains("other"));
    }
}
