//! The first bytes of a connection: requests for encryption, then the start-up message.

use std::{io, net::SocketAddr};

use pgwire::{
    api::{DefaultClient, PgWireConnectionState},
    tokio::server::PgWireMessageServerCodec,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::codec::{Framed, FramedParts};

use super::{Socket, Stream, receive::UNKNOWN_BYTES};

/// Codes of the requests for encryption.
const SSL_REQUEST: i32 = 80_877_103;
const GSS_REQUEST: i32 = 80_877_104;

/// Length of a request for encryption, and of the part of a start-up message that is read with it.
const REQUEST: usize = 8;

/// Requests for encryption before the start-up message: one of each kind.
const MOST_REQUESTS: usize = 3;

/// First byte of a TLS handshake that is not announced by a request (PostgreSQL 17, `sslnegotiation=direct`).
const HANDSHAKE: u8 = 0x16;

/// Negotiates encryption, and returns the connection at its start-up message.
///
/// # Errors
/// The system's error; `InvalidData` for bytes of another protocol.
pub(super) async fn negotiate(stream: TcpStream, peer: SocketAddr, tls: Option<&TlsAcceptor>) -> io::Result<Socket> {
    stream.set_nodelay(true)?;
    let mut first = [0];
    stream.peek(&mut first).await?;
    let mut stream = if first[0] == HANDSHAKE {
        let tls = tls.ok_or_else(|| unexpected("a TLS handshake, and TLS is not configured"))?;
        Stream::Tls(Box::new(tls.accept(stream).await?))
    } else {
        Stream::Plain(stream)
    };
    for _ in 0..MOST_REQUESTS {
        let mut head = [0; REQUEST];
        stream.read_exact(&mut head).await?;
        let length = i32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        let code = i32::from_be_bytes([head[4], head[5], head[6], head[7]]);
        match (code, stream, tls) {
            (SSL_REQUEST, Stream::Plain(mut plain), Some(tls)) => {
                plain.write_all(b"S").await?;
                stream = Stream::Tls(Box::new(tls.accept(plain).await?));
            }
            (SSL_REQUEST | GSS_REQUEST, mut same, _) => {
                same.write_all(b"N").await?;
                same.flush().await?;
                stream = same;
            }
            (_, same, _) => return framed(same, peer, &head, length),
        }
    }
    Err(unexpected("further requests for encryption"))
}

/// Returns the connection whose start-up message of `length` bytes begins with `head`.
fn framed(stream: Stream, peer: SocketAddr, head: &[u8; REQUEST], length: i32) -> io::Result<Socket> {
    let length = usize::try_from(length).ok().filter(|length| (REQUEST..=UNKNOWN_BYTES).contains(length));
    length.ok_or_else(|| unexpected("no start-up message"))?;
    let mut client = DefaultClient::new(peer, matches!(stream, Stream::Tls(_)));
    client.state = PgWireConnectionState::AwaitingStartup;
    let mut parts =
        FramedParts::new::<pgwire::messages::PgWireBackendMessage>(stream, PgWireMessageServerCodec::new(client));
    parts.read_buf.extend_from_slice(head);
    Ok(Framed::from_parts(parts))
}

fn unexpected(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the client sent {what}"))
}
