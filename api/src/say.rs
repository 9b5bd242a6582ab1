//! Writes a line to stderr and ignores errors: a closed or full stderr must not end a command or the service.

use std::{
    fmt,
    io::{self, Write},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use crate::http::{iso, now};

/// Writes a line to stderr like `eprintln!`, which panics when stderr cannot be written.
macro_rules! say {
    ($($text:tt)*) => { $crate::say::line(format_args!($($text)*)) };
}
pub(crate) use say;

/// Whether lines are JSON, like those of the log.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// Writes further lines as JSON, in the form of the log's.
pub(crate) fn as_json(is_json: bool) {
    IS_JSON.store(is_json, Ordering::Relaxed);
}

/// Writes a line to stderr.
pub(crate) fn line(text: fmt::Arguments<'_>) {
    write("INFO", &text.to_string());
}

fn write(level: &str, text: &str) {
    let line = if IS_JSON.load(Ordering::Relaxed) { json_line(level, text) } else { text.to_owned() };
    let _ = io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}

/// Returns a line as the log writes it.
fn json_line(level: &str, text: &str) -> String {
    let message = text.strip_prefix("almanac: ").unwrap_or(text);
    let timestamp = iso(now().millis());
    serde_json::json!({
        "timestamp": timestamp, "level": level, "fields": {"message": message}, "target": "almanac",
    })
    .to_string()
}

/// Writes the last line of a process; gives up after `wait` when nobody reads a full pipe.
pub(crate) fn last(text: &str, wait: Duration) {
    let (done, written) = mpsc::channel::<()>();
    let text = text.to_owned();
    let thread = std::thread::Builder::new().spawn(move || {
        write("ERROR", &text);
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
