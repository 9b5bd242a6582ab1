use std::path::Path;

use super::rows::{Sink, named};
use crate::{
    ingest::files::{
        FileError, SeriesColumns,
        table::{self, Cell, Cells, Column, Row, Visitor},
    },
    series::METRIC_NAME,
};

/// Reads a CSV or Parquet series file; columns beyond those it knows are labels.
pub(super) fn read(path: &Path, name: Option<&str>, sink: &mut dyn Sink) -> Result<(), FileError> {
    table::read(path, &mut Reader { path, name, columns: None, labels: Vec::new(), sink })
}

struct Reader<'a> {
    path: &'a Path,
    /// The metric's name when the file has no column `series`.
    name: Option<&'a str>,
    columns: Option<SeriesColumns>,
    labels: Vec<Column>,
    sink: &'a mut dyn Sink,
}

impl Visitor for Reader<'_> {
    fn header(&mut self, columns: &[String]) -> Result<(), FileError> {
        let known = SeriesColumns::find(self.path, columns)?;
        if known.series.is_none() && self.name.is_none() {
            return Err(FileError::shape(self.path, "has no column \"series\"; name the series"));
        }
        if columns.iter().any(|name| name == METRIC_NAME) {
            let problem = format!("has a column {METRIC_NAME:?}; the metric's name belongs into the column \"series\"");
            return Err(FileError::shape(self.path, problem));
        }
        let taken = ["series", "timestamp", "value", "incident"];
        let others = columns.iter().enumerate().filter(|(_, name)| !taken.contains(&name.as_str()));
        self.labels = others.map(|(index, name)| Column { index, name: name.clone() }).collect();
        self.columns = Some(known);
        Ok(())
    }

    fn row(&mut self, row: &dyn Row) -> Result<(), FileError> {
        let Some(columns) = &self.columns else { return Ok(()) };
        let cells = Cells { path: self.path, row };
        let timestamp_ms = cells.timestamp(&columns.timestamp)?;
        let value = cells.number(&columns.value)?;
        if let Some(incident) = &columns.incident {
            cells.flag(incident)?;
        }
        let name = match &columns.series {
            Some(column) => cells.series(column)?,
            None => self.name.unwrap_or_default().into(),
        };
        if value.is_nan() {
            return Ok(());
        }
        let mut pairs = named(name);
        for column in &self.labels {
            let text = match row.cell(column.index) {
                Cell::Null => continue,
                Cell::Text(text) => text.into(),
                Cell::Int(number) | Cell::Stamp(number) => number.to_string().into(),
                Cell::Float(number) => number.to_string().into(),
                Cell::Bool(truth) => truth.to_string().into(),
                Cell::OutOfRange => continue,
            };
            pairs.push((column.name.as_str().into(), text));
        }
        self.sink.sample(row.place(), &pairs, timestamp_ms, value)
    }
}
