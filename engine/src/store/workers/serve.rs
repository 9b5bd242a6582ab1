//! The worker's side: reads statements from a pipe, runs each on the newest data, and writes the answers.

use std::{
    fs::File,
    io::{Read, Write},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use arrow::{
    array::RecordBatch,
    ipc::{reader::StreamReader, writer::StreamWriter},
};
use duckdb::Connection;

use super::{
    message::{FromWorker, ToWorker},
    replica::{Replica, ReplicaOptions, as_sql_error},
};
use crate::isolation::{frame, limits};
use crate::store::{
    SqlAnswer, SqlDescription, SqlError, SqlLimits, SqlParam,
    file::checkpoints,
    sql::{PromqlRows, Statement, calls, describe_until, execute_until, install, remove},
};

/// How often a statement is repeated, or the file opened again, because a checkpoint was written meanwhile.
const ATTEMPTS: u32 = 5;

/// Address space that the stack of a thread takes; only what it uses is memory.
const STACK_BYTES: u64 = 8 << 20;

/// Why the worker ends: the service has closed the pipe, or nothing can be written to it.
struct Ended;

type Frame = (ToWorker, Vec<u8>);

/// Serves statements until `input` ends. The process ends at once when it does, whatever a statement is doing.
///
/// `memory`: DuckDB's memory limit in bytes; the address space of the process is limited to half more than that and
/// the stacks of the threads.
/// `threads`: DuckDB's threads, 0 for one per core. Limits that the system refuses end the worker.
///
/// Returns the exit status of the process.
pub fn serve_sql(input: impl Read + Send + 'static, output: impl Write, memory: u64, threads: usize) -> u8 {
    let threads = if threads > 0 { threads } else { std::thread::available_parallelism().map_or(1, usize::from) };
    let stacks = STACK_BYTES.saturating_mul(threads as u64);
    if limits::apply(memory.saturating_add(memory / 2).saturating_add(stacks)).is_err() {
        return 1;
    }
    let (sender, frames) = channel();
    // Reading on a thread of its own notices the end of the service also during a statement.
    let reading = std::thread::Builder::new().name("almanac-pipe".to_owned()).spawn(move || {
        let mut input = input;
        while let Ok(frame) = frame::read::<ToWorker>(&mut input) {
            if sender.send(frame).is_err() {
                return;
            }
        }
        std::process::exit(0);
    });
    let Ok(parser) = Connection::open_in_memory() else { return 1 };
    if reading.is_err() {
        return 1;
    }
    let options = ReplicaOptions { memory, threads };
    let mut worker = Worker { frames, output, parser, options, replica: None };
    while worker.serve_one().is_ok() {}
    0
}

/// Returns the number of checkpoints in the header of a file. Closing it drops this process's locks on the file, as
/// [`Replica::open`] does too.
fn iteration(link: &Path) -> Option<u64> {
    checkpoints(&File::open(link).ok()?)
}

struct Worker<W> {
    frames: Receiver<Frame>,
    output: W,
    /// A connection without data, for parsing.
    parser: Connection,
    options: ReplicaOptions,
    replica: Option<Replica>,
}

/// How an attempt to run a statement ended.
enum Attempt {
    Answer(SqlAnswer),
    Description(SqlDescription),
    /// The data changed under the statement.
    Again,
    Failed(SqlError),
}

impl<W: Write> Worker<W> {
    fn send(&mut self, message: &FromWorker, payload: &[u8]) -> Result<(), Ended> {
        frame::write(&mut self.output, message, payload).map_err(|_| Ended)
    }

    fn receive(&self) -> Result<Frame, Ended> {
        self.frames.recv().map_err(|_| Ended)
    }

    /// Handles one message of the service.
    fn serve_one(&mut self) -> Result<(), Ended> {
        match self.receive()?.0 {
            ToWorker::Warm => {
                // An error is reported by the first statement, which tries again.
                let _ = self.open()?;
                self.send(&FromWorker::Ready, &[])
            }
            ToWorker::Describe { sql, dialect, limits, analyst } => {
                let description = match Statement::new(&self.parser, &sql, &[], &analyst, &dialect) {
                    Ok(statement) => self.repeat(&statement, &[], limits, true)?,
                    Err(error) => Err(error),
                };
                match description {
                    Ok(Attempt::Description(description)) => self.send(&FromWorker::Described(description), &[]),
                    Ok(_) => Err(Ended),
                    Err(error) => self.send(&FromWorker::Error { error }, &[]),
                }
            }
            ToWorker::Run { sql, params, dialect, limits, analyst } => {
                let answer = match Statement::new(&self.parser, &sql, &params, &analyst, &dialect) {
                    Ok(statement) => self.repeat(&statement, &params, limits, false)?,
                    Err(error) => Err(error),
                };
                let answer = match answer {
                    Ok(Attempt::Answer(answer)) => Ok(answer),
                    Ok(_) => return Err(Ended),
                    Err(error) => Err(error),
                };
                match answer.and_then(|answer| Ok((encode(&answer)?, answer))) {
                    Ok((payload, answer)) => {
                        let SqlAnswer { types, truncated, .. } = answer;
                        self.send(&FromWorker::Answer { types, truncated }, &payload)
                    }
                    Err(error) => self.send(&FromWorker::Error { error }, &[]),
                }
            }
            // The service sends nothing else without a question.
            _ => Err(Ended),
        }
    }

    /// Runs or describes a statement, again if the data changed under it.
    fn repeat(
        &mut self,
        statement: &Statement,
        params: &[SqlParam],
        limits: SqlLimits,
        describes: bool,
    ) -> Result<Result<Attempt, SqlError>, Ended> {
        let end = Instant::now() + limits.deadline;
        let seconds = limits.deadline.as_secs() + 1;
        if limits::allow_cpu(seconds, self.options.threads as u64).is_err() {
            return Err(Ended);
        }
        for _ in 0..ATTEMPTS {
            let attempt = if describes {
                self.describe(statement, limits, end)?
            } else {
                self.attempt(statement, params, limits, end)?
            };
            match attempt {
                Attempt::Failed(error) => return Ok(Err(error)),
                Attempt::Again => self.replica = None,
                done => return Ok(Ok(done)),
            }
            if Instant::now() >= end {
                return Ok(Err(SqlError::Deadline { deadline: limits.deadline }));
            }
        }
        Ok(Err(SqlError::Unavailable { detail: "the store is being compacted; try again".to_owned() }))
    }

    /// Describes a statement. Its views have the same columns with and without the newest rows.
    fn describe(&mut self, statement: &Statement, limits: SqlLimits, end: Instant) -> Result<Attempt, Ended> {
        if self.replica.is_none() || !self.is_current() {
            self.replica = None;
            if let Err(error) = self.open()? {
                return Ok(Attempt::Failed(error));
            }
        }
        let Some(replica) = self.replica.as_mut() else { return Err(Ended) };
        if let Err(error) = statement.check_scans(replica.cold()) {
            return Ok(Attempt::Failed(error));
        }
        if let Err(error) = replica.prepare_catalogue(statement.uses_catalogue) {
            return Ok(if replica.is_current() { Attempt::Failed(as_sql_error(&error)) } else { Attempt::Again });
        }
        let description = describe_until(replica.connection(), statement, limits, end);
        if !self.is_current() {
            return Ok(Attempt::Again);
        }
        Ok(description.map_or_else(Attempt::Failed, Attempt::Description))
    }

    fn attempt(
        &mut self,
        statement: &Statement,
        params: &[SqlParam],
        limits: SqlLimits,
        end: Instant,
    ) -> Result<Attempt, Ended> {
        if self.replica.is_none() || (!statement.views.is_empty() && !self.is_current()) {
            self.replica = None;
            if let Err(error) = self.open()? {
                return Ok(Attempt::Failed(error));
            }
        }
        if !statement.views.is_empty() {
            match self.update(statement)? {
                Ok(true) => {}
                Ok(false) => return Ok(Attempt::Again),
                Err(error) => return Ok(if self.is_current() { Attempt::Failed(error) } else { Attempt::Again }),
            }
        }
        let Some(replica) = self.replica.as_mut() else { return Err(Ended) };
        if let Err(error) = statement.check_scans(replica.cold()) {
            return Ok(Attempt::Failed(error));
        }
        if let Err(error) = replica.prepare_catalogue(statement.uses_catalogue) {
            return Ok(if replica.is_current() { Attempt::Failed(as_sql_error(&error)) } else { Attempt::Again });
        }
        let answer = if statement.calls_promql() {
            self.run_with_promql(statement, params, limits, end)?
        } else {
            execute_until(replica.connection(), statement, params, limits, end)
        };
        // What was read is right only if no checkpoint has freed its blocks meanwhile.
        if !statement.views.is_empty() && !self.is_current() {
            return Ok(Attempt::Again);
        }
        Ok(answer.map_or_else(Attempt::Failed, Attempt::Answer))
    }

    /// Runs a statement after the service has evaluated its calls of `promql`.
    fn run_with_promql(
        &mut self,
        statement: &Statement,
        params: &[SqlParam],
        limits: SqlLimits,
        end: Instant,
    ) -> Result<Result<SqlAnswer, SqlError>, Ended> {
        let Some(replica) = self.replica.as_ref() else { return Err(Ended) };
        let calls = match calls(replica.connection(), statement, params, limits, end) {
            Ok(calls) => calls,
            Err(error) => return Ok(Err(error)),
        };
        let wanted = calls.len();
        self.send(&FromWorker::Promql { calls }, &[])?;
        let mut results = Vec::with_capacity(wanted);
        while results.len() < wanted {
            let series = match self.receive()? {
                (ToWorker::PromqlSeries, payload) => batch(&payload)?,
                (ToWorker::Refused { error }, _) => return Ok(Err(error)),
                _ => return Err(Ended),
            };
            let (ToWorker::PromqlPoints, payload) = self.receive()? else { return Err(Ended) };
            results.push(PromqlRows { series, points: batch(&payload)? });
        }
        let Some(replica) = self.replica.as_ref() else { return Err(Ended) };
        let connection = replica.connection();
        let answer = install(connection, statement, results)
            .and_then(|reading| execute_until(connection, &reading, params, limits, end));
        remove(connection, statement);
        Ok(answer)
    }

    fn is_current(&self) -> bool {
        self.replica.as_ref().is_some_and(Replica::is_current)
    }

    /// Opens the last checkpoint.
    fn open(&mut self) -> Result<Result<(), SqlError>, Ended> {
        // A checkpoint may be written while the file is opened.
        for _ in 0..ATTEMPTS {
            self.send(&FromWorker::Open, &[])?;
            let link: PathBuf = match self.receive()?.0 {
                ToWorker::Open { link } => link,
                ToWorker::Refused { error } => return Ok(Err(error)),
                _ => return Err(Ended),
            };
            let before = iteration(&link);
            match Replica::open(&link, self.options) {
                Ok(replica) => {
                    self.send(&FromWorker::Opened, &[])?;
                    if replica.is_current() {
                        self.replica = Some(replica);
                        return Ok(Ok(()));
                    }
                }
                Err(error) => {
                    let error = as_sql_error(&error);
                    self.send(&FromWorker::NotOpened { detail: error.to_string() }, &[])?;
                    // A checkpoint frees blocks and may shorten the file; what is read of it meanwhile looks damaged.
                    if before.is_none() || iteration(&link) == before {
                        return Ok(Err(error));
                    }
                }
            }
        }
        Ok(Err(SqlError::Unavailable { detail: "checkpoints follow each other; try again".to_owned() }))
    }

    /// Adds the rows that were written since the checkpoint. Returns false when there is a newer checkpoint.
    fn update(&mut self, statement: &Statement) -> Result<Result<bool, SqlError>, Ended> {
        let Some(replica) = self.replica.as_mut() else { return Err(Ended) };
        let need = match replica.need(&statement.views) {
            Ok(need) => need,
            Err(error) => return Ok(Err(as_sql_error(&error))),
        };
        self.send(&FromWorker::Need(need), &[])?;
        let mut failed = None;
        loop {
            let (message, payload) = self.receive()?;
            let Some(replica) = self.replica.as_mut() else { return Err(Ended) };
            let done = match message {
                ToWorker::Rows { table, replaces, last } => {
                    // After an error the remaining rows are read and dropped.
                    if failed.is_none() { replica.put(&table, replaces, last, &payload) } else { Ok(()) }
                }
                ToWorker::Supplied { segments } => {
                    let finished = failed.map_or_else(|| replica.finish(segments), Err);
                    return Ok(match finished {
                        Ok(()) => Ok(true),
                        Err(error) => {
                            // What was added is incomplete.
                            self.replica = None;
                            Err(as_sql_error(&error))
                        }
                    });
                }
                ToWorker::Reopen => return Ok(Ok(false)),
                ToWorker::Refused { error } => {
                    self.replica = None;
                    return Ok(Err(error));
                }
                _ => return Err(Ended),
            };
            failed = failed.or(done.err());
        }
    }
}

/// Reads the one batch of an Arrow stream.
fn batch(payload: &[u8]) -> Result<RecordBatch, Ended> {
    let mut reader = StreamReader::try_new(payload, None).map_err(|_| Ended)?;
    reader.next().ok_or(Ended)?.map_err(|_| Ended)
}

fn encode(answer: &SqlAnswer) -> Result<Vec<u8>, SqlError> {
    let write = || {
        let mut out = Vec::new();
        let mut writer = StreamWriter::try_new(&mut out, &answer.schema)?;
        for batch in &answer.batches {
            writer.write(batch)?;
        }
        writer.finish()?;
        drop(writer);
        Ok(out)
    };
    write().map_err(|error: arrow::error::ArrowError| SqlError::Invalid { message: error.to_string(), position: None })
}

/// Time after a deadline at which a worker that has not answered is ended.
pub(super) const GRACE: Duration = Duration::from_millis(500);
