//! Decides what each column of a table is: time, series, value, incident, label, or nothing.

use std::path::Path;

use hashbrown::HashMap;

use super::{
    FileError,
    batch::{Batch, Cell, Field, Nesting},
    error::missing_column,
};
use crate::ingest::stamp::{self, Written};

/// Names of the column of timestamps, the likeliest first; case does not matter. `ds` is Prophet's, `_time` InfluxDB's.
const TIME: [&str; 10] =
    ["timestamp", "time", "_time", "ds", "datetime", "date_time", "date", "ts", "@timestamp", "timestamp_ms"];
/// Names of the column of values.
const VALUE: [&str; 3] = ["value", "_value", "y"];
/// Names of the column that names the series.
const SERIES: [&str; 5] = ["series", "unique_id", "__name__", "metric", "metric_name"];
/// Columns that number rows when their values do.
const ROW_NUMBERS: [&str; 5] = ["index", "level_0", "row_nr", "rownames", "rowid"];
/// Columns of InfluxDB's answers that are no tags.
const INFLUX: [&str; 4] = ["result", "table", "_start", "_stop"];

/// What the columns of a table are, by their position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) time: usize,
    pub(crate) series: SeriesName,
    pub(crate) values: Values,
    pub(crate) incident: Option<usize>,
    pub(crate) labels: Vec<usize>,
}

/// Where the name of a row's series is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SeriesName {
    /// Nowhere: the table has one name for all.
    Table,
    /// In a column.
    Column(usize),
    /// InfluxDB's `_field` behind its `_measurement`, where there is one.
    Influx(Option<usize>, usize),
}

/// Where the values are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Values {
    /// Long form: in one column.
    Long(usize),
    /// Wide form: each column is a series of its name.
    Wide(Vec<usize>),
}

/// Columns of a wide table of which it was decided whether they hold values, by name.
pub(crate) type Decided = HashMap<String, bool>;

impl Layout {
    /// Decides by the names and, where they do not suffice, by the rows of the batch; what was decided before is kept.
    pub(crate) fn of(path: &Path, batch: &Batch, decided: &mut Decided) -> Result<Self, FileError> {
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
        let is_influx = names.contains(&"_time");
        let rest: Vec<usize> = (0..names.len())
            .filter(|&idx| idx != time && Some(idx) != value && Some(idx) != incident && !series.is(idx))
            .filter(|&idx| !is_index(path, batch, idx, names[idx]))
            .filter(|&idx| !(is_influx && INFLUX.contains(&names[idx])))
            .collect();
        if let Some(value) = value {
            return Ok(Self { time, series, values: Values::Long(value), incident, labels: rest });
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
        Ok(Self { time, series, values: Values::Wide(values), incident, labels })
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

/// Whether a column is the index that pandas, R or polars wrote beside the data.
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

/// The time column of a table that calls none so: the index if it holds times, or the only column of instants.
fn unnamed_time(path: &Path, batch: &Batch, names: &[&str]) -> Option<usize> {
    let rows = batch.frame.height().min(100);
    let is_time = |idx: usize| {
        let field = batch.field(path, idx);
        rows > 0
            && (0..rows).all(|row| match field.written(row) {
                Ok(Written::Integer(count)) => stamp::looks_like_time(count),
                Ok(Written::Instant(_) | Written::Fraction(_)) => true,
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

/// Whether a column of a wide table holds values: at least half of what it has are numbers, so that a slip of the
/// pen among numbers is an error and not a label.
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
