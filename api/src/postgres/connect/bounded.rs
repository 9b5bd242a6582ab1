//! A stream that refuses long messages when their length is read, before they are buffered.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Longest message of a client that has not signed in, as in PostgreSQL.
const UNKNOWN_BYTES: usize = 10_000;

/// Longest message of a client that has signed in: the longest statement with its parameters, and some more.
pub(in crate::postgres) const AUTHENTICATED_BYTES: usize = 256 << 10;

/// Length of the head of a message: its type and its length.
const HEAD: usize = 5;

/// The largest length of messages; clones share it.
#[derive(Debug, Clone)]
pub(in crate::postgres) struct MessageLimit(Arc<AtomicUsize>);

impl MessageLimit {
    /// Changes the largest length in bytes.
    pub(in crate::postgres) fn set(&self, bytes: usize) {
        self.0.store(bytes, Ordering::Release);
    }
}

/// Follows the heads of messages in a stream of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Heads {
    head: [u8; HEAD],
    /// Bytes of the head that were seen.
    seen: usize,
    /// Bytes of the message that are still to come.
    rest: usize,
}

impl Heads {
    /// Looks at further bytes, and returns the length of a message that is longer than `most` or shorter than possible.
    fn look(&mut self, mut bytes: &[u8], most: usize) -> Result<(), i64> {
        while !bytes.is_empty() {
            if self.rest > 0 {
                let skipped = self.rest.min(bytes.len());
                self.rest -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            self.head[self.seen] = bytes[0];
            self.seen += 1;
            bytes = &bytes[1..];
            if self.seen == HEAD {
                self.seen = 0;
                let length = i32::from_be_bytes([self.head[1], self.head[2], self.head[3], self.head[4]]);
                // The length counts itself.
                match usize::try_from(length).ok().filter(|length| (4..=most).contains(length)) {
                    Some(length) => self.rest = length - 4,
                    None => return Err(length.into()),
                }
            }
        }
        Ok(())
    }
}

/// Checks the lengths of the messages of a client that has signed in; returns a length that is refused.
///
/// # Errors
/// The length.
pub(in crate::postgres) fn check_lengths(bytes: &[u8]) -> Result<(), i64> {
    Heads::default().look(bytes, AUTHENTICATED_BYTES)
}

/// A stream of messages of bounded length.
#[derive(Debug)]
pub(in crate::postgres) struct BoundedIo<S> {
    io: S,
    limit: MessageLimit,
    heads: Heads,
}

impl<S> BoundedIo<S> {
    /// Wraps a stream of which the start-up message comes next; `rest` of its bytes are still to be read.
    pub(super) fn new(io: S, rest: usize) -> Self {
        let limit = MessageLimit(Arc::new(AtomicUsize::new(UNKNOWN_BYTES)));
        Self { io, limit, heads: Heads { rest, ..Heads::default() } }
    }

    /// Returns the limit, to change it after the sign-in.
    pub(in crate::postgres) fn limit(&self) -> MessageLimit {
        self.limit.clone()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for BoundedIo<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = out.filled().len();
        let poll = Pin::new(&mut self.io).poll_read(cx, out);
        let most = self.limit.0.load(Ordering::Acquire);
        if let Err(length) = self.heads.look(&out.filled()[before..], most) {
            let message = format!("a message of {length} bytes; at most {most} are read here");
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, message)));
        }
        poll
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for BoundedIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_found_in_any_portions_of_the_stream() {
        let message = |length: i32, body: usize| [vec![b'Q'], length.to_be_bytes().to_vec(), vec![b'x'; body]].concat();
        let stream = [message(4, 0), message(14, 10), message(8, 4)].concat();
        for portion in 1..=stream.len() {
            let mut heads = Heads::default();
            for part in stream.chunks(portion) {
                heads.look(part, 14).unwrap();
            }
            assert_eq!((heads.seen, heads.rest), (0, 0), "{portion}");
            let mut heads = Heads::default();
            let refused = stream.chunks(portion).find_map(|part| heads.look(part, 13).err());
            assert_eq!(refused, Some(14));
        }
        for length in [i32::MAX, 3, 0, -1, i32::MIN] {
            assert_eq!(Heads::default().look(&message(length, 0), 1 << 20), Err(i64::from(length)));
        }
    }
}
