//! Tokens, TLS, limits of connections and the audit, with the real program and real sockets.

mod audit;
mod connections;
pub(crate) mod tls;
mod tokens;

use std::time::Duration;

/// Repeats `attempt` until it returns something, for at most two minutes.
fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    for _ in 0..1200 {
        if let Some(found) = attempt() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{what} did not happen");
}
