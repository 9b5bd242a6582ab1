//! Receives messages. The length of a message is checked before it is buffered. A whole message is taken out of the stream
//! and its parts are checked before it is decoded: the decoder trusts the numbers in it, and does not stop at its end.

use std::io;

use bytes::BytesMut;
use pgwire::{
    api::{ClientInfo, PgWireConnectionState},
    error::PgWireResult,
    messages::PgWireFrontendMessage as Message,
};
use tokio::io::AsyncReadExt;
use tokio_util::codec::Decoder;

use super::{Socket, fields::Fields};

/// Longest message of a client that has not signed in, as in PostgreSQL.
pub(super) const UNKNOWN_BYTES: usize = 10_000;

/// Longest message of a client that has signed in: the longest statement with its parameters, and some more.
pub(in crate::postgres) const AUTHENTICATED_BYTES: usize = 256 << 10;

/// Bytes that are read at once.
const CHUNK: usize = 8 << 10;

/// Waits for a message; `None` when the client has left. Nothing is lost when the caller stops waiting.
pub(in crate::postgres) async fn receive(socket: &mut Socket) -> Option<PgWireResult<Message>> {
    loop {
        let (has_type, most) = match socket.state() {
            PgWireConnectionState::AwaitingStartup => (false, UNKNOWN_BYTES),
            PgWireConnectionState::AuthenticationInProgress => (true, UNKNOWN_BYTES),
            _ => (true, AUTHENTICATED_BYTES),
        };
        match take_message(socket.read_buffer_mut(), has_type, most) {
            Err(wrong) => return Some(Err(io::Error::new(io::ErrorKind::InvalidData, wrong).into())),
            Ok(Some(mut message)) => {
                let decoded = socket.codec_mut().decode(&mut message).transpose();
                return Some(decoded.unwrap_or_else(|| {
                    Err(io::Error::new(io::ErrorKind::InvalidData, "a message ends too early").into())
                }));
            }
            Ok(None) => {}
        }
        match read(socket).await {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) => return Some(Err(error.into())),
        }
    }
}

/// Waits until the client has left. What it sends meanwhile is kept for [`receive`]; once that is as much as the longest
/// message, nothing more is read and the wait has no end.
pub(in crate::postgres) async fn left(socket: &mut Socket) {
    while socket.read_buffer().len() < AUTHENTICATED_BYTES {
        if !matches!(read(socket).await, Ok(1..)) {
            return;
        }
    }
    std::future::pending().await
}

/// Reads what has arrived into the buffer, and returns the number of bytes; 0 when the client has left.
async fn read(socket: &mut Socket) -> io::Result<usize> {
    let mut chunk = [0; CHUNK];
    let length = socket.get_mut().read(&mut chunk).await?;
    socket.read_buffer_mut().extend_from_slice(&chunk[..length]);
    Ok(length)
}

/// Takes the first message out of a buffer; `None` as long as it is not complete.
///
/// # Errors
/// What is wrong with its length or its parts.
pub(in crate::postgres) fn take_message(
    buffer: &mut BytesMut,
    has_type: bool,
    most: usize,
) -> Result<Option<BytesMut>, String> {
    let start = usize::from(has_type);
    let Some(head) = buffer.get(start..start + 4) else { return Ok(None) };
    let length = i32::from_be_bytes([head[0], head[1], head[2], head[3]]);
    // The length counts itself.
    let Some(size) = usize::try_from(length).ok().filter(|size| (4..=most).contains(size)) else {
        return Err(format!("a message of {length} bytes; at most {most} are read here"));
    };
    if buffer.len() < start + size {
        return Ok(None);
    }
    let message = buffer.split_to(start + size);
    if has_type && !is_well_formed(message[0], &message[start + 4..]) {
        return Err(format!("the parts of a message of type {:?} do not fit its length", char::from(message[0])));
    }
    Ok(Some(message))
}

/// Returns whether the parts of a message fill its body exactly.
fn is_well_formed(kind: u8, body: &[u8]) -> bool {
    let mut fields = Fields::new(body);
    let read = match kind {
        // Query and CopyFail
        b'Q' | b'f' => fields.text().map(drop),
        b'P' => parse(&mut fields),
        b'B' => bind(&mut fields),
        // Describe and Close
        b'D' | b'C' => fields.bytes(1).and_then(|_| fields.text()).map(drop),
        b'E' => fields.text().and_then(|_| fields.bytes(4)).map(drop),
        // Flush, Sync, Terminate and CopyDone
        b'H' | b'S' | b'X' | b'c' => Some(()),
        // The bodies of CopyData and of the sign-in have no parts here; the decoder refuses other types.
        _ => return true,
    };
    read.is_some() && fields.is_done()
}

/// Reads the parts of Parse: two texts and the types of parameters.
fn parse(fields: &mut Fields<'_>) -> Option<()> {
    fields.text()?;
    fields.text()?;
    let types = fields.count()?;
    fields.bytes(types * 4).map(drop)
}

/// Reads the parts of Bind: two texts, formats, values with their lengths, formats.
fn bind(fields: &mut Fields<'_>) -> Option<()> {
    fields.text()?;
    fields.text()?;
    let formats = fields.count()?;
    fields.bytes(formats * 2)?;
    for _ in 0..fields.count()? {
        let length = fields.int()?;
        if length != -1 {
            fields.bytes(usize::try_from(length).ok()?)?;
        }
    }
    let formats = fields.count()?;
    fields.bytes(formats * 2).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = i32::try_from(body.len() + 4).unwrap();
        [&[kind][..], &length.to_be_bytes(), body].concat()
    }

    #[test]
    fn messages_are_taken_when_they_are_complete() {
        let stream = [message(b'S', b""), message(b'Q', b"SELECT 1\0"), message(b'E', b"\0\0\0\0\0")].concat();
        for portion in 1..=stream.len() {
            let (mut buffer, mut taken) = (BytesMut::new(), Vec::new());
            for part in stream.chunks(portion) {
                buffer.extend_from_slice(part);
                while let Some(message) = take_message(&mut buffer, true, 13).unwrap() {
                    taken.push((char::from(message[0]), message.len()));
                }
            }
            assert_eq!((taken, buffer.len()), (vec![('S', 5), ('Q', 14), ('E', 10)], 0), "{portion}");
        }
        let mut short = BytesMut::from(&message(b'Q', b"SELECT 1\0")[..5]);
        assert!(take_message(&mut short, true, 12).unwrap_err().contains("a message of 13 bytes"));
        for length in [i32::MAX, 3, 0, -1, i32::MIN] {
            let head = [&b"Q"[..], &length.to_be_bytes()].concat();
            assert!(take_message(&mut BytesMut::from(&head[..]), true, 1 << 20).is_err(), "{length}");
        }
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let check = |kind: u8, body: &[u8], expected: bool| {
            let taken = take_message(&mut BytesMut::from(&message(kind, body)[..]), true, 1 << 20);
            assert_eq!(taken.is_ok(), expected, "{} {}", char::from(kind), body.escape_ascii());
        };
        check(b'Q', b"SELECT 1\0", true);
        for body in [&b"SELECT 1"[..], b"SELECT 1\0\0", b"SELECT\x00 1\0", b""] {
            check(b'Q', body, false);
        }
        check(b'P', b"\0SELECT 1\0\0\x01\0\0\0\x17", true);
        check(b'P', b"\0SELECT 1\0\0\x02\0\0\0\x17", false);
        check(b'P', b"\0SELECT 1\0\xff\xff", false);
        check(b'P', b"\0SELECT 1\0", false);
        let bind = b"\0\0\0\x01\0\x01\0\x02\xff\xff\xff\xff\0\0\0\x01x\0\0";
        check(b'B', bind, true);
        for end in 0..bind.len() {
            check(b'B', &bind[..end], false);
        }
        check(b'B', b"\0\0\0\0\0\x01\x7f\xff\xff\xffx\0\0", false);
        check(b'B', b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0", false);
        check(b'D', b"S\0", true);
        check(b'D', b"", false);
        check(b'E', b"\0\0\0", false);
        check(b'S', b"x", false);
        check(b'p', b"anything", true);
    }
}
