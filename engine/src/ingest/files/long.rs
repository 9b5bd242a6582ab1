//! Brings batches of any layout into long form: one row a sample, grouped by series.

use std::{borrow::Cow, path::Path};

use hashbrown::HashMap;
use polars::prelude::{
    Column, DataFrame, Float64Chunked, GroupsIndicator, Int64Chunked, IntoColumn, NewChunkedArray, PolarsError,
    StringChunked, StringChunkedBuilder, UnpivotArgsIR, UnpivotDF,
};

use super::{
    FileError, Place,
    batch::{Batch, Nesting, Places},
    layout::{Decided, Layout, SeriesName, Values},
};
use crate::ingest::stamp::UnitCensus;

/// Names of the columns that the reshaping adds; no label is called so, since a name has no zero byte.
const ROW: &str = "\0row";
const TIME: &str = "\0time";
const VALUE: &str = "\0value";
const SERIES: &str = "\0series";

/// The samples of one series in one batch, in the file's order.
pub(crate) struct Run<'a> {
    /// The series as the file names it; none where the table has one name for all.
    pub(crate) series: Option<&'a str>,
    /// The labels of its columns: name, text, and what the text was.
    pub(crate) labels: Vec<(&'a str, &'a str, Nesting)>,
    /// Epoch milliseconds.
    pub(crate) timestamps: Vec<i64>,
    /// The values; none where one is missing.
    pub(crate) values: Vec<Option<f64>>,
    /// Which rows of the batch they are of.
    pub(crate) rows: Vec<usize>,
    /// Where the rows of the batch are in the file.
    pub(crate) places: &'a Places,
    /// Position among the series columns of a wide table, and how many there are.
    pub(crate) column: (usize, usize),
}

impl Run<'_> {
    /// Where a sample is in the file.
    pub(crate) fn place(&self, idx: usize) -> Place {
        self.places.of(self.rows.get(idx).copied().unwrap_or_default())
    }
}

/// Reshapes the batches of one file.
pub(crate) struct Reshaper<'p> {
    path: &'p Path,
    with_labels: bool,
    /// The unit of the file's timestamps, from those read so far.
    pub(crate) census: UnitCensus,
    decided: Decided,
}

impl<'p> Reshaper<'p> {
    /// `with_labels`: whether columns beyond those known are labels; otherwise they are left out.
    pub(crate) fn new(path: &'p Path, with_labels: bool) -> Self {
        Self { path, with_labels, census: UnitCensus::default(), decided: Decided::default() }
    }

    /// The layout of a batch.
    pub(crate) fn layout(&mut self, batch: &Batch) -> Result<Layout, FileError> {
        let mut layout = Layout::of(self.path, batch, &mut self.decided)?;
        if !self.with_labels {
            layout.labels.clear();
        }
        Ok(layout)
    }

    /// Hands out the samples of a batch, one series after the other in the order of their first row.
    pub(crate) fn runs(
        &mut self,
        batch: &Batch,
        layout: &Layout,
        visit: &mut dyn FnMut(Run<'_>) -> Result<(), FileError>,
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
            self.census.count(written, batch.places.of(row).number());
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
            Values::Long(value) => {
                columns.push(self.numbers(batch, *value, VALUE)?);
                if let Some(series) = self.series(batch, layout.series)? {
                    columns.push(series);
                    keys.push((SERIES, Nesting::Scalar));
                }
                DataFrame::new_infer_height(columns).map_err(failed)?
            }
            Values::Wide(values) => {
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
        Grouped { frame: &frame, keys: &keys, batch, order: &order }.visit(visit, failed)
    }

    /// A column of numbers under a name; missing ones are null.
    fn numbers(&self, batch: &Batch, idx: usize, name: &str) -> Result<Column, FileError> {
        let field = batch.field(self.path, idx);
        let values: Vec<Option<f64>> =
            (0..batch.frame.height()).map(|row| field.value(row)).collect::<Result<_, _>>()?;
        Ok(Float64Chunked::from_iter_options(name.into(), values.into_iter()).into_column())
    }

    /// A column as text.
    fn text(&self, batch: &Batch, idx: usize) -> Column {
        let column = &batch.frame.columns()[idx];
        if column.str().is_ok() {
            return column.clone();
        }
        let field = batch.field(self.path, idx);
        let values = (0..batch.frame.height()).map(|row| field.label(row));
        StringChunked::from_iter_options(column.name().clone(), values).into_column()
    }

    /// The column of the series' names; none where the table has one name for all.
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
                        // As Telegraf names a metric for Prometheus.
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

/// A long frame that is to be handed out by series.
struct Grouped<'a> {
    frame: &'a DataFrame,
    keys: &'a [(&'a str, Nesting)],
    batch: &'a Batch,
    order: &'a HashMap<&'a str, usize>,
}

impl Grouped<'_> {
    fn visit(
        &self,
        visit: &mut dyn FnMut(Run<'_>) -> Result<(), FileError>,
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
            // Reshaping does not promise to keep the order of rows.
            if !members.is_sorted() {
                members.sort_unstable();
            }
            visit(self.run(&members).map_err(&failed)?)?;
        }
        Ok(())
    }

    fn run(&self, members: &[usize]) -> Result<Run<'_>, PolarsError> {
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
        Ok(Run {
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
