//! Assigns a role to each column of a table by name and contents: time, series, value, incident, label, or none.

use std::path::Path;

use hashbrown::HashMap;

use super::{
    FileError,
    batch::{Batch, Cell, Field, Nesting},
    error::missing_column,
};
use crate::ingest::timestamp::{self, ParsedTimestamp};

/// Names of the time column, the most likely first, in any case. `ds` is Prophet's, `_time` InfluxDB's.
const TIME: [&str; 10] =
    ["timestamp", "time", "_time", "ds", "datetime", "date_time", "date", "ts", "@timestamp", "timestamp_ms"];
/// Names of the value column.
const VALUE: [&str; 3] = ["value", "_value", "y"];
/// Names of the series column.
const SERIES: [&str; 5] = ["series", "unique_id", "__name__", "metric", "metric_name"];
/// Names of index columns; such a column is ignored only if its values are consecutive integers.
const ROW_NUMBERS: [&str; 5] = ["index", "level_0", "row_nr", "rownames", "rowid"];
/// Columns of InfluxDB's results that are not tags.
const INFLUX: [&str; 4] = ["result", "table", "_start", "_stop"];

/// Roles of a table's columns, by column index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableLayout {
    pub(crate) time: usize,
    pub(crate) series: SeriesName,
    pub(crate) values: ValueColumns,
    pub(crate) incident: Option<usize>,
    /// Column that tells which rows without a value are stale markers.
    pub(crate) stale: Option<usize>,
    pub(crate) labels: Vec<usize>,
}

/// Source of a row's series name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SeriesName {
    /// None: the table is one series.
    Table,
    /// A column.
    Column(usize),
    /// InfluxDB's `_measurement`, if present, and `_field`.
    Influx(Option<usize>, usize),
}

/// Value columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ValueColumns {
    /// Long form: one column.
    Long(usize),
    /// Wide form: each column is a series, named after the column.
    Wide(Vec<usize>),
}

/// Earlier decisions by column name: whether a column of a wide table contains values.
pub(crate) type ColumnDecisions = HashMap<String, bool>;

impl TableLayout {
    /// Determines the layout by column names and, if they are not sufficient, by the rows of the batch. Earlier
    /// decisions are kept, so that a column does not change its role between batches.
    pub(crate) fn of(path: &Path, batch: &Batch, decided: &mut ColumnDecisions) -> Result<Self, FileError> {
        let names = batch.names();
        let find = |wanted: &[&str]| {
            wanted.iter().find_map(|name| names.iter().position(|column| column.eq_ignore_ascii_case(name)))
        };
        let time = find(&TIME)
            .or_else(|| unnamed_time(path, batch, &names))
            .ok_or_else(|| missing_column(path, &names, "timestamp"))?;
        let value = find(&VALUE).filter(|&idx| idx != time);
        let field = find(&["_field"]);
        let series = match (find(&SERIES).filter(|&idx| batch.nesting.get(idx) != Some(&Nesting::Object)), field) {
            (Some(column), _) => SeriesName::Column(column),
            (None, Some(field)) => SeriesName::Influx(find(&["_measurement"]), field),
            (None, None) => SeriesName::Table,
        };
        let incident = find(&["incident"]);
        // A stale marker is no row without a value, but the end of its series.
        let stale = value.and_then(|_| names.iter().position(|name| *name == "stale_marker"));
        let is_influx = names.contains(&"_time");
        let rest: Vec<usize> = (0..names.len())
            .filter(|&idx| {
                idx != time && Some(idx) != value && Some(idx) != incident && Some(idx) != stale && !series.is(idx)
            })
            .filter(|&idx| !is_index(path, batch, idx, names[idx]))
            .filter(|&idx| !(is_influx && INFLUX.contains(&names[idx])))
            .collect();
        if let Some(value) = value {
            return Ok(Self { time, series, values: ValueColumns::Long(value), incident, stale, labels: rest });
        }
        if series != SeriesName::Table {
            return Err(missing_column(path, &names, "value"));
        }
        let (values, labels): (Vec<usize>, Vec<usize>) = rest.into_iter().partition(|&idx| {
            let name = names[idx];
            *decided.entry_ref(name).or_insert_with(|| holds_values(&batch.field(path, idx), batch.frame.height()))
        });
        if values.is_empty() {
            return Err(missing_column(path, &names, "value"));
        }
        Ok(Self { time, series, values: ValueColumns::Wide(values), incident, stale: None, labels })
    }
}

impl SeriesName {
    fn is(self, idx: usize) -> bool {
        match self {
            Self::Table => false,
            Self::Column(column) => column == idx,
            Self::Influx(measurement, field) => measurement == Some(idx) || field == idx,
        }
    }
}

/// Returns whether a column is an index written by pandas, R or polars.
fn is_index(path: &Path, batch: &Batch, idx: usize, name: &str) -> bool {
    if name.is_empty() || name.starts_with("__index_level_") || name.starts_with("Unnamed: ") {
        return true;
    }
    if !ROW_NUMBERS.iter().any(|known| name.eq_ignore_ascii_case(known)) || batch.frame.height() < 2 {
        return false;
    }
    let field = batch.field(path, idx);
    let number = |row: usize| match field.cell(row) {
        Cell::Int(number) => Some(number),
        Cell::Text(text) => text.trim().parse().ok(),
        _ => None,
    };
    (1..batch.frame.height()).all(|row| number(row - 1).is_some_and(|before| number(row) == Some(before + 1)))
}

/// Returns the time column of a table without a known name: an index of times, or the only column of instants.
fn unnamed_time(path: &Path, batch: &Batch, names: &[&str]) -> Option<usize> {
    // The first rows are sufficient to recognise times.
    let rows = batch.frame.height().min(100);
    let is_time = |idx: usize| {
        let field = batch.field(path, idx);
        rows > 0
            && (0..rows).all(|row| match field.written(row) {
                Ok(ParsedTimestamp::Integer(count)) => timestamp::looks_like_time(count),
                Ok(ParsedTimestamp::Instant(_) | ParsedTimestamp::Fraction(_)) => true,
                Err(_) => false,
            })
    };
    if let Some(index) = (0..names.len()).find(|&idx| is_index(path, batch, idx, names[idx]) && is_time(idx)) {
        return Some(index);
    }
    let stamped = |idx: usize| (0..rows).all(|row| matches!(batch.field(path, idx).cell(row), Cell::Stamp(_)));
    let mut stamped = (0..names.len()).filter(|&idx| rows > 0 && stamped(idx));
    stamped.next().filter(|_| stamped.next().is_none())
}

/// Returns whether a column of a wide table contains values: at least half of its non-missing entries are numbers. A
/// single typing error in a value column is therefore an error, and does not turn the column into a label.
fn holds_values(field: &Field<'_>, rows: usize) -> bool {
    if field.nesting != Nesting::Scalar {
        return false;
    }
    let (mut numbers, mut others) = (0, 0);
    for row in 0..rows {
        match field.cell(row) {
            Cell::Null => {}
            Cell::Stamp(_) | Cell::Bool(_) => others += 1,
            _ => match field.value(row) {
                Ok(None) => {}
                Ok(Some(_)) => numbers += 1,
                Err(_) => others += 1,
            },
        }
    }
    numbers >= others
}
