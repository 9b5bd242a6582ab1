//! Columns of `pg_stat_statements` by the names of its versions.

use crate::database::{
    statement::{family, normalize},
    workload::StatementUse,
};

/// Names of one quantity in the versions of `pg_stat_statements`.
type Names = &'static [&'static str];

const QUERY: Names = &["query", "statement", "query_text"];
const CALLS: Names = &["calls"];
const TOTAL: Names = &["total_exec_time", "total_time", "total_ms"];
const MEAN: Names = &["mean_exec_time", "mean_time", "mean_ms"];
const DEVIATION: Names = &["stddev_exec_time", "stddev_time", "deviation_ms"];
const LONGEST: Names = &["max_exec_time", "max_time", "longest_ms"];
const PLANNING: Names = &["total_plan_time", "planning_ms"];
const ROWS: Names = &["rows"];
const HIT: Names = &["shared_blks_hit", "blocks_hit"];
const READ: Names = &["shared_blks_read", "blocks_read"];
const TEMPORARY: [Names; 2] = [&["temp_blks_read", "blocks_temporary"], &["temp_blks_written"]];
const WAL: Names = &["wal_bytes"];

/// Text that PostgreSQL shows instead of a statement that the role may not see.
pub(super) const HIDDEN: &str = "<insufficient privilege>";

/// A row of `pg_stat_statements` with access by the name of a column; the value is its text.
pub(super) trait StatementRow {
    /// Returns the value of the first column of these names; empty and NULL give none.
    fn value(&self, names: &[&str]) -> Option<String>;
    /// Returns whether the row has one of these columns.
    fn has(&self, names: &[&str]) -> bool;
}

/// Returns the first quantity that is needed and that the row has no column for.
pub(super) fn missing(row: &impl StatementRow) -> Option<&'static str> {
    let needed =
        [("query", row.has(QUERY)), ("calls", row.has(CALLS)), ("total_exec_time", row.has(TOTAL) || row.has(MEAN))];
    needed.into_iter().find(|(_, has)| !has).map(|(name, _)| name)
}

/// Reads a row. None: its text is not visible or empty.
///
/// `decimal_comma`: whether numbers may have a comma as the decimal separator.
///
/// # Errors
/// A message that names the column and the value that is not a number of at least 0.
pub(super) fn read(row: &impl StatementRow, decimal_comma: bool) -> Result<Option<StatementUse>, String> {
    let number = |names: Names| -> Result<Option<f64>, String> {
        let Some(text) = row.value(names) else { return Ok(None) };
        let plain = if decimal_comma { text.replace(',', ".") } else { text.clone() };
        match plain.trim().parse::<f64>() {
            Ok(value) if value.is_finite() && value >= 0.0 => Ok(Some(value)),
            _ => {
                let shown: String = text.chars().take(40).collect();
                Err(format!("{} is {shown:?}; expected a number of at least 0", names.first().unwrap_or(&"")))
            }
        }
    };
    let calls = number(CALLS)?.unwrap_or_default();
    let total_ms = match number(TOTAL)? {
        Some(total) => total,
        None => number(MEAN)?.unwrap_or_default() * calls,
    };
    let mut temporary = 0.0;
    for names in TEMPORARY {
        temporary += number(names)?.unwrap_or_default();
    }
    let mut found = StatementUse {
        calls,
        total_ms,
        deviation_ms: number(DEVIATION)?,
        longest_ms: number(LONGEST)?,
        planning_ms: number(PLANNING)?,
        rows: number(ROWS)?.unwrap_or_default(),
        blocks_hit: number(HIT)?.unwrap_or_default(),
        blocks_read: number(READ)?.unwrap_or_default(),
        blocks_temporary: temporary,
        wal_bytes: number(WAL)?,
        ..StatementUse::default()
    };
    let Some(query) = row.value(QUERY).filter(|query| query != HIDDEN) else { return Ok(None) };
    found.family = family(&query);
    found.statement = normalize(&query);
    Ok(Some(found).filter(|found| !found.statement.is_empty()))
}
