//! Reads an export of `pg_stat_statements`: CSV with a header line, a JSON array, or JSON lines.

use std::collections::{HashMap, HashSet};

use csv::StringRecord;
use serde_json::{Map, Value};

use super::{
    columns::{StatementRow, missing, read},
    error::{ExportError, text},
};
use crate::database::workload::{StatementUse, Workload};

/// Rows that are read.
const ROWS_MAX: usize = 1_000_000;

/// How the file is written, for messages.
const HINT: &str = "\\copy (SELECT * FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = \
    current_database())) TO 'statements.csv' CSV HEADER writes such a file";

/// Content of an export of statements.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StatementsFile {
    /// Statement families; the span is unknown.
    pub workload: Workload,
    /// What was left out, one sentence each.
    pub notes: Vec<String>,
}

/// Reads an export of `pg_stat_statements`, with the column names of any of its versions.
///
/// Statements of one family are summed. `file` is the name in messages.
///
/// # Errors
/// [`ExportError`] with the line at fault.
pub fn read_statements(file: &str, bytes: &[u8]) -> Result<StatementsFile, ExportError> {
    let text = text(file, bytes, "an export of pg_stat_statements as CSV with a header, or as JSON")?;
    let mut families = Families::default();
    if text.trim_start().starts_with(['[', '{']) {
        read_json(file, text, &mut families)?;
    } else {
        read_csv(file, text, &mut families)?;
    }
    Ok(families.finish())
}

#[derive(Default)]
struct Families {
    statements: Vec<StatementUse>,
    by_family: HashMap<String, usize>,
    rows: usize,
    hidden: usize,
    /// Databases of the rows, if the file has the column.
    databases: HashSet<String>,
}

impl Families {
    fn add(&mut self, row: &impl StatementRow, decimal_comma: bool) -> Result<(), String> {
        self.rows += 1;
        if self.rows > ROWS_MAX {
            return Err(format!("the file has more than {ROWS_MAX} rows; export the heaviest with ORDER BY and LIMIT"));
        }
        self.databases.extend(row.value(&["dbid"]));
        let Some(found) = read(row, decimal_comma)? else {
            self.hidden += 1;
            return Ok(());
        };
        match self.by_family.get(&found.family).and_then(|idx| self.statements.get_mut(*idx)) {
            Some(known) => known.add(&found),
            None => {
                self.by_family.insert(found.family.clone(), self.statements.len());
                self.statements.push(found);
            }
        }
        Ok(())
    }

    fn finish(mut self) -> StatementsFile {
        let mut notes = Vec::new();
        if self.hidden > 0 {
            notes.push(format!(
                "{} of {} statements have no visible text and were left out; GRANT pg_read_all_stats shows them",
                self.hidden, self.rows
            ));
        }
        if self.databases.len() > 1 {
            notes.push(format!(
                "the statements are those of {} databases, and all are read as statements of this schema; {HINT}",
                self.databases.len()
            ));
        }
        self.statements.sort_by(|a, b| b.total_ms.total_cmp(&a.total_ms).then_with(|| a.family.cmp(&b.family)));
        StatementsFile { workload: Workload { statements: self.statements, ..Workload::default() }, notes }
    }
}

struct CsvRow<'a> {
    columns: &'a HashMap<String, usize>,
    record: &'a StringRecord,
}

impl StatementRow for CsvRow<'_> {
    fn value(&self, names: &[&str]) -> Option<String> {
        let column = names.iter().find_map(|name| self.columns.get(*name))?;
        self.record.get(*column).filter(|text| !text.trim().is_empty() && *text != "\\N").map(str::to_owned)
    }

    fn has(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.columns.contains_key(*name))
    }
}

fn read_csv(file: &str, text: &str, families: &mut Families) -> Result<(), ExportError> {
    let header = text.lines().next().unwrap_or_default();
    if header.matches('|').count() > header.matches([',', ';', '\t']).count() {
        let message = format!("the file is a table of psql, not CSV; {HINT}");
        return Err(ExportError::new(file, Some(1), message));
    }
    let count = |delimiter: char| header.matches(delimiter).count();
    let delimiter = [(b',', ','), (b';', ';'), (b'\t', '\t')].into_iter().rev().max_by_key(|(_, c)| count(*c));
    let delimiter = delimiter.map_or(b',', |(byte, _)| byte);
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(text.as_bytes());
    let wrong = |error: &csv::Error| {
        ExportError::new(file, error.position().map(csv::Position::line), format!("the line is not CSV: {error}"))
    };
    let headers = reader.headers().map_err(|error| wrong(&error))?.clone();
    let columns: HashMap<String, usize> =
        headers.iter().enumerate().map(|(idx, name)| (name.trim().to_lowercase(), idx)).collect();
    let first = CsvRow { columns: &columns, record: &headers };
    if let Some(name) = missing(&first) {
        let found: Vec<&str> = headers.iter().take(12).collect();
        let message = format!("there is no column {name} in the header ({}); {HINT}", found.join(", "));
        return Err(ExportError::new(file, Some(1), message));
    }
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| wrong(&error))? {
        let line = record.position().map(csv::Position::line);
        if record.len() != headers.len() {
            let message = format!(
                "the line has {} values, the header {} columns; quote values that contain the delimiter, as CSV HEADER does",
                record.len(),
                headers.len()
            );
            return Err(ExportError::new(file, line, message));
        }
        let row = CsvRow { columns: &columns, record: &record };
        families.add(&row, delimiter == b';').map_err(|message| ExportError::new(file, line, message))?;
    }
    Ok(())
}

impl StatementRow for Map<String, Value> {
    fn value(&self, names: &[&str]) -> Option<String> {
        match names.iter().find_map(|name| self.get(*name))? {
            Value::String(text) => Some(text.clone()).filter(|text| !text.trim().is_empty()),
            Value::Null => None,
            other => Some(other.to_string()),
        }
    }

    fn has(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.contains_key(*name))
    }
}

fn read_json(file: &str, text: &str, families: &mut Families) -> Result<(), ExportError> {
    let mut row = |value: Value, line: Option<u64>| {
        let Value::Object(row) = value else {
            return Err(ExportError::new(
                file,
                line,
                "a statement is a JSON object, such as json_agg makes of each row",
            ));
        };
        if let Some(name) = missing(&row) {
            let found: Vec<&str> = row.keys().take(12).map(String::as_str).collect();
            let message = format!("there is no key {name} ({}); export rows of pg_stat_statements", found.join(", "));
            return Err(ExportError::new(file, line, message));
        }
        families.add(&row, false).map_err(|message| ExportError::new(file, line, message))
    };
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let mut lines = Lines::new(text);
    let mut before = 0;
    while let Some(value) = values.next() {
        let line = lines.at(before);
        let value = value.map_err(|error| not_json(file, &error))?;
        before = values.byte_offset();
        match value {
            Value::Array(rows) => rows.into_iter().try_for_each(|value| row(value, None))?,
            value => row(value, Some(line))?,
        }
    }
    Ok(())
}

/// Counts lines up to a byte that only grows, so that a text is read once.
pub(super) struct Lines<'a> {
    rest: &'a str,
    /// Bytes in front of `rest`.
    passed: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text, passed: 0, line: 1 }
    }

    /// Returns the line at a byte, behind white space.
    pub(super) fn at(&mut self, byte: usize) -> u64 {
        let behind = self.rest.get(byte.saturating_sub(self.passed)..).unwrap_or("").trim_start();
        let (before, _) = self.rest.split_at_checked(self.rest.len() - behind.len()).unwrap_or((self.rest, ""));
        self.line += before.matches('\n').count() as u64;
        self.passed += before.len();
        self.rest = behind;
        self.line
    }
}

/// Returns the error of a text that is not JSON.
pub(super) fn not_json(file: &str, error: &serde_json::Error) -> ExportError {
    // The parser counts lines from the start of the text.
    ExportError::new(file, Some(error.line() as u64), format!("the text is not JSON: {}", without_place(error)))
}

/// Returns a message of the JSON parser without line and column.
pub(super) fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or_else(|| text.clone(), |(message, _)| message.to_owned())
}
