//! One worker process, and the exchange with it during a statement.

use std::{
    io::{self, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Arc,
        mpsc::{RecvTimeoutError, channel},
    },
    time::Instant,
};

use arrow::ipc::reader::StreamReader;
use parking_lot::Mutex;

use super::{
    frame,
    message::{FromWorker, ToWorker},
    serve::GRACE,
    snapshot::Snapshot,
    supply::{Supply, supply},
};
use crate::store::{AnalystLimits, SqlAnswer, SqlError, SqlLimits, SqlParam, shared::Shared};

/// A running worker. It is ended and waited for when dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Mutex<Child>,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// What a worker may use of the service.
#[derive(Debug, Clone, Copy)]
pub(super) struct Service<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) snapshot: &'a Snapshot,
}

/// A statement to run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) sql: &'a str,
    pub(super) params: &'a [SqlParam],
    pub(super) limits: SqlLimits,
    pub(super) analyst: AnalystLimits,
    pub(super) end: Instant,
}

/// The result of a statement.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) answer: Result<SqlAnswer, SqlError>,
    /// Whether the worker can run another statement.
    pub(super) is_usable: bool,
}

impl Process {
    /// Starts a worker. It gets no file, no environment and no folder of the service.
    pub(super) fn start(mut command: Command) -> io::Result<Self> {
        command.env_clear();
        // Where the system finds the shared library of DuckDB.
        for name in ["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(input), Some(output)) => Ok(Self { child: Mutex::new(child), input, output: BufReader::new(output) }),
            _ => Err(io::Error::other("the worker has no pipes")),
        }
    }

    /// Lets the worker open the file before its first statement.
    pub(super) fn warm(&mut self, service: Service<'_>, end: Instant) -> Result<(), SqlError> {
        let warmed: io::Result<()> = self.until(end, |exchange| {
            exchange.send(&ToWorker::Warm, &[])?;
            loop {
                match exchange.receive()? {
                    (FromWorker::Open, _) => exchange.open(service)?,
                    (FromWorker::Ready, _) => return Ok(()),
                    _ => return Err(io::ErrorKind::InvalidData.into()),
                }
            }
        });
        warmed.map_err(|error| SqlError::Unavailable { detail: format!("a worker did not start: {error}") })
    }

    /// Runs a statement; the worker is ended when it has not answered shortly after `request.end`.
    pub(super) fn run(&mut self, service: Service<'_>, request: Request<'_>) -> Outcome {
        let Request { sql, params, limits, analyst, end } = request;
        let late = SqlError::Deadline { deadline: limits.deadline };
        let message = ToWorker::Run {
            sql: sql.to_owned(),
            params: params.to_vec(),
            limits: SqlLimits { deadline: end.saturating_duration_since(Instant::now()), ..limits },
            analyst,
        };
        let answer: io::Result<Result<SqlAnswer, SqlError>> = self.until(end, |exchange| {
            exchange.send(&message, &[])?;
            let mut may_checkpoint = true;
            loop {
                match exchange.receive()? {
                    (FromWorker::Open, _) => exchange.open(service)?,
                    (FromWorker::Need(need), _) => {
                        let mut send = |message: &ToWorker, payload: &[u8]| exchange.send(message, payload);
                        match supply(service.shared, &need, may_checkpoint, end, &mut send) {
                            Ok(Supply::Complete) => {}
                            Ok(Supply::Checkpoint) => {
                                may_checkpoint = false;
                                exchange.send(&ToWorker::Reopen, &[])?;
                            }
                            Err(error) => {
                                exchange.send(&ToWorker::Refused { error: portable(error.into_sql()) }, &[])?;
                            }
                        }
                    }
                    (FromWorker::Answer { types, truncated }, payload) => {
                        return Ok(decode(&payload, types, truncated));
                    }
                    (FromWorker::Error { error }, _) => return Ok(Err(error)),
                    (FromWorker::Ready | FromWorker::Opened | FromWorker::NotOpened { .. }, _) => {
                        return Err(io::ErrorKind::InvalidData.into());
                    }
                }
            }
        });
        match answer {
            // The worker knows the time that was left; the caller knows the deadline.
            Ok(Err(SqlError::Deadline { .. })) => Outcome { answer: Err(late), is_usable: true },
            Ok(Err(error @ (SqlError::Memory | SqlError::Crashed { .. }))) => {
                Outcome { answer: Err(error), is_usable: false }
            }
            Ok(answer) => Outcome { answer, is_usable: true },
            Err(_) if Instant::now() >= end => Outcome { answer: Err(late), is_usable: false },
            Err(_) => {
                let error = SqlError::Crashed { detail: self.ending() };
                Outcome { answer: Err(error), is_usable: false }
            }
        }
    }

    /// Runs an exchange, and ends the process when the exchange takes longer than until `end` and a moment.
    fn until<T>(&mut self, end: Instant, exchange: impl FnOnce(&mut Exchange<'_>) -> T) -> T {
        let Self { child, input, output } = self;
        let (done, ended) = channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let wait = (end + GRACE).saturating_duration_since(Instant::now());
                if ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                    // The exchange then finds the pipe closed.
                    let _ = child.lock().kill();
                }
            });
            let result = exchange(&mut Exchange { input, output });
            drop(done);
            result
        })
    }

    /// Returns how the process ended.
    fn ending(&self) -> String {
        let mut child = self.child.lock();
        // A process that closed its pipe without ending is ended here.
        let _ = child.kill();
        child.wait().map_or_else(|error| error.to_string(), |status| status.to_string())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let child = self.child.get_mut();
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// The two pipes of a worker.
struct Exchange<'a> {
    input: &'a mut ChildStdin,
    output: &'a mut BufReader<ChildStdout>,
}

impl Exchange<'_> {
    fn send(&mut self, message: &ToWorker, payload: &[u8]) -> io::Result<()> {
        frame::write(self.input, message, payload)
    }

    fn receive(&mut self) -> io::Result<(FromWorker, Vec<u8>)> {
        frame::read(self.output)
    }

    /// Lets the worker open the file.
    fn open(&mut self, service: Service<'_>) -> io::Result<()> {
        let opened = service.snapshot.share(&service.shared.path, |link| {
            self.send(&ToWorker::Open { link: link.to_owned() }, &[])?;
            match self.receive()? {
                (FromWorker::Opened | FromWorker::NotOpened { .. }, _) => Ok(()),
                _ => Err(io::ErrorKind::InvalidData.into()),
            }
        });
        match opened {
            Ok(exchanged) => exchanged,
            Err(error) => {
                let detail = format!("the file cannot be opened a second time: {error}");
                self.send(&ToWorker::Refused { error: SqlError::Unavailable { detail } }, &[])
            }
        }
    }
}

/// Replaces an error that cannot be sent.
fn portable(error: SqlError) -> SqlError {
    match error {
        SqlError::Store { action, source } => {
            SqlError::Unavailable { detail: format!("the store failed to {action}: {source}") }
        }
        other => other,
    }
}

fn decode(payload: &[u8], types: Vec<String>, truncated: bool) -> Result<SqlAnswer, SqlError> {
    let read = || {
        let reader = StreamReader::try_new(payload, None)?;
        let schema = reader.schema();
        Ok(SqlAnswer { schema, types, batches: reader.collect::<Result<_, _>>()?, truncated })
    };
    read().map_err(|error: arrow::error::ArrowError| SqlError::Crashed { detail: error.to_string() })
}
