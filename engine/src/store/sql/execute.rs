//! Runs a checked statement in a read-only transaction, within a deadline and limits on rows and bytes.

use std::{
    sync::mpsc::{RecvTimeoutError, channel},
    time::{Duration, Instant},
};

use arrow::{
    array::RecordBatch,
    datatypes::{Schema, SchemaRef},
};
use duckdb::{Connection, types::Value};

use super::{SqlAnswer, SqlError, SqlLimits, SqlParam, Statement, caret::caret, names::type_name};
use crate::store::error::{is_damage, one_line};

/// Interval at which an interrupt is repeated, because DuckDB ignores one that arrives before the query starts.
const INTERRUPT_INTERVAL: Duration = Duration::from_millis(20);

/// Minimum number of bytes that a value counts: encoded as text, a NULL takes more than its bit in memory.
const VALUE_BYTES: usize = 8;

/// Runs a checked statement until `end` and returns the rows.
pub(in crate::store) fn execute_until(
    connection: &Connection,
    statement: &Statement,
    params: &[SqlParam],
    limits: SqlLimits,
    end: Instant,
) -> Result<SqlAnswer, SqlError> {
    let handle = connection.interrupt_handle();
    // A second thread interrupts the query at the deadline; dropping `done` ends it.
    let (done, ended) = channel::<()>();
    let answer = std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut wait = end.saturating_duration_since(Instant::now());
            while ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                handle.interrupt();
                wait = INTERRUPT_INTERVAL;
            }
        });
        let answer = execute(connection, statement, params, limits, end);
        drop(done);
        answer
    });
    let _ = connection.execute_batch("ROLLBACK");
    match answer {
        // DuckDB reports the interrupt as an ordinary error.
        Err(SqlError::Invalid { .. }) if Instant::now() >= end => Err(SqlError::Deadline { deadline: limits.deadline }),
        other => other,
    }
}

/// Runs a checked statement in a read-only transaction and collects rows up to the limits.
fn execute(
    connection: &Connection,
    checked: &Statement,
    params: &[SqlParam],
    limits: SqlLimits,
    end: Instant,
) -> Result<SqlAnswer, SqlError> {
    let failed = |error: &duckdb::Error| failed(error, checked);
    connection.execute_batch("BEGIN TRANSACTION READ ONLY").map_err(|error| failed(&error))?;
    let mut statement = connection.prepare(&checked.text).map_err(|error| failed(&error))?;
    let expected = statement.parameter_count();
    if expected != params.len() {
        return Err(SqlError::ParamCount { expected: expected as u64, found: params.len() as u64 });
    }
    let values: Vec<Value> = params.iter().map(SqlParam::value).collect();
    // The returned iterator is dropped: it panics on errors, while `step` returns them.
    let _ = statement.stream_arrow(duckdb::params_from_iter(&values)).map_err(|error| failed(&error))?;
    let schema = renamed(&statement.schema(), checked);
    let types = schema.fields().iter().map(|field| checked.type_for_client(type_name(field.data_type()))).collect();
    let mut answer = SqlAnswer { schema, types, batches: Vec::new(), truncated: false };
    let (mut rows, mut bytes) = (limits.rows, limits.bytes);
    while let Some(step) = statement.step().map_err(|error| failed(&error))? {
        if Instant::now() >= end {
            return Err(SqlError::Deadline { deadline: limits.deadline });
        }
        let batch = RecordBatch::from(&step);
        let size = batch.get_array_memory_size().max(batch.num_rows() * batch.num_columns() * VALUE_BYTES).max(1);
        // Of a batch above the remaining bytes a proportional share of the rows is kept (in KiB, against overflow).
        let fitting =
            if size > bytes { batch.num_rows() * (bytes >> 10) / (size >> 10).max(1) } else { batch.num_rows() };
        let kept = fitting.min(rows).min(batch.num_rows());
        if kept > 0 {
            answer.batches.push(batch.slice(0, kept));
        }
        if kept < batch.num_rows() {
            answer.truncated = true;
            break;
        }
        rows -= kept;
        bytes -= size.min(bytes);
    }
    Ok(answer)
}

/// Returns a schema with the names for the client.
fn renamed(schema: &SchemaRef, checked: &Statement) -> SchemaRef {
    let width = schema.fields().len();
    let fields = schema
        .fields()
        .iter()
        .enumerate()
        .map(|(idx, field)| field.as_ref().clone().with_name(checked.name_for_client(idx, width, field.name())));
    Schema::new(fields.collect::<Vec<_>>()).into()
}

impl SqlParam {
    fn value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Boolean(*value),
            Self::Int(value) => Value::BigInt(*value),
            Self::Float(value) => Value::Double(*value),
            Self::Text(value) => Value::Text(value.clone()),
        }
    }
}

fn failed(error: &duckdb::Error, statement: &Statement) -> SqlError {
    let message = one_line(error);
    let position = caret(&statement.text, &error.to_string()).and_then(|at| statement.position(at));
    if ["Out of Memory", "Allocation failure", "bad_alloc", "Cannot allocate memory"]
        .iter()
        .any(|what| message.contains(what))
    {
        SqlError::Memory
    } else if is_damage(&error.to_string()) {
        SqlError::Damaged { detail: message }
    } else if message.contains("INTERNAL Error") || message.contains("FATAL Error") {
        // The instance may be unusable afterwards.
        SqlError::Crashed { detail: message }
    } else if message.contains("Overflow in") && message.contains("INT32") {
        // DuckDB types small integer literals as INT32.
        SqlError::Invalid { message: format!("{message} Write one of the numbers with ::BIGINT."), position }
    } else {
        SqlError::Invalid { message, position }
    }
}
