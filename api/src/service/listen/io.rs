//! A stream that reports to the [`Activity`] of its connection what is read and written.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::activity::Activity;

/// A stream whose activity is known.
#[derive(Debug)]
pub(super) struct WatchedIo<I> {
    pub(super) io: I,
    pub(super) activity: Arc<Activity>,
    /// Whether bytes may be other than those of a request: settings and pings of HTTP/2.
    pub(super) is_http2: bool,
}

impl<I> WatchedIo<I> {
    fn wrote<T>(&self, poll: Poll<T>) -> Poll<T> {
        self.activity.wrote(poll.is_pending(), Instant::now());
        poll
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for WatchedIo<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = out.filled().len();
        let poll = Pin::new(&mut self.io).poll_read(cx, out);
        if out.filled().len() > before {
            if self.is_http2 {
                self.activity.read_frames(Instant::now());
            } else {
                self.activity.read(Instant::now());
            }
        }
        poll
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for WatchedIo<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.wrote(poll)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.io).poll_flush(cx);
        self.wrote(poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.io).poll_shutdown(cx);
        self.wrote(poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.io).poll_write_vectored(cx, bytes);
        self.wrote(poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
