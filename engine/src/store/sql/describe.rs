//! Describes a checked statement: DuckDB binds it, and nothing runs.

use std::time::Instant;

use arrow::array::AsArray;
use duckdb::Connection;

use super::{SqlDescription, SqlError, SqlLimits, SqlParam, Statement, execute_until};

/// Returns the columns and parameters of a checked statement.
pub(in crate::store) fn describe_until(
    connection: &Connection,
    statement: &Statement,
    limits: SqlLimits,
    end: Instant,
) -> Result<SqlDescription, SqlError> {
    let params = statement.types.clone();
    if !statement.explain.is_empty() {
        let columns = ["explain_key", "explain_value"].map(|name| (name.to_owned(), "VARCHAR".to_owned()));
        return Ok(SqlDescription { columns: columns.into(), params });
    }
    // DESCRIBE binds its query and returns the columns as rows. The values of parameters do not matter: each has a cast.
    let describing = statement.describing();
    let nulls = vec![SqlParam::Null; describing.types.len()];
    let answer = execute_until(connection, &describing, &nulls, limits, end)?;
    let mut columns = Vec::new();
    for batch in &answer.batches {
        let (Some(names), Some(types)) = (batch.column_by_name("column_name"), batch.column_by_name("column_type"))
        else {
            continue;
        };
        let (Some(names), Some(types)) = (names.as_string_opt::<i32>(), types.as_string_opt::<i32>()) else { continue };
        columns.extend(names.iter().zip(types).map(|(name, found)| {
            (name.unwrap_or_default().to_owned(), statement.type_for_client(found.unwrap_or_default().to_owned()))
        }));
    }
    let width = columns.len();
    for (idx, (name, _)) in columns.iter_mut().enumerate() {
        *name = statement.name_for_client(idx, width, name);
    }
    Ok(SqlDescription { columns, params })
}
