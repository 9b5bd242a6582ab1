//! Reshapes batches of any layout to long form (one row per sample) and groups them by series.

use std::{borrow::Cow, path::Path};

use hashbrown::HashMap;
use polars::prelude::{
    Column, DataFrame, Float64Chunked, GroupsIndicator, Int64Chunked, IntoColumn, NewChunkedArray, PolarsError,
    StringChunked, StringChunkedBuilder, UnpivotArgsIR, UnpivotDF,
};

use super::{
    FileError, Place,
    batch::{Batch, Cell, Nesting, RowPositions},
    layout::{ColumnDecisions, SeriesName, TableLayout, ValueColumns},
};
use crate::{ingest::timestamp::UnitDetector, series::stale_marker};

/// Names of the added columns. They contain a zero byte, which no label name does.
const ROW: &str = "\0row";
const TIME: &str = "\0time";
const VALUE: &str = "\0value";
const SERIES: &str = "\0series";

/// Samples of one series in one batch, in file order.
pub(crate) struct SeriesRun<'a> {
    /// Series name as in the file; `None` if the table is one series.
    pub(crate) series: Option<&'a str>,
    /// Labels of the series: column name, text, and the form before conversion to text.
    pub(crate) labels: Vec<(&'a str, &'a str, Nesting)>,
    /// Epoch milliseconds.
    pub(crate) timestamps: Vec<i64>,
    /// ValueColumns; `None` for a missing value.
    pub(crate) values: Vec<Option<f64>>,
    /// Row of the batch that each sample is from.
    pub(crate) rows: Vec<usize>,
    /// Positions of the batch's rows in the file.
    pub(crate) places: &'a RowPositions,
    /// Index among the value columns of a wide table, and the number of these columns.
    pub(crate) column: (usize, usize),
}

impl SeriesRun<'_> {
    /// Returns the position of a sample in the file.
    pub(crate) fn place(&self, idx: usize) -> Place {
        self.places.of(self.rows.get(idx).copied().unwrap_or_default())
    }
}

/// Reshapes the batches of one file; keeps column decisions and the detected timestamp unit between batches.
pub(crate) struct Reshaper<'p> {
    path: &'p Path,
    with_labels: bool,
    /// Unit of the file's integer timestamps, from those read so far.
    pub(crate) units: UnitDetector,
    decided: ColumnDecisions,
}

impl<'p> Reshaper<'p> {
    /// `with_labels`: whether columns without another role are labels; otherwise they are ignored.
    pub(crate) fn new(path: &'p Path, with_labels: bool) -> Self {
        Self { path, with_labels, units: UnitDetector::default(), decided: ColumnDecisions::default() }
    }

    /// Determines the layout of a batch.
    pub(crate) fn layout(&mut self, batch: &Batch) -> Result<TableLayout, FileError> {
        let mut layout = TableLayout::of(self.path, batch, &mut self.decided)?;
        if !self.with_labels {
            layout.labels.clear();
        }
        Ok(layout)
    }

    /// Calls `visit` with the samples of each series of a batch, in the order of the series' first rows.
    pub(crate) fn runs(
        &mut self,
        batch: &Batch,
        layout: &TableLayout,
        visit: &mut dyn FnMut(SeriesRun<'_>) -> Result<(), FileError>,
    ) -> Result<(), FileError> {
        let height = batch.frame.height();
        if height == 0 {
            return Ok(());
        }
        let failed = |error: PolarsError| FileError::frame(self.path, &error);
        let mut times = Vec::with_capacity(height);
        let field = batch.field(self.path, layout.time);
        for row in 0..height {
            let written = field.written(row)?;
            self.units.count(written, batch.places.of(row).number());
            times.push(written.millis());
        }
        let rows = (0..height as i64).collect();
        let mut columns = vec![
            Int64Chunked::from_vec(ROW.into(), rows).into_column(),
            Int64Chunked::from_vec(TIME.into(), times).into_column(),
        ];
        let mut keys: Vec<(&str, Nesting)> = Vec::new();
        for &idx in &layout.labels {
            columns.push(self.text(batch, idx));
            let field = batch.field(self.path, idx);
            keys.push((field.name, field.nesting));
        }
        let mut order = HashMap::new();
        let frame = match &layout.values {
            ValueColumns::Long(value) => {
                columns.push(match layout.stale {
                    Some(stale) => self.marked(batch, *value, stale)?,
                    None => self.numbers(batch, *value, VALUE)?,
                });
                if let Some(series) = self.series(batch, layout.series)? {
                    columns.push(series);
                    keys.push((SERIES, Nesting::Scalar));
                }
                DataFrame::new_infer_height(columns).map_err(failed)?
            }
            // A wide table is unpivoted: one row per value column and time.
            ValueColumns::Wide(values) => {
                let index: Vec<_> = columns.iter().map(|column| column.name().clone()).collect();
                let mut on = Vec::with_capacity(values.len());
                for (position, &idx) in values.iter().enumerate() {
                    let name = batch.frame.columns()[idx].name();
                    columns.push(self.numbers(batch, idx, name)?);
                    on.push(name.clone());
                    order.insert(name.as_str(), position);
                }
                keys.push((SERIES, Nesting::Scalar));
                let wide = DataFrame::new_infer_height(columns).map_err(failed)?;
                let args = UnpivotArgsIR::new(Vec::new(), Some(on), index, Some(VALUE.into()), Some(SERIES.into()));
                wide.unpivot2(args).map_err(failed)?
            }
        };
        GroupedFrame { frame: &frame, keys: &keys, batch, order: &order }.visit(visit, failed)
    }

    /// Converts the column of values to floats; a missing value is a stale marker where the other column says so.
    fn marked(&self, batch: &Batch, value: usize, stale: usize) -> Result<Column, FileError> {
        let (values, marks) = (batch.field(self.path, value), batch.field(self.path, stale));
        let one = |row: usize| match values.value(row)? {
            None if marks.cell(row) != Cell::Null && marks.flag(row)? => Ok(Some(stale_marker())),
            other => Ok(other),
        };
        let all: Result<Vec<Option<f64>>, FileError> = (0..batch.frame.height()).map(one).collect();
        Ok(Float64Chunked::from_iter_options(VALUE.into(), all?.into_iter()).into_column())
    }

    /// Converts a column to floats under a new name; missing values are null.
    fn numbers(&self, batch: &Batch, idx: usize, name: &str) -> Result<Column, FileError> {
        let field = batch.field(self.path, idx);
        let values: Vec<Option<f64>> =
            (0..batch.frame.height()).map(|row| field.value(row)).collect::<Result<_, _>>()?;
        Ok(Float64Chunked::from_iter_options(name.into(), values.into_iter()).into_column())
    }

    /// Converts a column to text.
    fn text(&self, batch: &Batch, idx: usize) -> Column {
        let column = &batch.frame.columns()[idx];
        if column.str().is_ok() {
            return column.clone();
        }
        let field = batch.field(self.path, idx);
        let values = (0..batch.frame.height()).map(|row| field.label(row));
        StringChunked::from_iter_options(column.name().clone(), values).into_column()
    }

    /// Returns the column of series names; `None` if the table is one series.
    fn series(&self, batch: &Batch, series: SeriesName) -> Result<Option<Column>, FileError> {
        let height = batch.frame.height();
        let mut names = StringChunkedBuilder::new(SERIES.into(), height);
        match series {
            SeriesName::Table => return Ok(None),
            SeriesName::Column(idx) => {
                let field = batch.field(self.path, idx);
                for row in 0..height {
                    names.append_value(field.name(row)?.as_ref());
                }
            }
            SeriesName::Influx(measurement, field) => {
                let measurement = measurement.map(|idx| batch.field(self.path, idx));
                let field = batch.field(self.path, field);
                for row in 0..height {
                    let name = field.name(row)?;
                    let name: Cow<'_, str> = match &measurement {
                        // Telegraf's naming of metrics for Prometheus.
                        Some(measurement) => format!("{}_{name}", measurement.name(row)?).into(),
                        None => name,
                    };
                    names.append_value(name.as_ref());
                }
            }
        }
        Ok(Some(names.finish().into_column()))
    }
}

/// Frame in long form with its grouping keys.
struct GroupedFrame<'a> {
    frame: &'a DataFrame,
    keys: &'a [(&'a str, Nesting)],
    batch: &'a Batch,
    order: &'a HashMap<&'a str, usize>,
}

impl GroupedFrame<'_> {
    fn visit(
        &self,
        visit: &mut dyn FnMut(SeriesRun<'_>) -> Result<(), FileError>,
        failed: impl Fn(PolarsError) -> FileError,
    ) -> Result<(), FileError> {
        let height = self.frame.height();
        if self.keys.is_empty() {
            let all: Vec<usize> = (0..height).collect();
            return visit(self.run(&all).map_err(failed)?);
        }
        let groups = self.frame.group_by_stable(self.keys.iter().map(|(key, _)| *key)).map_err(&failed)?;
        for group in groups.get_groups().iter() {
            let mut members: Vec<usize> = match group {
                GroupsIndicator::Idx((_, members)) => members.iter().map(|&member| member as usize).collect(),
                GroupsIndicator::Slice([first, len]) => (first as usize..first as usize + len as usize).collect(),
            };
            // Unpivoting does not guarantee the order of rows.
            if !members.is_sorted() {
                members.sort_unstable();
            }
            visit(self.run(&members).map_err(&failed)?)?;
        }
        Ok(())
    }

    fn run(&self, members: &[usize]) -> Result<SeriesRun<'_>, PolarsError> {
        let (rows, times) = (self.frame.column(ROW)?.i64()?, self.frame.column(TIME)?.i64()?);
        let values = self.frame.column(VALUE)?.f64()?;
        let first = members.first().copied().unwrap_or_default();
        let mut labels = Vec::new();
        let mut series = None;
        for &(key, nesting) in self.keys {
            let text = self.frame.column(key)?.str()?.get(first);
            if key == SERIES {
                series = text;
            } else if let Some(text) = text {
                labels.push((key, text, nesting));
            }
        }
        let row = |member: usize| usize::try_from(rows.get(member).unwrap_or_default()).unwrap_or_default();
        Ok(SeriesRun {
            series,
            labels,
            timestamps: members.iter().map(|&member| times.get(member).unwrap_or_default()).collect(),
            values: members.iter().map(|&member| values.get(member)).collect(),
            rows: members.iter().map(|&member| row(member)).collect(),
            places: &self.batch.places,
            column: (
                series.and_then(|name| self.order.get(name)).copied().unwrap_or_default(),
                self.order.len().max(1),
            ),
        })
    }
}
