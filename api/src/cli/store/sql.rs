//! `almanac sql`: runs read-only SQL on a stopped store, or on a running service.

use std::{
    io::{IsTerminal, Write},
    sync::Arc,
    time::Duration,
};

use almanac_engine::store::{SqlAnswer, SqlLimits};
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use serde_json::{Value, json};

use super::{Backend, BackendArgs, Remote, backend::existing};
use crate::{
    cli::{CliError, Global, output, progress},
    http::{Clock, SqlEncoding, SqlExpressions, encode_sql},
    service,
};

/// Limits on a stopped store: an hour, and any number of rows.
const STORE_LIMITS: SqlLimits = SqlLimits { deadline: Duration::from_secs(3600), rows: usize::MAX, bytes: usize::MAX };
/// Number of rows requested from a service, its maximum.
const SERVICE_ROWS: usize = 1_000_000;

/// Options of `sql`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// One SELECT statement
    #[arg(value_name = "SELECT")]
    pub sql: String,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: Format,
    /// Store or service to use.
    #[command(flatten)]
    pub backend: BackendArgs,
}

/// Output format of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Table for reading
    Table,
    /// A header and one line per row
    Csv,
    /// {"columns", "types", "rows", "truncated"}
    Json,
    /// Arrow IPC stream
    Arrow,
    /// Parquet file
    Parquet,
}

/// Runs the command.
///
/// # Errors
/// A failure when the store does not exist or is in use, or when the statement is rejected or fails.
pub fn run(args: Args, global: &Global) -> Result<(), CliError> {
    if matches!(args.format, Format::Arrow | Format::Parquet) && std::io::stdout().is_terminal() {
        return Err(CliError::usage("arrow and parquet are binary; redirect the output with > FILE or |"));
    }
    let bar = progress::waiting(global, "running the statement");
    let (body, truncated) = match args.backend.backend(global)? {
        Backend::Store(config) => (from_store(&args, &config)?, false),
        Backend::Service(service) => from_service(&args, &Remote::new(service)?)?,
    };
    bar.finish_and_clear();
    let mut out = output::stdout();
    out.write_all(&body)?;
    out.flush()?;
    // The rows are printed first, so that they are not lost.
    if truncated {
        return Err(CliError::failed(format!(
            "the service returned only the first {SERVICE_ROWS} rows; narrow the query, or query the stopped store"
        )));
    }
    Ok(())
}

fn from_store(args: &Args, config: &crate::config::Config) -> Result<Vec<u8>, CliError> {
    existing(&config.store.path)?;
    let store = service::open_store(config).map_err(|error| CliError::from_error(&error))?;
    let promql = SqlExpressions::evaluator(store.clone(), Arc::new(config.clone()), Clock::system());
    let answer = store
        .analyst_sql_with(&args.sql, &[], STORE_LIMITS, Some(&promql))
        .map_err(|error| CliError::from_error(&error))?;
    drop(promql);
    store.close().map_err(|error| CliError::from_error(&error))?;
    match args.format {
        Format::Csv => encoded(&answer, SqlEncoding::Csv),
        Format::Json => encoded(&answer, SqlEncoding::Json).map(with_newline),
        Format::Arrow => encoded(&answer, SqlEncoding::Arrow),
        Format::Table => encoded(&answer, SqlEncoding::Json).and_then(|body| table(&body)),
        Format::Parquet => parquet(&answer),
    }
}

fn from_service(args: &Args, remote: &Remote) -> Result<(Vec<u8>, bool), CliError> {
    let encoding = match args.format {
        Format::Csv => SqlEncoding::Csv,
        Format::Json | Format::Table => SqlEncoding::Json,
        // The service has no Parquet encoding; the Arrow stream is converted here.
        Format::Arrow | Format::Parquet => SqlEncoding::Arrow,
    };
    let request = json!({ "sql": args.sql, "limit": SERVICE_ROWS });
    let answer = remote.post_json("/v1/sql", &request, encoding.media_type())?;
    let truncated = answer.headers.get("x-almanac-truncated").is_some_and(|value| value == "true");
    let body = match args.format {
        Format::Csv | Format::Arrow => answer.body,
        Format::Json => with_newline(answer.body),
        Format::Table => table(&answer.body)?,
        Format::Parquet => parquet(&decoded(&answer.body)?)?,
    };
    Ok((body, truncated))
}

fn encoded(answer: &SqlAnswer, encoding: SqlEncoding) -> Result<Vec<u8>, CliError> {
    let mut body = Vec::new();
    encode_sql(answer, encoding, &mut body).map_err(|error| CliError::from_error(&error))?;
    Ok(body)
}

fn with_newline(mut body: Vec<u8>) -> Vec<u8> {
    body.push(b'\n');
    body
}

fn decoded(stream: &[u8]) -> Result<SqlAnswer, CliError> {
    let read = || {
        let reader = arrow::ipc::reader::StreamReader::try_new(stream, None)?;
        let schema = reader.schema();
        Ok(SqlAnswer { schema, types: Vec::new(), batches: reader.collect::<Result<_, _>>()?, truncated: false })
    };
    read()
        .map_err(|error: arrow::error::ArrowError| CliError::from_error(&error).context("the response cannot be read"))
}

fn parquet(answer: &SqlAnswer) -> Result<Vec<u8>, CliError> {
    almanac_engine::store::to_parquet(answer).map_err(|error| CliError::from_error(&error))
}

/// Formats the JSON result as a table; numbers are right-aligned.
fn table(body: &[u8]) -> Result<Vec<u8>, CliError> {
    let wrong = |what: &str| CliError::failed(format!("the response cannot be read: {what}"));
    let answer: Value = serde_json::from_slice(body).map_err(|error| wrong(&error.to_string()))?;
    let texts = |key: &str| -> Result<Vec<&str>, CliError> {
        Ok(answer[key].as_array().ok_or_else(|| wrong(key))?.iter().filter_map(Value::as_str).collect())
    };
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_header(texts("columns")?);
    for (idx, kind) in texts("types")?.into_iter().enumerate() {
        let is_number = ["INT", "DOUBLE", "FLOAT", "DECIMAL"].iter().any(|word| kind.contains(word));
        if is_number
            && !kind.contains('[')
            && let Some(column) = table.column_mut(idx)
        {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let rows = answer["rows"].as_array().ok_or_else(|| wrong("rows"))?;
    for row in rows {
        let cells = row.as_array().ok_or_else(|| wrong("a row"))?;
        table.add_row(cells.iter().map(|cell| match cell {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }));
    }
    let count = rows.len();
    Ok(format!("{table}\n{count} row{}\n", if count == 1 { "" } else { "s" }).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_right_aligned() {
        let body = br#"{"columns":["name","n"],"types":["VARCHAR","BIGINT"],"rows":[["api",3],[null,12345]],"truncated":false}"#;
        let text = String::from_utf8(table(body).unwrap()).unwrap();
        let expected = "┌──────┬───────┐\n│ name ┆     n │\n╞══════╪═══════╡\n│ api  ┆     3 │\n│      ┆ 12345 │\n└──────┴───────┘\n2 rows\n";
        assert_eq!(text, expected);
    }
}
