//! Accepts connections and serves HTTP/1.1 or HTTP/2 on them, with or without TLS, within limits of number and time.

mod accept;
mod activity;
mod connection;
mod io;
mod tls;

pub(super) use accept::{Settings, accept_connections};
pub(super) use connection::Protocol;
pub(super) use tls::Tls;
pub use tls::TlsError;
