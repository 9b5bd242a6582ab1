use std::{
    borrow::Cow,
    fs::File,
    io::{BufReader, Read, Seek},
    path::Path,
};

use flate2::read::MultiGzDecoder;

use super::{FileError, Place, csv, error::shorten, parquet};
use crate::ingest::stamp;

/// One value of a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cell<'a> {
    /// No value.
    Null,
    /// Text, which may stand for any kind of value (CSV knows no other).
    Text(&'a str),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// An instant in epoch milliseconds.
    Stamp(i64),
    /// A truth value.
    Bool(bool),
    /// An instant too far from 1970 to be kept.
    OutOfRange,
}

/// One row of a table, valid during a visit.
pub(crate) trait Row {
    /// Where the row stands.
    fn place(&self) -> Place;
    /// The value in a column.
    fn cell(&self, column: usize) -> Cell<'_>;
}

/// What becomes of a table's rows.
pub(crate) trait Visitor {
    /// Called once, before any row, with the columns' names.
    fn header(&mut self, columns: &[String]) -> Result<(), FileError>;
    /// Called for each row in the file's order.
    fn row(&mut self, row: &dyn Row) -> Result<(), FileError>;
}

/// Which kind of file this is, told by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Container {
    /// Apache Parquet.
    Parquet,
    /// Text compressed by gzip.
    Gzip,
    /// Anything else: text.
    Plain,
}

/// Opens a file and tells its kind by its first bytes; an empty file is an error.
pub(crate) fn open(path: &Path) -> Result<(File, Container), FileError> {
    let read = |source| FileError::read(path, source);
    let mut file = File::open(path).map_err(read)?;
    let kind = file.metadata().map_err(read)?;
    if kind.is_dir() {
        return Err(FileError::shape(path, "is a directory; name a file"));
    }
    if !kind.is_file() {
        // A pipe can be read once and only forwards.
        let mut copy = tempfile::tempfile().map_err(read)?;
        std::io::copy(&mut file, &mut copy).map_err(read)?;
        copy.rewind().map_err(read)?;
        file = copy;
    }
    let mut magic = Vec::new();
    (&mut file).take(4).read_to_end(&mut magic).map_err(read)?;
    file.rewind().map_err(read)?;
    match magic.as_slice() {
        [] => Err(FileError::shape(path, "is empty")),
        b"PAR1" => Ok((file, Container::Parquet)),
        [0x1f, 0x8b, ..] => Ok((file, Container::Gzip)),
        _ => Ok((file, Container::Plain)),
    }
}

/// The text of a file, decompressed when it is compressed.
pub(crate) fn text(file: File, container: Container) -> Box<dyn Read> {
    match container {
        Container::Gzip => Box::new(MultiGzDecoder::new(BufReader::with_capacity(1 << 16, file))),
        Container::Plain | Container::Parquet => Box::new(file),
    }
}

/// Reads a CSV (gzip too) or Parquet file row by row.
pub(crate) fn read(path: &Path, visitor: &mut dyn Visitor) -> Result<(), FileError> {
    let (file, container) = open(path)?;
    match container {
        Container::Parquet if !path.is_file() => {
            Err(FileError::shape(path, "is a pipe; Parquet is read here and there, so name a file"))
        }
        Container::Parquet => parquet::read(path, visitor),
        _ if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("parquet")) => {
            Err(FileError::shape(path, "is not a Parquet file: it does not begin with PAR1"))
        }
        _ => csv::read(path, text(file, container), visitor),
    }
}

/// A column that a reader wants: its index and its name.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) index: usize,
    pub(crate) name: String,
}

/// Finds a column by name; a missing one is an error that lists those there are.
pub(crate) fn require(path: &Path, columns: &[String], name: &str) -> Result<Column, FileError> {
    find(columns, name).ok_or_else(|| {
        let there: Vec<String> = columns.iter().take(20).map(|c| format!("{:?}", shorten(c))).collect();
        FileError::shape(path, format!("has no column {name:?}; its columns are {}", there.join(", ")))
    })
}

/// Finds a column by name.
pub(crate) fn find(columns: &[String], name: &str) -> Option<Column> {
    columns.iter().position(|c| c == name).map(|index| Column { index, name: name.to_owned() })
}

/// Reads the values of a row, with errors that name file, line, column and value.
#[derive(Clone, Copy)]
pub(crate) struct Cells<'a> {
    pub(crate) path: &'a Path,
    pub(crate) row: &'a dyn Row,
}

impl<'a> Cells<'a> {
    fn wrong(&self, column: &Column, expected: &str) -> FileError {
        let value = match self.row.cell(column.index) {
            Cell::Null => String::new(),
            Cell::Text(text) => shorten(text),
            Cell::Int(number) | Cell::Stamp(number) => number.to_string(),
            Cell::Float(number) => number.to_string(),
            Cell::Bool(truth) => truth.to_string(),
            Cell::OutOfRange => "a timestamp out of range".to_owned(),
        };
        FileError::Cell {
            file: self.path.to_owned(),
            place: self.row.place(),
            column: column.name.clone(),
            value,
            expected: expected.to_owned(),
        }
    }

    /// An instant in epoch milliseconds.
    pub(crate) fn timestamp(&self, column: &Column) -> Result<i64, FileError> {
        let millis = match self.row.cell(column.index) {
            Cell::Stamp(millis) => Some(millis),
            Cell::Int(millis) => stamp::in_range(millis).then_some(millis),
            Cell::Text(text) => stamp::parse(text),
            Cell::Null | Cell::Float(_) | Cell::Bool(_) | Cell::OutOfRange => None,
        };
        millis.ok_or_else(|| self.wrong(column, stamp::EXPECTED))
    }

    /// A number; empty, null and NaN are NaN.
    pub(crate) fn number(&self, column: &Column) -> Result<f64, FileError> {
        const EXPECTED: &str = "a number; leave it empty when the value is missing";
        match self.row.cell(column.index) {
            Cell::Null => Ok(f64::NAN),
            Cell::Float(number) => Ok(number),
            #[expect(clippy::cast_precision_loss, reason = "metric values are doubles")]
            Cell::Int(number) => Ok(number as f64),
            Cell::Bool(truth) => Ok(f64::from(u8::from(truth))),
            Cell::Text(text) => parse_number(text).ok_or_else(|| self.wrong(column, EXPECTED)),
            Cell::Stamp(_) | Cell::OutOfRange => Err(self.wrong(column, EXPECTED)),
        }
    }

    /// A finite number; empty, null and NaN are NaN.
    pub(crate) fn finite(&self, column: &Column) -> Result<f64, FileError> {
        let number = self.number(column)?;
        if number.is_infinite() {
            return Err(self.wrong(column, "a finite number; leave it empty when the value is missing"));
        }
        Ok(number)
    }

    /// A number ≥ 0, or none when empty.
    pub(crate) fn non_negative(&self, column: &Column) -> Result<Option<f64>, FileError> {
        let number = self.number(column)?;
        if number.is_nan() {
            return Ok(None);
        }
        if !(0.0..f64::INFINITY).contains(&number) {
            return Err(self.wrong(column, "a number of at least 0"));
        }
        Ok(Some(number))
    }

    /// A whole number ≥ 0, or none when empty.
    pub(crate) fn count(&self, column: &Column) -> Result<Option<u64>, FileError> {
        let parsed = match self.row.cell(column.index) {
            Cell::Null => return Ok(None),
            Cell::Text(text) if text.trim().is_empty() => return Ok(None),
            Cell::Int(number) => u64::try_from(number).ok(),
            Cell::Text(text) => text.trim().parse().ok(),
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and within u64")]
            Cell::Float(number) if number.fract() == 0.0 && (0.0..1e18).contains(&number) => Some(number as u64),
            _ => None,
        };
        parsed.map(Some).ok_or_else(|| self.wrong(column, "a whole number of at least 0"))
    }

    /// 0 or 1.
    pub(crate) fn flag(&self, column: &Column) -> Result<bool, FileError> {
        let parsed = match self.row.cell(column.index) {
            Cell::Bool(truth) => Some(truth),
            Cell::Int(0) => Some(false),
            Cell::Int(1) => Some(true),
            Cell::Float(0.0) => Some(false),
            Cell::Float(1.0) => Some(true),
            Cell::Text(text) => match text.trim() {
                "0" | "0.0" | "false" | "False" => Some(false),
                "1" | "1.0" | "true" | "True" => Some(true),
                _ => None,
            },
            _ => None,
        };
        parsed.ok_or_else(|| self.wrong(column, "0 or 1"))
    }

    /// A series' name: text, or a whole number as text; not empty.
    pub(crate) fn series(&self, column: &Column) -> Result<Cow<'a, str>, FileError> {
        match self.row.cell(column.index) {
            Cell::Int(number) => Ok(Cow::Owned(number.to_string())),
            _ => self.name(column).map(Cow::Borrowed),
        }
    }

    /// Text that is not empty.
    pub(crate) fn name(&self, column: &Column) -> Result<&'a str, FileError> {
        match self.row.cell(column.index) {
            Cell::Text(text) if !text.trim().is_empty() => Ok(text),
            _ => Err(self.wrong(column, "a name")),
        }
    }

    /// A key: text, or a whole number as text; not empty.
    pub(crate) fn text(&self, column: &Column) -> Result<String, FileError> {
        match self.row.cell(column.index) {
            Cell::Int(number) => Ok(number.to_string()),
            _ => self.name(column).map(str::to_owned),
        }
    }

    /// One of a few words.
    pub(crate) fn one_of<T: Copy>(&self, column: &Column, words: &[(&str, T)]) -> Result<T, FileError> {
        if let Cell::Text(text) = self.row.cell(column.index)
            && let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text.trim())
        {
            return Ok(*meaning);
        }
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        Err(self.wrong(column, &format!("one of {}", names.join(", "))))
    }
}

/// A number as people and programs write it; empty and NaN are NaN.
pub(crate) fn parse_number(text: &str) -> Option<f64> {
    let text = text.trim();
    if text.is_empty() || text.eq_ignore_ascii_case("null") || text.eq_ignore_ascii_case("na") {
        return Some(f64::NAN);
    }
    text.parse().ok()
}
