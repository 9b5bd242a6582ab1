//! The PostgreSQL wire: read-only SQL for PostgreSQL's clients, on the workers and with the limits of `POST /v1/sql`.
//!
//! ```text
//! connect: accept ─► TLS ─► start-up, token by SCRAM ─┐
//! session: messages ─► command or statement ─► worker ─► portal ─► values: rows as text or binary
//! ```
//!
//! Messages are decoded and encoded by the crate `pgwire`; statements are translated, checked and run by
//! [`almanac_engine::store`]. Nothing here writes.

mod connect;
mod error;
mod probe;
mod session;
mod values;

pub use connect::{Listener, serve};
pub use probe::{probe, probe_start};

/// Protocol that clients name when they negotiate one in the TLS handshake (ALPN).
pub const PROTOCOL: &[u8] = b"postgresql";
