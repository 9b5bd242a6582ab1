//! Accepts characters in a URL that should have been encoded: `"`, `<` and `>`, as in `curl -g '…?query=up{job="api"}'`.
//!
//! Prometheus answers such requests; hyper refuses them before a handler sees them, with an empty body. So the request line is
//! encoded as it is read. Headers and bodies pass unchanged. Where the end of a body is not known from its headers alone, the
//! rest of the connection is left as it is.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes of a header's line that are looked at; the headers that matter are short.
const HEADER_BYTES: usize = 128;
/// Bytes that are read at once while a head is open.
const READ_BYTES: usize = 8192;

/// A listener whose connections may send URLs that are not fully encoded.
#[derive(Debug)]
pub struct LenientUrls<L>(pub L);

impl<L: Listener> Listener for LenientUrls<L> {
    type Io = Encoding<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (io, address) = self.0.accept().await;
        (Encoding { io, head: Head::default(), pending: Vec::new(), sent: 0 }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

/// A connection whose request lines are encoded as they are read.
#[derive(Debug)]
pub struct Encoding<I> {
    io: I,
    head: Head,
    /// What was read and not handed on yet; `sent` bytes of it were.
    pending: Vec<u8>,
    sent: usize,
}

impl<I: AsyncRead + Unpin> AsyncRead for Encoding<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if this.sent < this.pending.len() {
                let count = out.remaining().min(this.pending.len() - this.sent);
                out.put_slice(&this.pending[this.sent..this.sent + count]);
                this.sent += count;
                return Poll::Ready(Ok(()));
            }
            this.pending.clear();
            this.sent = 0;
            if let Some(untouched) = this.head.untouched() {
                // A body: straight into the reader's buffer.
                let most = usize::try_from(untouched).unwrap_or(usize::MAX).min(out.remaining());
                let mut part = ReadBuf::new(out.initialize_unfilled_to(most));
                ready!(Pin::new(&mut this.io).poll_read(cx, &mut part))?;
                let count = part.filled().len();
                out.advance(count);
                this.head.skip(count as u64);
                return Poll::Ready(Ok(()));
            }
            let mut bytes = [0; READ_BYTES];
            let mut part = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut this.io).poll_read(cx, &mut part))?;
            if part.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.head.push(part.filled(), &mut this.pending);
        }
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Encoding<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

/// Where in a request a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the request line; the first bytes of it tell HTTP/2.
    Line,
    /// In the headers.
    Headers,
    /// In a body of so many more bytes.
    Body(u64),
    /// Nothing is changed any more.
    Untouched,
}

/// Follows the requests of one connection.
#[derive(Debug)]
struct Head {
    place: Place,
    /// The start of the present line.
    line: Vec<u8>,
    /// The length that the headers gave.
    length: u64,
    /// Whether the headers leave the end of the body open.
    unknown: bool,
}

impl Default for Head {
    fn default() -> Self {
        Self { place: Place::Line, line: Vec::new(), length: 0, unknown: false }
    }
}

impl Head {
    /// Bytes that pass unchanged from here on; none while a head is open.
    fn untouched(&self) -> Option<u64> {
        match self.place {
            Place::Body(left) => Some(left),
            Place::Untouched => Some(u64::MAX),
            Place::Line | Place::Headers => None,
        }
    }

    fn skip(&mut self, count: u64) {
        if let Place::Body(left) = self.place {
            let left = left.saturating_sub(count);
            self.place = if left > 0 { Place::Body(left) } else { Place::Line };
        }
    }

    fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            if let Some(untouched) = self.untouched() {
                let (body, rest) = bytes.split_at(usize::try_from(untouched).unwrap_or(usize::MAX).min(bytes.len()));
                out.extend_from_slice(body);
                self.skip(body.len() as u64);
                bytes = rest;
                continue;
            }
            let (byte, rest) = (bytes[0], &bytes[1..]);
            bytes = rest;
            match byte {
                b'"' | b'<' | b'>' if self.place == Place::Line => {
                    out.extend_from_slice(format!("%{byte:02X}").as_bytes())
                }
                other => out.push(other),
            }
            if byte == b'\n' {
                self.line_ended();
            } else if self.line.len() < HEADER_BYTES {
                self.line.push(byte);
            }
        }
    }

    fn line_ended(&mut self) {
        let line = std::mem::take(&mut self.line);
        let line = line.trim_ascii();
        match self.place {
            // Empty lines before a request are legal. HTTP/2 begins with PRI and has no such lines.
            Place::Line if line.is_empty() => {}
            Place::Line if line.starts_with(b"PRI ") => self.place = Place::Untouched,
            Place::Line => {
                (self.length, self.unknown) = (0, false);
                self.place = Place::Headers;
            }
            Place::Headers if line.is_empty() => {
                self.place = match (self.unknown, self.length) {
                    (true, _) => Place::Untouched,
                    (false, 0) => Place::Line,
                    (false, length) => Place::Body(length),
                };
            }
            Place::Headers => self.header(line),
            Place::Body(_) | Place::Untouched => {}
        }
    }

    fn header(&mut self, line: &[u8]) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            // A folded line may belong to any header.
            self.unknown = true;
            return;
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            match std::str::from_utf8(value).ok().and_then(|value| value.parse().ok()) {
                Some(length) => self.length = length,
                None => self.unknown = true,
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") || name.eq_ignore_ascii_case(b"upgrade") {
            self.unknown = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that come out, with the input in pieces of `size` bytes.
    fn encoded(input: &str, size: usize) -> String {
        let (mut head, mut out) = (Head::default(), Vec::new());
        input.as_bytes().chunks(size).for_each(|piece| head.push(piece, &mut out));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_request_lines_are_encoded() {
        let get = "GET /api/v1/query?query=up{job=\"<a>\"} HTTP/1.1\r\nHost: \"h\"\r\nX: <y>\r\n\r\n";
        let got = "GET /api/v1/query?query=up{job=%22%3Ca%3E%22} HTTP/1.1\r\nHost: \"h\"\r\nX: <y>\r\n\r\n";
        let post = "POST /v1/sql?a=\" HTTP/1.1\r\ncontent-length: 12\r\n\r\n{\"a\":\"<b>\"}\n";
        let posted = "POST /v1/sql?a=%22 HTTP/1.1\r\ncontent-length: 12\r\n\r\n{\"a\":\"<b>\"}\n";
        let chunked =
            "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n\"<>\r\n0\r\n\r\nGET /\" HTTP/1.1\r\n\r\n";
        let http2 = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\"<>";
        for size in [1, 2, 7, 1000] {
            assert_eq!(encoded(get, size), got);
            assert_eq!(encoded(&format!("{get}{post}\r\n{get}"), size), format!("{got}{posted}\r\n{got}"));
            assert_eq!(encoded(chunked, size), chunked);
            assert_eq!(encoded(http2, size), http2);
        }
        let long = format!("GET /{} HTTP/1.1\r\nX: {}\r\n\r\n{get}", "a".repeat(5000), "b".repeat(5000));
        assert_eq!(encoded(&long, 100), long.replace(get, got));
        let odd = "POST /x HTTP/1.1\r\ncontent-length: 1,1\r\n\r\n\"";
        assert_eq!(encoded(odd, 3), odd);
    }
}
