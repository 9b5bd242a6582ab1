//! Runs analysts' statements: limits concurrency, checks each statement, and enforces deadline, rows and bytes.

use std::{
    sync::mpsc::{RecvTimeoutError, channel},
    time::{Duration, Instant},
};

use arrow::array::RecordBatch;
use duckdb::{Connection, types::Value};
use parking_lot::{Condvar, Mutex};

use super::{
    SqlAnswer, SqlError, SqlLimits, SqlParam,
    advice::instead_of_statement,
    check::{check, check_ranges, check_wildcards, matches_parameter},
    names::type_name,
};
use crate::store::{AnalystLimits, StoreError, error::one_line, segment::SegmentKind, shared::Shared};

/// Maximum number of tables that a statement scans after view expansion; planning more takes long and cannot be
/// interrupted.
const SCANS: u64 = 5_000;

/// Maximum number of waiting statements per permit; a further one is rejected as `Busy`.
const MAX_WAITING_PER_PERMIT: usize = 8;

/// Interval at which an interrupt is repeated, because DuckDB ignores one that arrives before the query starts.
const INTERRUPT_INTERVAL: Duration = Duration::from_millis(20);

/// Entry point of analysts' statements; limits how many run at once.
#[derive(Debug)]
pub(in crate::store) struct Gate {
    limits: AnalystLimits,
    permits: Mutex<Permits>,
    released: Condvar,
}

#[derive(Debug)]
struct Permits {
    free: usize,
    waiting: usize,
}

/// Permit of a running statement; released when dropped.
struct Permit<'a>(&'a Gate);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.permits.lock().free += 1;
        self.0.released.notify_one();
    }
}

impl Gate {
    pub(in crate::store) fn new(limits: AnalystLimits) -> Self {
        let permits = Permits { free: limits.concurrent.max(1), waiting: 0 };
        Self { limits, permits: Mutex::new(permits), released: Condvar::new() }
    }

    /// Checks a statement, runs it within its limits and returns the rows.
    pub(in crate::store) fn run(
        &self,
        shared: &Shared,
        sql: &str,
        params: &[SqlParam],
        limits: SqlLimits,
    ) -> Result<SqlAnswer, SqlError> {
        let end = Instant::now() + limits.deadline;
        let late = SqlError::Deadline { deadline: limits.deadline };
        let _permit = self.acquire(end, &late)?;
        let connection = shared.readers.connect().map_err(from_store)?;
        let statement = self.check_statement(shared, &connection, sql, params)?;
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
            let answer = execute(&connection, &statement, params, limits, end);
            drop(done);
            answer
        });
        let _ = connection.execute_batch("ROLLBACK");
        match answer {
            // DuckDB reports the interrupt as an ordinary error.
            Err(SqlError::Invalid { .. }) if Instant::now() >= end => Err(late),
            other => other,
        }
    }

    /// Waits for a permit until `end`.
    fn acquire(&self, end: Instant, late: &SqlError) -> Result<Permit<'_>, SqlError> {
        let mut permits = self.permits.lock();
        if permits.free == 0 && permits.waiting >= MAX_WAITING_PER_PERMIT * self.limits.concurrent.max(1) {
            // The queue is bounded because every waiting statement blocks a thread.
            return Err(SqlError::Busy);
        }
        permits.waiting += 1;
        let mut is_late = false;
        while permits.free == 0 && !is_late {
            is_late = self.released.wait_until(&mut permits, end).timed_out();
        }
        permits.waiting -= 1;
        if permits.free == 0 {
            return Err(late.clone());
        }
        permits.free -= 1;
        Ok(Permit(self))
    }

    /// Parses the text with DuckDB's own parser, without running it, and checks the parse tree. Returns the statement
    /// to run.
    ///
    /// The text is passed as a value to `json_serialize_sql`, not prepared: preparing would already run all statements
    /// but the last. The parser serializes SELECTs only, so `EXPLAIN` is split off before and prepended again.
    fn check_statement(
        &self,
        shared: &Shared,
        connection: &Connection,
        sql: &str,
        params: &[SqlParam],
    ) -> Result<String, SqlError> {
        let limit = self.limits.sql_bytes as u64;
        let texts =
            || params.iter().filter_map(|param| if let SqlParam::Text(text) = param { Some(text) } else { None });
        let length = (sql.len() + texts().map(String::len).sum::<usize>()) as u64;
        if length > limit {
            return Err(SqlError::TooComplex { what: "length in bytes", found: length, limit });
        }
        if sql.contains('\0') {
            return Err(SqlError::Invalid { message: "the statement contains a zero byte".to_owned() });
        }
        let (explain, inner) = split_explain(sql);
        let described: String = connection
            .query_row("SELECT json_serialize_sql(?::VARCHAR)::VARCHAR", [inner], |row| row.get(0))
            .map_err(|error| SqlError::Invalid { message: one_line(&error) })?;
        let parsed = parse(&described, self.limits.nesting)?;
        if parsed.get("error").and_then(serde_json::Value::as_bool) == Some(true) {
            return Err(not_parsed(&parsed, inner));
        }
        let statements = parsed.get("statements").and_then(serde_json::Value::as_array).map_or(&[][..], Vec::as_slice);
        let [statement] = statements else {
            return Err(SqlError::StatementCount { count: statements.len() as u64 });
        };
        let references = check(statement, &self.limits)?;
        check_ranges(statement)?;
        if matches_parameter(statement) {
            texts()
                .try_for_each(|text| ['%', '*'].into_iter().try_for_each(|wildcard| check_wildcards(text, wildcard)))?;
        }
        // The active and frozen hot and late segments are about four more.
        let segments = shared.layout.read().of(SegmentKind::Cold).count() as u64 + 4;
        let scans = references.samples.saturating_mul(segments);
        if scans > SCANS {
            return Err(SqlError::TooComplex { what: "scans of sample segments", found: scans, limit: SCANS });
        }
        Ok(format!("{explain}{inner}"))
    }
}

/// Maximum nesting that serde_json parses.
const JSON_LEVELS: usize = 127;

/// Parses the serialized statement after checking its nesting, so that no deep tree is built.
fn parse(described: &str, nesting: usize) -> Result<serde_json::Value, SqlError> {
    let (mut depth, mut most, mut quoted, mut escaped) = (0_usize, 0_usize, false, false);
    for byte in described.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => {
                depth += 1;
                most = most.max(depth);
            }
            b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    let limit = nesting.min(JSON_LEVELS);
    let too_deep = || SqlError::TooComplex { what: "nesting", found: most as u64, limit: limit as u64 };
    if most > limit { Err(too_deep()) } else { serde_json::from_str(described).map_err(|_| too_deep()) }
}

/// Returns the error for a text that DuckDB cannot serialize: a syntax error, or a statement other than a SELECT.
fn not_parsed(parsed: &serde_json::Value, sql: &str) -> SqlError {
    let text = |key: &str| parsed.get(key).and_then(serde_json::Value::as_str).unwrap_or("");
    if text("error_type") == "parser" {
        let message = text("error_message").lines().next().unwrap_or("the statement cannot be parsed").to_owned();
        return SqlError::Invalid { message };
    }
    let kind = kind_of(sql);
    SqlError::NotReadOnly { instead: instead_of_statement(&kind), kind }
}

/// Returns the kind of a statement that is not a SELECT: the first word of a statement that does not start a SELECT.
fn kind_of(sql: &str) -> String {
    let first =
        |text: &str| skip_blank(text).split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_uppercase();
    let is_select = |word: &String| {
        matches!(
            word.as_str(),
            "SELECT" | "WITH" | "FROM" | "VALUES" | "TABLE" | "SHOW" | "DESCRIBE" | "DESC" | "SUMMARIZE" | ""
        )
    };
    let inner = || sql.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_uppercase);
    sql.split(';')
        .map(first)
        .find(|word| !is_select(word))
        .or_else(|| inner().find(|word| word.ends_with("PIVOT")))
        .unwrap_or_else(|| "this statement".to_owned())
}

/// Returns the text without leading white space and comments.
fn skip_blank(mut text: &str) -> &str {
    loop {
        text = text.trim_start();
        if let Some(rest) = text.strip_prefix("--") {
            text = rest.split_once('\n').map_or("", |(_, rest)| rest);
        } else if let Some(rest) = text.strip_prefix("/*") {
            text = rest.split_once("*/").map_or("", |(_, rest)| rest);
        } else {
            return text;
        }
    }
}

fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let text = skip_blank(text);
    let (head, rest) = (text.get(..word.len())?, &text[word.len()..]);
    let ends = rest.chars().next().is_none_or(|c| !c.is_alphanumeric() && c != '_');
    (head.eq_ignore_ascii_case(word) && ends).then_some(rest)
}

/// Splits `EXPLAIN [ANALYZE]` off the statement.
fn split_explain(sql: &str) -> (&'static str, &str) {
    match strip_word(sql, "EXPLAIN") {
        None => ("", sql),
        Some(rest) => match strip_word(rest, "ANALYZE") {
            None => ("EXPLAIN ", rest),
            Some(rest) => ("EXPLAIN ANALYZE ", rest),
        },
    }
}

/// Runs a checked statement in a read-only transaction and collects rows up to the limits.
fn execute(
    connection: &Connection,
    sql: &str,
    params: &[SqlParam],
    limits: SqlLimits,
    end: Instant,
) -> Result<SqlAnswer, SqlError> {
    connection.execute_batch("BEGIN TRANSACTION READ ONLY").map_err(|error| failed(&error))?;
    let mut statement = connection.prepare(sql).map_err(|error| failed(&error))?;
    let expected = statement.parameter_count();
    if expected != params.len() {
        return Err(SqlError::ParamCount { expected: expected as u64, found: params.len() as u64 });
    }
    let values: Vec<Value> = params.iter().map(SqlParam::value).collect();
    // The returned iterator is dropped: it panics on errors, while `step` returns them.
    let _ = statement.stream_arrow(duckdb::params_from_iter(&values)).map_err(|error| failed(&error))?;
    let schema = statement.schema();
    let types = schema.fields().iter().map(|field| type_name(field.data_type())).collect();
    let mut answer = SqlAnswer { schema, types, batches: Vec::new(), truncated: false };
    let (mut rows, mut bytes) = (limits.rows, limits.bytes);
    while let Some(step) = statement.step().map_err(|error| failed(&error))? {
        if Instant::now() >= end {
            return Err(SqlError::Deadline { deadline: limits.deadline });
        }
        let batch = RecordBatch::from(&step);
        let size = batch.get_array_memory_size().max(1);
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

fn failed(error: &duckdb::Error) -> SqlError {
    let message = one_line(error);
    if message.contains("Out of Memory") || message.contains("Allocation failure") {
        SqlError::Memory
    } else if message.contains("Overflow in") && message.contains("INT32") {
        // DuckDB types small integer literals as INT32.
        SqlError::Invalid { message: format!("{message} Write one of the numbers with ::BIGINT.") }
    } else {
        SqlError::Invalid { message }
    }
}

fn from_store(error: StoreError) -> SqlError {
    match error {
        StoreError::Database { action, source } => SqlError::Store { action, source },
        _ => SqlError::Closed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_statements_are_named() {
        for (sql, kind) in [
            ("DROP VIEW samples", "DROP"),
            ("SELECT 1; DROP VIEW samples", "DROP"),
            ("/* x */ copy t to 'f'", "COPY"),
            ("SELECT * FROM (PIVOT t ON a USING sum(b))", "PIVOT"),
        ] {
            assert_eq!(kind_of(sql), kind, "{sql}");
        }
    }

    #[test]
    fn explain_is_split_off_with_comments_around_it() {
        assert_eq!(split_explain("SELECT 1"), ("", "SELECT 1"));
        assert_eq!(split_explain(" -- x\n /* y */ explain/**/ANALYZE(select 1)"), ("EXPLAIN ANALYZE ", "(select 1)"));
        assert_eq!(split_explain("explain analyzed"), ("EXPLAIN ", " analyzed"));
        assert_eq!(split_explain("explainer"), ("", "explainer"));
    }
}
