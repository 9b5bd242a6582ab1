//! Connections: accepts them within limits, negotiates TLS, and identifies the caller.

mod accept;
mod bounded;
mod cancel;
mod door;
mod exchange;
mod negotiate;
mod sign_in;
mod tls;

use tokio_util::codec::Framed;

pub use accept::{Listener, serve};
pub(super) use bounded::{AUTHENTICATED_BYTES, BoundedIo, check_lengths};
pub(super) use cancel::CancelSlot;
pub(super) use exchange::check_sign_in;
pub(super) use tls::Stream;

/// A connection on which messages are sent and received.
pub(super) type Socket = Framed<BoundedIo<Stream>, pgwire::tokio::server::PgWireMessageServerCodec<()>>;
