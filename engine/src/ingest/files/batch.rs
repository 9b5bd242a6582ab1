//! A batch of rows of a table: a polars frame with the position of each row in its file, and typed access to single
//! values.

use std::{borrow::Cow, path::Path};

use polars::prelude::{BooleanChunked, DataFrame, DataType, Float64Chunked, Int64Chunked, StringChunked};

use super::{FileError, Place, error::shorten};
use crate::ingest::{
    number::{self, Number},
    timestamp::{self, ParsedTimestamp},
};

/// Form of a column's values before their conversion to text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nesting {
    /// One value per row.
    Scalar,
    /// JSON objects: structs and maps.
    Object,
    /// JSON arrays.
    List,
}

/// Batch of rows of a table.
pub(crate) struct Batch {
    /// Columns of text, integers, floats, booleans or instants in milliseconds.
    pub(crate) frame: DataFrame,
    /// Form of each column's values.
    pub(crate) nesting: Vec<Nesting>,
    /// Positions of the rows in the file.
    pub(crate) places: RowPositions,
}

/// Positions of the rows of a batch in the file.
#[derive(Debug, Clone)]
pub(crate) enum RowPositions {
    /// Line number of each row.
    Lines(Vec<u64>),
    /// Consecutive rows; the number of the first.
    Rows(u64),
    /// Row or element number of each row.
    Numbered(Vec<u64>),
}

impl RowPositions {
    /// Returns the position of a row of the batch.
    pub(crate) fn of(&self, row: usize) -> Place {
        match self {
            Self::Lines(lines) => Place::Line(lines.get(row).copied().unwrap_or_default()),
            Self::Rows(first) => Place::Row(first + row as u64),
            Self::Numbered(rows) => Place::Row(rows.get(row).copied().unwrap_or_default()),
        }
    }
}

/// Receives the batches of a file in file order.
pub(crate) trait Visitor {
    /// Processes one batch. A file with a header but no rows gives one batch without rows.
    fn batch(&mut self, batch: &Batch) -> Result<(), FileError>;
}

impl Batch {
    pub(crate) fn names(&self) -> Vec<&str> {
        self.frame.columns().iter().map(|column| column.name().as_str()).collect()
    }

    pub(crate) fn field<'a>(&'a self, path: &'a Path, index: usize) -> Field<'a> {
        let column = &self.frame.columns()[index];
        let cells = match column.dtype() {
            DataType::String => column.str().map(Cells::Text),
            DataType::Int64 => column.i64().map(Cells::Int),
            DataType::Float64 => column.f64().map(Cells::Float),
            DataType::Boolean => column.bool().map(Cells::Bool),
            _ => column.datetime().map(|stamps| Cells::Stamp(stamps.physical())),
        };
        let nesting = self.nesting.get(index).copied().unwrap_or(Nesting::Scalar);
        Field { path, places: &self.places, name: column.name().as_str(), nesting, cells: cells.unwrap_or(Cells::None) }
    }
}

/// One value of a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cell<'a> {
    /// No value.
    Null,
    /// Text; in CSV any value is text.
    Text(&'a str),
    /// An integer.
    Int(i64),
    /// A number.
    Float(f64),
    /// An instant in epoch milliseconds.
    Stamp(i64),
    /// A boolean.
    Bool(bool),
}

enum Cells<'a> {
    Text(&'a StringChunked),
    Int(&'a Int64Chunked),
    Float(&'a Float64Chunked),
    Bool(&'a BooleanChunked),
    Stamp(&'a Int64Chunked),
    None,
}

/// One column of a batch with typed access to its values. Errors name file, line, column and value.
pub(crate) struct Field<'a> {
    path: &'a Path,
    places: &'a RowPositions,
    pub(crate) name: &'a str,
    pub(crate) nesting: Nesting,
    cells: Cells<'a>,
}

const EXPECTED_NUMBER: &str = "a number; leave it empty when the value is missing";

impl<'a> Field<'a> {
    /// Returns the value of a row.
    pub(crate) fn cell(&self, row: usize) -> Cell<'a> {
        let cell = match &self.cells {
            Cells::Text(text) => text.get(row).map(Cell::Text),
            Cells::Int(numbers) => numbers.get(row).map(Cell::Int),
            Cells::Float(numbers) => numbers.get(row).map(Cell::Float),
            Cells::Bool(truths) => truths.get(row).map(Cell::Bool),
            Cells::Stamp(stamps) => stamps.get(row).map(Cell::Stamp),
            Cells::None => None,
        };
        cell.unwrap_or(Cell::Null)
    }

    /// Returns the value of a row as text; `None` if it is missing.
    pub(crate) fn label(&self, row: usize) -> Option<Cow<'a, str>> {
        match self.cell(row) {
            Cell::Null => None,
            Cell::Text(text) => Some(text.into()),
            Cell::Int(number) | Cell::Stamp(number) => Some(number.to_string().into()),
            Cell::Float(number) => Some(number.to_string().into()),
            Cell::Bool(truth) => Some(truth.to_string().into()),
        }
    }

    /// Returns the error for an invalid value; `expected` completes "is not …".
    pub(crate) fn wrong(&self, row: usize, expected: &str) -> FileError {
        FileError::Cell {
            file: self.path.to_owned(),
            place: self.places.of(row),
            column: self.name.to_owned(),
            value: self.label(row).map(|text| shorten(&text)).unwrap_or_default(),
            expected: expected.to_owned(),
        }
    }

    /// Parses a timestamp without deciding the unit of integers.
    pub(crate) fn written(&self, row: usize) -> Result<ParsedTimestamp, FileError> {
        let written = match self.cell(row) {
            Cell::Stamp(millis) => Some(ParsedTimestamp::Instant(millis)),
            Cell::Int(count) => timestamp::integer(count),
            Cell::Float(number) => timestamp::decimal(number),
            Cell::Text(text) => timestamp::read(text),
            Cell::Null | Cell::Bool(_) => None,
        };
        written.ok_or_else(|| self.wrong(row, timestamp::EXPECTED))
    }

    /// Parses a timestamp as epoch milliseconds.
    pub(crate) fn timestamp(&self, row: usize) -> Result<i64, FileError> {
        self.written(row).map(ParsedTimestamp::millis)
    }

    /// Parses a number; `None` if the value is missing.
    pub(crate) fn value(&self, row: usize) -> Result<Option<f64>, FileError> {
        match self.cell(row) {
            Cell::Null => Ok(None),
            Cell::Float(number) => Ok(Some(number)),
            #[expect(clippy::cast_precision_loss, reason = "metric values are doubles")]
            Cell::Int(number) => Ok(Some(number as f64)),
            Cell::Bool(truth) => Ok(Some(f64::from(u8::from(truth)))),
            Cell::Text(text) => match number::read(text) {
                Some(Number::Missing) => Ok(None),
                Some(Number::Value(value)) => Ok(Some(value)),
                None if is_decimal_comma(text) => Err(self.wrong(row, "a number with a decimal point")),
                None => Err(self.wrong(row, EXPECTED_NUMBER)),
            },
            Cell::Stamp(_) => Err(self.wrong(row, EXPECTED_NUMBER)),
        }
    }

    /// Parses a finite number; a missing value becomes NaN.
    pub(crate) fn finite(&self, row: usize) -> Result<f64, FileError> {
        let number = self.value(row)?.unwrap_or(f64::NAN);
        if number.is_infinite() {
            return Err(self.wrong(row, "a finite number; leave it empty when the value is missing"));
        }
        Ok(number)
    }

    /// Parses a number ≥ 0; `None` if the value is missing or NaN.
    pub(crate) fn non_negative(&self, row: usize) -> Result<Option<f64>, FileError> {
        match self.value(row)? {
            Some(number) if !number.is_nan() => {
                if !(0.0..f64::INFINITY).contains(&number) {
                    return Err(self.wrong(row, "a number of at least 0"));
                }
                Ok(Some(number))
            }
            _ => Ok(None),
        }
    }

    /// Parses an integer ≥ 0; `None` if the value is missing.
    pub(crate) fn count(&self, row: usize) -> Result<Option<u64>, FileError> {
        let parsed = match self.cell(row) {
            Cell::Null => return Ok(None),
            Cell::Text(text) if text.trim().is_empty() => return Ok(None),
            Cell::Int(number) => u64::try_from(number).ok(),
            Cell::Text(text) => text.trim().parse().ok().or_else(|| text.trim().parse().ok().and_then(whole)),
            Cell::Float(number) => whole(number),
            _ => None,
        };
        parsed.map(Some).ok_or_else(|| self.wrong(row, "a whole number of at least 0"))
    }

    /// Parses 0 or 1, also written as a boolean.
    pub(crate) fn flag(&self, row: usize) -> Result<bool, FileError> {
        let parsed = match self.cell(row) {
            Cell::Bool(truth) => Some(truth),
            Cell::Int(0) => Some(false),
            Cell::Int(1) => Some(true),
            Cell::Float(0.0) => Some(false),
            Cell::Float(1.0) => Some(true),
            Cell::Text(text) => match text.trim() {
                "0" | "0.0" | "false" | "False" | "FALSE" => Some(false),
                "1" | "1.0" | "true" | "True" | "TRUE" => Some(true),
                _ => None,
            },
            _ => None,
        };
        parsed.ok_or_else(|| self.wrong(row, "0 or 1"))
    }

    /// Returns a name or key: non-empty text, or an integer as text.
    pub(crate) fn name(&self, row: usize) -> Result<Cow<'a, str>, FileError> {
        match self.cell(row) {
            Cell::Int(number) => Ok(number.to_string().into()),
            Cell::Text(text) if !text.trim().is_empty() => Ok(text.into()),
            _ => Err(self.wrong(row, "a name")),
        }
    }

    /// Parses one of the given words.
    pub(crate) fn one_of<T: Copy>(&self, row: usize, words: &[(&str, T)]) -> Result<T, FileError> {
        if let Cell::Text(text) = self.cell(row)
            && let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text.trim())
        {
            return Ok(*meaning);
        }
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        Err(self.wrong(row, &format!("one of {}", names.join(", "))))
    }
}

/// Returns the integer of a float without a fraction.
fn whole(number: f64) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and within u64")]
    (number.fract().abs() <= 0.0 && (0.0..1e18).contains(&number)).then_some(number as u64)
}

/// Returns whether a number has a decimal comma.
fn is_decimal_comma(text: &str) -> bool {
    text.matches(',').count() == 1 && text.trim().replace(',', ".").parse::<f64>().is_ok()
}
