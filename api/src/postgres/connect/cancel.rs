//! Cancel requests: a further connection with number and key of the one whose statement is to stop.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
};

use almanac_engine::store::SqlCancel;
use parking_lot::Mutex;
use pgwire::messages::{ProtocolVersion, cancel::CancelRequest, startup::SecretKey};
use ring::rand::{SecureRandom, SystemRandom};

/// Bytes of a key in protocol 3.2; earlier ones have four.
const KEY_BYTES: usize = 32;

/// The connections that can be cancelled, by number and key.
#[derive(Clone, Default)]
pub(super) struct CancelKeys(Arc<Keys>);

#[derive(Default)]
struct Keys {
    next: AtomicI32,
    slots: Mutex<HashMap<i32, (Vec<u8>, CancelSlot)>>,
}

impl fmt::Debug for CancelKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CancelKeys({})", self.0.slots.lock().len())
    }
}

/// The running statement of a connection. Clones share it.
#[derive(Debug, Clone, Default)]
pub(in crate::postgres) struct CancelSlot(Arc<Mutex<SqlCancel>>);

impl CancelSlot {
    /// Returns the request to stop the statement that starts now; a later cancel request concerns it.
    pub(in crate::postgres) fn begin(&self) -> SqlCancel {
        let cancel = SqlCancel::default();
        *self.0.lock() = cancel.clone();
        cancel
    }
}

/// A connection in the list; it leaves the list when dropped.
#[derive(Debug)]
pub(super) struct Registered {
    keys: CancelKeys,
    pub(super) number: i32,
    pub(super) key: SecretKey,
    pub(super) slot: CancelSlot,
}

impl CancelKeys {
    /// Adds a connection; `None` when the system gives no random bytes.
    pub(super) fn register(&self, version: ProtocolVersion) -> Option<Registered> {
        let mut bytes = [0; KEY_BYTES];
        SystemRandom::new().fill(&mut bytes).ok()?;
        let number = self.0.next.fetch_add(1, Ordering::Relaxed).wrapping_add(1).wrapping_abs();
        let short = [bytes[0], bytes[1], bytes[2], bytes[3]];
        let (key, bytes) = match version {
            ProtocolVersion::PROTOCOL3_0 => (SecretKey::I32(i32::from_be_bytes(short)), short.to_vec()),
            _ => (SecretKey::Bytes(bytes.to_vec().into()), bytes.to_vec()),
        };
        let slot = CancelSlot::default();
        self.0.slots.lock().insert(number, (bytes, slot.clone()));
        Some(Registered { keys: self.clone(), number, key, slot })
    }

    /// Stops the statement that a request names. A wrong key has no effect and no answer.
    pub(super) fn cancel(&self, request: &CancelRequest) {
        let key = match &request.secret_key {
            SecretKey::I32(key) => key.to_be_bytes().to_vec(),
            SecretKey::Bytes(key) => key.to_vec(),
        };
        if let Some((known, slot)) = self.0.slots.lock().get(&request.pid)
            && bool::from(subtle::ConstantTimeEq::ct_eq(known.as_slice(), key.as_slice()))
        {
            slot.0.lock().cancel();
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.keys.0.slots.lock().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_needs_number_and_key() {
        let keys = CancelKeys::default();
        let one = keys.register(ProtocolVersion::PROTOCOL3_0).unwrap();
        let running = one.slot.begin();
        let request = |pid: i32, key: SecretKey| keys.cancel(&CancelRequest::new(pid, key));
        request(
            one.number,
            SecretKey::I32(match one.key {
                SecretKey::I32(key) => key.wrapping_add(1),
                SecretKey::Bytes(_) => unreachable!(),
            }),
        );
        request(one.number + 1, one.key.clone());
        assert!(!running.is_cancelled());
        request(one.number, one.key.clone());
        assert!(running.is_cancelled() && !one.slot.begin().is_cancelled());
        let (number, key) = (one.number, one.key.clone());
        drop(one);
        request(number, key);
    }
}
