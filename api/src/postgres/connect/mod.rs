//! Connections: accepts them within limits, negotiates TLS, and identifies the caller.

mod accept;
mod cancel;
mod exchange;
mod fields;
mod negotiate;
mod receive;
mod shared;
mod sign_in;
mod tls;

use tokio_util::codec::Framed;

pub use accept::{Listener, serve};
pub(super) use cancel::CancelSlot;
pub(super) use exchange::check_sign_in;
pub(super) use receive::{AUTHENTICATED_BYTES, left, receive, take_message};
pub(super) use tls::Stream;

/// A connection on which messages are sent and received.
pub(super) type Socket = Framed<Stream, pgwire::tokio::server::PgWireMessageServerCodec<()>>;
