//! Writes a line to stderr and ignores errors: a closed or full stderr must not end a command or the service.

use std::{
    fmt,
    io::{self, Write},
    sync::mpsc,
    time::Duration,
};

/// Writes a line to stderr like `eprintln!`, which panics when stderr cannot be written.
macro_rules! say {
    ($($text:tt)*) => { $crate::say::line(format_args!($($text)*)) };
}
pub(crate) use say;

/// Writes a line to stderr.
pub(crate) fn line(text: fmt::Arguments<'_>) {
    let _ = io::stderr().lock().write_all(format!("{text}\n").as_bytes());
}

/// Writes the last line of a process; gives up after `wait` when nobody reads a full pipe.
pub(crate) fn last(text: &str, wait: Duration) {
    let (done, written) = mpsc::channel::<()>();
    let text = text.to_owned();
    let thread = std::thread::Builder::new().spawn(move || {
        line(format_args!("{text}"));
        drop(done);
    });
    if thread.is_ok() {
        let _ = written.recv_timeout(wait);
    }
}

/// Stderr as a destination of the log; errors are ignored.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct QuietStderr;

impl Write for QuietStderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = io::stderr().lock().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
