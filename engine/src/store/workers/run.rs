//! The service's side of the exchange with a worker.

use std::{io, sync::Arc, time::Instant};

use arrow::{
    array::RecordBatch,
    error::ArrowError,
    ipc::{reader::StreamReader, writer::StreamWriter},
};

use super::{
    message::{FromWorker, ToWorker},
    pool::SqlCall,
    serve::GRACE,
    snapshot::Snapshot,
    supply::{Supply, supply},
};
use crate::{
    isolation::{Pipes, Process},
    store::{
        AnalystLimits, EvaluatePromql, SqlAnswer, SqlCancel, SqlDescription, SqlError, SqlLimits, shared::Shared,
        sql::evaluate,
    },
};

/// What a worker may use of the service.
#[derive(Debug, Clone, Copy)]
pub(super) struct Service<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) snapshot: &'a Snapshot,
    pub(super) promql: Option<&'a Arc<dyn EvaluatePromql>>,
}

/// A statement to run or to describe.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) call: SqlCall<'a>,
    pub(super) analyst: AnalystLimits,
    pub(super) end: Instant,
    /// Whether the statement is described only.
    pub(super) describes: bool,
}

/// What a worker returns.
#[derive(Debug)]
pub(super) enum Reply {
    Answer(SqlAnswer),
    Description(SqlDescription),
}

/// The result of a statement.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) answer: Result<Reply, SqlError>,
    /// Whether the worker can run another statement.
    pub(super) is_usable: bool,
}

/// Lets a worker open the file before its first statement.
pub(super) fn warm(process: &mut Process, service: Service<'_>, end: Instant) -> Result<(), SqlError> {
    let warmed: io::Result<()> = process.until(
        end,
        || false,
        |exchange| {
            exchange.send(&ToWorker::Warm, &[])?;
            loop {
                match exchange.receive()? {
                    (FromWorker::Open, _) => open(exchange, service)?,
                    (FromWorker::Ready, _) => return Ok(()),
                    _ => return Err(io::ErrorKind::InvalidData.into()),
                }
            }
        },
    );
    warmed.map_err(|error| SqlError::Unavailable { detail: format!("a worker did not start: {error}") })
}

/// Runs a statement in a worker, which is ended when it has not answered shortly after `request.end`.
pub(super) fn run(process: &mut Process, service: Service<'_>, request: Request<'_>) -> Outcome {
    let Request { call, analyst, end, describes } = request;
    let late = SqlError::Deadline { deadline: call.limits.deadline };
    let limits = SqlLimits { deadline: end.saturating_duration_since(Instant::now()), ..call.limits };
    let (sql, dialect) = (call.sql.to_owned(), call.dialect.clone());
    let message = if describes {
        ToWorker::Describe { sql, dialect, limits, analyst }
    } else {
        ToWorker::Run { sql, params: call.params.to_vec(), dialect, limits, analyst }
    };
    let is_cancelled = || call.cancel.is_some_and(SqlCancel::is_cancelled);
    let answer: io::Result<Result<Reply, SqlError>> = process.until(end + GRACE, is_cancelled, |exchange| {
        exchange.send(&message, &[])?;
        let mut may_checkpoint = true;
        loop {
            match exchange.receive()? {
                (FromWorker::Open, _) => open(exchange, service)?,
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
                (FromWorker::Promql { calls }, _) => match evaluate(service.promql, &calls, end, &is_cancelled) {
                    Ok(results) => {
                        for rows in results {
                            exchange.send(&ToWorker::PromqlSeries, &encode(&rows.series)?)?;
                            exchange.send(&ToWorker::PromqlPoints, &encode(&rows.points)?)?;
                        }
                    }
                    Err(error) => exchange.send(&ToWorker::Refused { error: portable(error) }, &[])?,
                },
                (FromWorker::Answer { types, truncated }, payload) => {
                    return Ok(decode(&payload, types, truncated).map(Reply::Answer));
                }
                (FromWorker::Described(description), _) => return Ok(Ok(Reply::Description(description))),
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
        // A cancellation may have ended the worker after it had answered.
        Ok(answer) => Outcome { answer, is_usable: !is_cancelled() },
        Err(_) if is_cancelled() => Outcome { answer: Err(SqlError::Cancelled), is_usable: false },
        Err(_) if Instant::now() >= end => Outcome { answer: Err(late), is_usable: false },
        Err(_) => {
            let error = SqlError::Crashed { detail: process.ending() };
            Outcome { answer: Err(error), is_usable: false }
        }
    }
}

/// Lets the worker open the file.
fn open(exchange: &mut Pipes<'_>, service: Service<'_>) -> io::Result<()> {
    let opened = service.snapshot.share(&service.shared.opened, |link| {
        exchange.send(&ToWorker::Open { link: link.to_owned() }, &[])?;
        match exchange.receive()? {
            (FromWorker::Opened | FromWorker::NotOpened { .. }, _) => Ok(()),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    });
    match opened {
        Ok(exchanged) => exchanged,
        Err(error) => {
            let detail = format!("the file cannot be opened a second time: {error}");
            exchange.send(&ToWorker::Refused { error: SqlError::Unavailable { detail } }, &[])
        }
    }
}

fn encode(rows: &RecordBatch) -> io::Result<Vec<u8>> {
    let write = || {
        let mut out = Vec::new();
        let mut writer = StreamWriter::try_new(&mut out, &rows.schema())?;
        writer.write(rows)?;
        writer.finish()?;
        drop(writer);
        Ok(out)
    };
    write().map_err(|error: ArrowError| io::Error::other(error))
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
