//! Accepts URLs with unencoded `"`, `<` and `>`, as in `curl -g '…?query=up{job="api"}'`.
//!
//! Prometheus accepts such requests; hyper rejects them with an empty body before any handler runs. So a wrapper around
//! the connection percent-encodes these characters in request lines while it reads. Headers and bodies pass unchanged.
//! If the headers do not determine the end of a body, the rest of the connection passes unchanged.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes of a line that are kept; the headers that are parsed are shorter.
const MAX_LINE_BYTES: usize = 128;
/// Size of a read while a request line or headers are read.
const READ_BYTES: usize = 8192;

/// A connection whose request lines are percent-encoded while they are read.
#[derive(Debug)]
pub struct LenientConnection<I> {
    io: I,
    parser: RequestParser,
    /// Encoded bytes; the first `sent` of them were returned to the reader.
    pending: Vec<u8>,
    sent: usize,
}

impl<I> LenientConnection<I> {
    /// Wraps a new connection.
    pub fn new(io: I) -> Self {
        Self { io, parser: RequestParser::default(), pending: Vec::new(), sent: 0 }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for LenientConnection<I> {
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
            if let Some(unchanged) = this.parser.unchanged_bytes() {
                // A body is read straight into the reader's buffer, at most up to its end.
                let most = usize::try_from(unchanged).unwrap_or(usize::MAX).min(out.remaining());
                let mut part = ReadBuf::new(out.initialize_unfilled_to(most));
                ready!(Pin::new(&mut this.io).poll_read(cx, &mut part))?;
                let count = part.filled().len();
                out.advance(count);
                this.parser.skip(count as u64);
                return Poll::Ready(Ok(()));
            }
            let mut bytes = [0; READ_BYTES];
            let mut part = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut this.io).poll_read(cx, &mut part))?;
            if part.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.parser.push(part.filled(), &mut this.pending);
        }
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for LenientConnection<I> {
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

/// Part of a request that the next byte belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RequestPart {
    /// The request line, or empty lines before it.
    RequestLine,
    /// The headers.
    Headers,
    /// The body, with the number of bytes left.
    Body(u64),
    /// Everything until the connection ends: HTTP/2, an upgrade, or a body of unknown length.
    Unchanged,
}

/// Parses the requests of one connection far enough to find their request lines.
#[derive(Debug)]
struct RequestParser {
    part: RequestPart,
    /// Start of the current line, at most [`MAX_LINE_BYTES`].
    line: Vec<u8>,
    /// `Content-Length` of the current request.
    length: u64,
    /// Whether the headers leave the length of the body unknown.
    is_length_unknown: bool,
}

impl Default for RequestParser {
    fn default() -> Self {
        Self { part: RequestPart::RequestLine, line: Vec::new(), length: 0, is_length_unknown: false }
    }
}

impl RequestParser {
    /// Returns how many of the next bytes pass unchanged; `None` in a request line or in headers.
    fn unchanged_bytes(&self) -> Option<u64> {
        match self.part {
            RequestPart::Body(left) => Some(left),
            RequestPart::Unchanged => Some(u64::MAX),
            RequestPart::RequestLine | RequestPart::Headers => None,
        }
    }

    /// Counts bytes of a body that were read.
    fn skip(&mut self, count: u64) {
        if let RequestPart::Body(left) = self.part {
            let left = left.saturating_sub(count);
            self.part = if left > 0 { RequestPart::Body(left) } else { RequestPart::RequestLine };
        }
    }

    /// Parses `bytes` and appends them to `out`, encoded where they belong to a request line.
    fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            if let Some(unchanged) = self.unchanged_bytes() {
                let (body, rest) = bytes.split_at(usize::try_from(unchanged).unwrap_or(usize::MAX).min(bytes.len()));
                out.extend_from_slice(body);
                self.skip(body.len() as u64);
                bytes = rest;
                continue;
            }
            let (byte, rest) = (bytes[0], &bytes[1..]);
            bytes = rest;
            match byte {
                b'"' | b'<' | b'>' if self.part == RequestPart::RequestLine => {
                    out.extend_from_slice(format!("%{byte:02X}").as_bytes())
                }
                other => out.push(other),
            }
            if byte == b'\n' {
                self.end_line();
            } else if self.line.len() < MAX_LINE_BYTES {
                self.line.push(byte);
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let line = line.trim_ascii();
        match self.part {
            // RFC 9112, section 2.2 allows empty lines before a request line.
            RequestPart::RequestLine if line.is_empty() => {}
            // The preface of HTTP/2, which is binary after it.
            RequestPart::RequestLine if line.starts_with(b"PRI ") => self.part = RequestPart::Unchanged,
            RequestPart::RequestLine => {
                (self.length, self.is_length_unknown) = (0, false);
                self.part = RequestPart::Headers;
            }
            RequestPart::Headers if line.is_empty() => {
                self.part = match (self.is_length_unknown, self.length) {
                    (true, _) => RequestPart::Unchanged,
                    (false, 0) => RequestPart::RequestLine,
                    (false, length) => RequestPart::Body(length),
                };
            }
            RequestPart::Headers => self.header(line),
            RequestPart::Body(_) | RequestPart::Unchanged => {}
        }
    }

    /// Reads the headers that determine the length of the body.
    fn header(&mut self, line: &[u8]) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            // A folded line may continue any header.
            self.is_length_unknown = true;
            return;
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            match std::str::from_utf8(value).ok().and_then(|value| value.parse().ok()) {
                Some(length) => self.length = length,
                None => self.is_length_unknown = true,
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") || name.eq_ignore_ascii_case(b"upgrade") {
            self.is_length_unknown = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the output for an input in pieces of `size` bytes.
    fn encoded(input: &str, size: usize) -> String {
        let (mut parser, mut out) = (RequestParser::default(), Vec::new());
        input.as_bytes().chunks(size).for_each(|piece| parser.push(piece, &mut out));
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
