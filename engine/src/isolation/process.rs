//! One child process with its two pipes.

use std::{
    io::{self, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc::{RecvTimeoutError, channel},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serde::{Serialize, de::DeserializeOwned};

use super::frame;

/// Interval at which an exchange notices that it was cancelled.
const CANCEL_INTERVAL: Duration = Duration::from_millis(50);

/// A running child. It is ended and waited for when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Mutex<Child>,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// Number of arenas of a child's allocator.
const ARENAS: &str = "2";

impl Process {
    /// Starts a child. It gets no file and no folder of this process, and of its environment only where libraries are.
    pub(crate) fn start(mut command: Command) -> io::Result<Self> {
        command.env_clear();
        // Where the system finds the shared library of DuckDB.
        for name in ["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        // glibc reserves 64 MiB of address space for the arena of each thread, up to eight a core; the limit counts them.
        command.env("MALLOC_ARENA_MAX", ARENAS);
        command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(input), Some(output)) => Ok(Self { child: Mutex::new(child), input, output: BufReader::new(output) }),
            _ => Err(io::Error::other("the process has no pipes")),
        }
    }

    /// Runs an exchange, and ends the process when the exchange takes longer than until `end`, or soon after `is_cancelled`
    /// returns true.
    pub(crate) fn until<T>(
        &mut self,
        end: Instant,
        is_cancelled: impl Fn() -> bool + Sync,
        exchange: impl FnOnce(&mut Pipes<'_>) -> T,
    ) -> T {
        let Self { child, input, output } = self;
        let (done, ended) = channel::<()>();
        let is_cancelled = &is_cancelled;
        std::thread::scope(|scope| {
            scope.spawn(move || {
                loop {
                    let wait = end.saturating_duration_since(Instant::now()).min(CANCEL_INTERVAL);
                    if ended.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                        return;
                    }
                    if Instant::now() >= end || is_cancelled() {
                        // The exchange then finds the pipe closed.
                        let _ = child.lock().kill();
                        return;
                    }
                }
            });
            let result = exchange(&mut Pipes { input, output });
            drop(done);
            result
        })
    }

    /// Ends the process if it has not ended, and returns how it ended.
    pub(crate) fn ending(&self) -> String {
        let mut child = self.child.lock();
        // A process that closed its pipe is about to end by itself, with a status that tells more than this one.
        if !matches!(wait_briefly(&mut child), Ok(Some(_))) {
            let _ = child.kill();
        }
        child.wait().map_or_else(|error| error.to_string(), |status| status.to_string())
    }
}

/// Waits a moment for the end of a process.
fn wait_briefly(child: &mut Child) -> io::Result<Option<std::process::ExitStatus>> {
    for _ in 0..50 {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    Ok(None)
}

impl Drop for Process {
    fn drop(&mut self) {
        let child = self.child.get_mut();
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// The two pipes of a child.
#[derive(Debug)]
pub(crate) struct Pipes<'a> {
    input: &'a mut ChildStdin,
    output: &'a mut BufReader<ChildStdout>,
}

impl Pipes<'_> {
    /// Sends a message with a payload.
    pub(crate) fn send(&mut self, message: &impl Serialize, payload: &[u8]) -> io::Result<()> {
        frame::write(self.input, message, payload)
    }

    /// Receives a message with its payload.
    pub(crate) fn receive<T: DeserializeOwned>(&mut self) -> io::Result<(T, Vec<u8>)> {
        frame::read(self.output)
    }
}
