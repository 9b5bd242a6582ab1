//! The table function `promql(expr, from, until, step)`: DuckDB computes its arguments, the caller evaluates the expression,
//! and the statement reads the result from temporary tables.

use std::{fmt, sync::Arc, time::Instant};

use arrow::{
    array::{
        ArrayRef, Float64Array, MapBuilder, MapFieldNames, RecordBatch, StringArray, StringBuilder,
        TimestampMillisecondArray, UInt32Array,
    },
    error::ArrowError,
};
use duckdb::Connection;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{SqlError, SqlLimits, SqlParam, Statement, execute_until};
use crate::{series::Labels, store::error::one_line};

/// Name of the function.
pub(super) const NAME: &str = "promql";
/// Most calls in a statement.
const CALLS: usize = 8;
/// Most values of all calls of a statement together: 16 bytes each, here and in the worker.
const VALUES: usize = 5_000_000;

/// A call of `promql` with its arguments computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PromqlCall {
    /// PromQL expression.
    pub expr: String,
    /// First time, in epoch milliseconds.
    pub from_ms: i64,
    /// Last time, in epoch milliseconds.
    pub until_ms: i64,
    /// Distance of the times.
    pub step: PromqlStep,
}

/// Distance of the times of an evaluation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PromqlStep {
    /// A number of seconds or a duration in PromQL's notation.
    Text(String),
    /// Milliseconds, from an INTERVAL.
    Millis(i64),
}

/// One series of the result of an expression.
#[derive(Debug, Clone, PartialEq)]
pub struct PromqlSeries {
    /// Labels.
    pub labels: Labels,
    /// Times in epoch milliseconds, ascending.
    pub timestamps: Vec<i64>,
    /// Values, one for each time.
    pub values: Vec<f64>,
}

/// Whether the author of a statement has cancelled it.
pub type IsCancelled<'a> = dyn Fn() -> bool + Sync + 'a;

/// Evaluates PromQL for SQL. The store itself knows no expressions.
pub trait EvaluatePromql: fmt::Debug + Send + Sync {
    /// Evaluates a call until `end`, or until `is_cancelled` returns true. Blocks.
    ///
    /// # Errors
    /// A message for the author of the statement.
    fn evaluate(
        &self,
        call: &PromqlCall,
        end: Instant,
        is_cancelled: &IsCancelled<'_>,
    ) -> Result<Vec<PromqlSeries>, String>;
}

/// A call in the text of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct PromqlSite {
    /// Position of the function's name in the text, in bytes.
    pub(super) at: usize,
    /// Arguments as the parser describes them.
    arguments: Vec<Value>,
}

/// Returns the calls in a parsed statement, in the order of the text.
pub(super) fn sites(statement: &Value) -> Result<Vec<PromqlSite>, SqlError> {
    let mut found = Vec::new();
    collect(statement, &mut found)?;
    found.sort_by_key(|site| site.at);
    // An expression that the parser copies, such as one of a CTE, appears twice.
    found.dedup();
    if found.len() > CALLS {
        return Err(SqlError::TooComplex {
            what: "calls of promql".into(),
            found: found.len() as u64,
            limit: CALLS as u64,
        });
    }
    Ok(found)
}

fn collect(value: &Value, found: &mut Vec<PromqlSite>) -> Result<(), SqlError> {
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| collect(item, found)),
        Value::Object(object) => {
            let function =
                object.get("function").filter(|_| object.get("type").is_some_and(|kind| kind == "TABLE_FUNCTION"));
            if let Some(function) = function
                && function
                    .get("function_name")
                    .and_then(Value::as_str)
                    .is_some_and(|name| name.eq_ignore_ascii_case(NAME))
            {
                let arguments = function.get("children").and_then(Value::as_array).cloned().unwrap_or_default();
                if arguments.len() != 4 {
                    let message = format!(
                        "promql has four arguments, {} are given: promql('expression', from, until, step)",
                        arguments.len()
                    );
                    return Err(invalid(message));
                }
                if let Some(what) = arguments.iter().find_map(not_constant) {
                    return Err(invalid(format!(
                        "the arguments of promql may not have {what}: they are computed before the statement runs"
                    )));
                }
                let at = function.get("query_location").and_then(Value::as_u64).unwrap_or(u64::MAX);
                found.push(PromqlSite { at: usize::try_from(at).unwrap_or(usize::MAX), arguments });
                return Ok(());
            }
            object.values().try_for_each(|inner| collect(inner, found))
        }
        _ => Ok(()),
    }
}

/// Returns what in an argument depends on rows.
fn not_constant(argument: &Value) -> Option<&'static str> {
    match argument {
        Value::Array(items) => items.iter().find_map(not_constant),
        Value::Object(object) => match object.get("class").and_then(Value::as_str) {
            Some("COLUMN_REF") => Some("columns"),
            Some("SUBQUERY") => Some("subqueries"),
            Some("WINDOW") => Some("window functions"),
            Some("CONSTANT") => None,
            _ => object.values().find_map(not_constant),
        },
        _ => None,
    }
}

fn invalid(message: String) -> SqlError {
    SqlError::Invalid { message, position: None }
}

/// Computes the arguments of the calls of a statement.
pub(in crate::store) fn calls(
    connection: &Connection,
    statement: &Statement,
    params: &[SqlParam],
    limits: SqlLimits,
    end: Instant,
) -> Result<Vec<PromqlCall>, SqlError> {
    statement.promql.iter().map(|site| call(connection, site, params, limits, end)).collect()
}

fn call(
    connection: &Connection,
    site: &PromqlSite,
    params: &[SqlParam],
    limits: SqlLimits,
    end: Instant,
) -> Result<PromqlCall, SqlError> {
    let failed = |error: duckdb::Error| invalid(format!("promql: {}", one_line(&error)));
    let text = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, String>(0)).map_err(failed);
    let mut select: Value = serde_json::from_str(&text("SELECT json_serialize_sql('SELECT 1')::VARCHAR")?)
        .map_err(|error| invalid(error.to_string()))?;
    let mut arguments = site.arguments.clone();
    for (argument, alias) in arguments.iter_mut().zip(["e", "f", "u", "s"]) {
        if let Some(object) = argument.as_object_mut() {
            object.insert("alias".to_owned(), json!(alias));
        }
    }
    select["statements"][0]["node"]["select_list"] = Value::Array(arguments);
    let inner: String = connection
        .query_row("SELECT json_deserialize_sql(?::JSON)", [select.to_string()], |row| row.get(0))
        .map_err(failed)?;
    // Every parameter has to occur, also those of the rest of the statement.
    let others: Vec<String> = (1..=params.len()).map(|number| format!("${number} AS p{number}")).collect();
    let others = if others.is_empty() { String::new() } else { format!(", (SELECT {})", others.join(", ")) };
    let sql = format!(
        "SELECT e::VARCHAR, epoch_ms(f::TIMESTAMP), epoch_ms(u::TIMESTAMP), s::VARCHAR, typeof(s),
            (epoch(TRY_CAST(CASE WHEN typeof(s) = 'INTERVAL' THEN s::VARCHAR END AS INTERVAL)) * 1000)::BIGINT
         FROM ({}){others}",
        inner.trim_end_matches(';')
    );
    let computed = execute_until(connection, &Statement::trusted(sql), params, SqlLimits { rows: 1, ..limits }, end)?;
    let batch = computed.batches.first().ok_or_else(|| invalid("promql: its arguments give no row".to_owned()))?;
    let texts = |column: usize| -> Option<String> {
        let array = batch.column(column).as_any().downcast_ref::<StringArray>()?;
        (!arrow::array::Array::is_null(array, 0)).then(|| array.value(0).to_owned())
    };
    let number = |column: usize| -> Option<i64> {
        let array = batch.column(column).as_any().downcast_ref::<arrow::array::Int64Array>()?;
        (!arrow::array::Array::is_null(array, 0)).then(|| array.value(0))
    };
    let missing = |name: &str| invalid(format!("promql: {name} is NULL"));
    let step = match number(5) {
        Some(millis) => PromqlStep::Millis(millis),
        None => PromqlStep::Text(texts(3).ok_or_else(|| missing("step"))?),
    };
    Ok(PromqlCall {
        expr: texts(0).ok_or_else(|| missing("the expression"))?,
        from_ms: number(1).ok_or_else(|| missing("from"))?,
        until_ms: number(2).ok_or_else(|| missing("until"))?,
        step,
    })
}

/// Evaluates the calls of a statement. Returns for each the series and their values as rows.
pub(in crate::store) fn evaluate(
    evaluator: Option<&Arc<dyn EvaluatePromql>>,
    calls: &[PromqlCall],
    end: Instant,
    is_cancelled: &IsCancelled<'_>,
) -> Result<Vec<PromqlRows>, SqlError> {
    let Some(evaluator) = evaluator else {
        return Err(invalid("promql is not available here".to_owned()));
    };
    let mut left = VALUES;
    let mut results = Vec::with_capacity(calls.len());
    for call in calls {
        let series = evaluator
            .evaluate(call, end, is_cancelled)
            .map_err(|message| invalid(format!("promql({:?}): {message}", call.expr)))?;
        let values: usize = series.iter().map(|series| series.values.len()).sum();
        left = left.checked_sub(values).ok_or_else(|| SqlError::TooComplex {
            what: "values of promql".into(),
            found: (VALUES - left + values) as u64,
            limit: VALUES as u64,
        })?;
        results.push(rows(&series).map_err(|error| invalid(format!("promql: {error}")))?);
    }
    Ok(results)
}

/// The result of a call as rows.
#[derive(Debug, Clone)]
pub(in crate::store) struct PromqlRows {
    /// `id`, `series`, `labels` of each series.
    pub(in crate::store) series: RecordBatch,
    /// `id` of the series, `timestamp`, `value`.
    pub(in crate::store) points: RecordBatch,
}

/// Returns the series with their labels, and the values with the numbers of their series.
fn rows(series: &[PromqlSeries]) -> Result<PromqlRows, ArrowError> {
    let mut names = StringBuilder::new();
    let fields = MapFieldNames { entry: "entries".into(), key: "key".into(), value: "value".into() };
    let mut labels = MapBuilder::new(Some(fields), StringBuilder::new(), StringBuilder::new());
    let (mut ids, mut times, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for (id, series) in (0u32..).zip(series) {
        names.append_value(series.labels.to_string());
        for (name, value) in series.labels.iter() {
            labels.keys().append_value(name);
            labels.values().append_value(value);
        }
        labels.append(true)?;
        ids.resize(ids.len() + series.values.len(), id);
        times.extend_from_slice(&series.timestamps);
        values.extend_from_slice(&series.values);
    }
    let count = u32::try_from(series.len()).unwrap_or(u32::MAX);
    let columns: [(&str, ArrayRef); 3] = [
        ("id", Arc::new(UInt32Array::from_iter_values(0..count))),
        ("series", Arc::new(names.finish())),
        ("labels", Arc::new(labels.finish())),
    ];
    let points: [(&str, ArrayRef); 3] = [
        ("id", Arc::new(UInt32Array::from(ids))),
        ("timestamp", Arc::new(TimestampMillisecondArray::from(times))),
        ("value", Arc::new(Float64Array::from(values))),
    ];
    Ok(PromqlRows { series: RecordBatch::try_from_iter(columns)?, points: RecordBatch::try_from_iter(points)? })
}

/// Makes the results of the calls readable on a connection, and returns the statement that reads them.
pub(in crate::store) fn install(
    connection: &Connection,
    statement: &Statement,
    results: Vec<PromqlRows>,
) -> Result<Statement, SqlError> {
    let failed = |error: duckdb::Error| invalid(format!("promql: {}", one_line(&error)));
    for (number, PromqlRows { series, points }) in results.into_iter().enumerate() {
        connection.execute_batch(&definition(number)).map_err(failed)?;
        for (table, batch) in [("series", series), ("points", points)] {
            let name = format!("{NAME}_{number}_{table}");
            let mut appender = connection.appender_to_catalog_and_db(&name, "temp", "main").map_err(failed)?;
            appender.append_record_batch(batch).map_err(failed)?;
            appender.flush().map_err(failed)?;
        }
    }
    statement.with_numbered_promql()
}

/// Drops what [`install`] has made.
pub(in crate::store) fn remove(connection: &Connection, statement: &Statement) {
    for number in 0..statement.promql.len() {
        let sql = format!(
            "DROP MACRO TABLE IF EXISTS temp.main.{NAME}_{number};
             DROP TABLE IF EXISTS temp.main.{NAME}_{number}_series; DROP TABLE IF EXISTS temp.main.{NAME}_{number}_points"
        );
        if let Err(error) = connection.execute_batch(&sql) {
            tracing::debug!(error = %one_line(&error), "temporary tables of promql remain");
        }
    }
}

/// The tables of a call, and the function that reads them. It uses its arguments, so that a parameter among them remains
/// one of the statement.
fn definition(number: usize) -> String {
    let name = format!("{NAME}_{number}");
    format!(
        "CREATE OR REPLACE TEMP TABLE {name}_series (id UINTEGER, series VARCHAR, labels MAP(VARCHAR, VARCHAR));
         CREATE OR REPLACE TEMP TABLE {name}_points (id UINTEGER, timestamp TIMESTAMP_MS, value DOUBLE);
         CREATE OR REPLACE TEMP MACRO {name}(expr, from_time, until_time, step) AS TABLE
            SELECT p.timestamp, s.series, s.labels, p.value
            FROM temp.main.{name}_points AS p JOIN temp.main.{name}_series AS s USING (id)
            WHERE expr::VARCHAR IS NOT NULL AND from_time::TIMESTAMP IS NOT NULL AND until_time::TIMESTAMP IS NOT NULL
                AND step::VARCHAR IS NOT NULL"
    )
}
