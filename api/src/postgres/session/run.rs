//! Runs and describes statements in the workers, within the caller's limits, until the client cancels or leaves.

use std::{sync::Arc, time::Duration};

use almanac_engine::store::{
    SqlAnswer, SqlCall, SqlDescription, SqlDialect, SqlError, SqlLimits, SqlParam, SqlWorkers, postgres::ParamType,
};
use tokio::task::JoinError;

use super::{
    Session,
    portal::{Prepared, Rows},
};
use crate::postgres::{
    connect::{left, receive},
    error::{Failure, error, fatal, of_sql},
};

/// Largest number of rows of an answer, as for `POST /v1/sql`. A longer one is an error: clients of PostgreSQL have no
/// place for the mark that an answer was cut.
const MOST_ROWS: usize = 1_000_000;

/// Largest number of columns of an answer, as in PostgreSQL: a message counts them in 16 bits.
const MOST_COLUMNS: usize = 1_664;

/// Time for which an answer waits for memory that other answers hold.
const MEMORY_WAIT: Duration = Duration::from_secs(5);

/// What is done with a statement in a worker.
enum Outcome {
    Answer(SqlAnswer),
    Description(SqlDescription),
}

impl Session {
    /// Runs a statement and returns its rows. `offset` is the number of characters before it in the client's text.
    pub(super) async fn run(
        &mut self,
        sql: &str,
        types: &[Option<ParamType>],
        values: Vec<SqlParam>,
        offset: u64,
    ) -> Result<Rows, Failure> {
        match self.exchange(sql, types, Some(values), offset).await? {
            Outcome::Answer(answer) => {
                check_columns(answer.types.len())?;
                if answer.truncated {
                    let message = format!(
                        "the answer has more than {MOST_ROWS} rows or 64 MiB; aggregate, or add conditions or LIMIT"
                    );
                    return Err(error("54000", message));
                }
                let bytes = answer.batches.iter().map(arrow::array::RecordBatch::get_array_memory_size).sum();
                let memory = self.state.answers.reserve(bytes, MEMORY_WAIT).await;
                let memory = memory.map_err(|_| error("53200", "other answers take all memory; try again"))?;
                Ok(Rows::new(answer, memory))
            }
            Outcome::Description(_) => Err(error("XX000", "unexpected message of a worker")),
        }
    }

    /// Returns columns and parameters of a prepared statement, which a worker describes once.
    pub(super) async fn description(&mut self, prepared: &Prepared) -> Result<Arc<SqlDescription>, Failure> {
        if let Some(known) = prepared.description.lock().clone() {
            return Ok(known);
        }
        match self.exchange(&prepared.text, &prepared.types, None, prepared.offset).await? {
            Outcome::Description(description) => {
                check_columns(description.columns.len())?;
                let description = Arc::new(description);
                *prepared.description.lock() = Some(Arc::clone(&description));
                Ok(description)
            }
            Outcome::Answer(_) => Err(error("XX000", "unexpected message of a worker")),
        }
    }

    async fn exchange(
        &mut self,
        sql: &str,
        types: &[Option<ParamType>],
        values: Option<Vec<SqlParam>>,
        offset: u64,
    ) -> Result<Outcome, Failure> {
        if !self.state.auth.still_knows(&self.caller) {
            return Err(fatal("57P01", "the token of this connection was revoked"));
        }
        let permit = self.caller.admit().map_err(|limit| error("53400", limit.to_string()))?;
        let Some(workers) = self.state.sql.clone() else { return Err(error("57P03", "SQL is not available")) };
        let mut limits = SqlLimits { rows: MOST_ROWS, ..SqlLimits::default() };
        if let Some(timeout) = self.settings.statement_timeout() {
            limits.deadline = limits.deadline.min(timeout);
        }
        let cancel = self.cancel.begin();
        let (sql, dialect) = (sql.to_owned(), SqlDialect::Postgres { types: types.to_vec() });
        let stop = cancel.clone();
        let mut running = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let call = SqlCall {
                sql: &sql,
                params: values.as_deref().unwrap_or(&[]),
                dialect: &dialect,
                limits,
                cancel: Some(&stop),
            };
            work(&workers, call, values.is_some())
        });
        if self.pending.is_none() {
            tokio::select! {
                outcome = &mut running => return finished(outcome, offset),
                received = receive(&mut self.socket) => self.pending = Some(received),
            }
        }
        // Drivers send `Sync` with the statement, so that a message is pending long before its client may leave.
        if matches!(self.pending, Some(Some(Ok(_)))) {
            tokio::select! {
                outcome = &mut running => return finished(outcome, offset),
                () = left(&mut self.socket) => {}
            }
        }
        // The client has left: nobody reads the answer.
        cancel.cancel();
        finished(running.await, offset)
    }
}

fn check_columns(columns: usize) -> Result<(), Failure> {
    if columns <= MOST_COLUMNS {
        return Ok(());
    }
    Err(error(
        "54011",
        format!("the statement has {columns} columns, at most {MOST_COLUMNS}; name those that are needed"),
    ))
}

/// Returns what a statement in a worker has returned.
fn finished(outcome: Result<Result<Outcome, SqlError>, JoinError>, offset: u64) -> Result<Outcome, Failure> {
    match outcome {
        Ok(outcome) => outcome.map_err(|failed| of_sql(&failed, offset)),
        Err(panicked) => Err(error("XX000", panicked.to_string())),
    }
}

fn work(workers: &SqlWorkers, call: SqlCall<'_>, runs: bool) -> Result<Outcome, SqlError> {
    if runs { workers.call(call).map(Outcome::Answer) } else { workers.describe(call).map(Outcome::Description) }
}
