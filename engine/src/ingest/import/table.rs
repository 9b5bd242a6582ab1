//! Reads the samples of a table of any format and layout for an import.

use std::{borrow::Cow, path::Path};

use serde_json::{Map, Value};

use super::rows::{Pairs, SampleSink, Samples, series_labels};
use crate::{
    ingest::{
        files::{
            Batch, FileError, Nesting, Place, Reshaper, SeriesName, SeriesRun, TableFormat, ValueColumns, Visitor,
            read_table, shorten,
        },
        text,
        timestamp::UnitDetector,
    },
    series::METRIC_NAME,
};

/// Columns of text that may contain all labels of a series.
const LABEL_SETS: [&str; 3] = ["labels", "tags", "metric"];

/// Reads a table; columns without another role are labels. `name`: metric name for a table without series names.
pub(super) fn read(
    path: &Path,
    format: TableFormat,
    name: Option<&str>,
    sink: &mut dyn SampleSink,
) -> Result<UnitDetector, FileError> {
    let mut reader = TableReader { path, name, reshaper: Reshaper::new(path, true), sink };
    read_table(path, format, &mut reader)?;
    Ok(reader.reshaper.units)
}

struct TableReader<'a> {
    path: &'a Path,
    name: Option<&'a str>,
    reshaper: Reshaper<'a>,
    sink: &'a mut dyn SampleSink,
}

impl Visitor for TableReader<'_> {
    fn batch(&mut self, batch: &Batch) -> Result<(), FileError> {
        let layout = self.reshaper.layout(batch)?;
        let is_long = matches!(layout.values, ValueColumns::Long(_));
        if is_long && layout.series == SeriesName::Table && self.name.is_none() {
            return Err(FileError::shape(self.path, "has no column \"series\"; give a series name"));
        }
        let names = batch.names();
        if let Some(column) = layout.labels.iter().map(|&idx| names[idx]).find(|name| *name == METRIC_NAME) {
            let problem = format!("has both a column {column:?} and \"series\"; remove one of them");
            return Err(FileError::shape(self.path, problem));
        }
        if let Some(incident) = layout.incident.map(|idx| batch.field(self.path, idx)) {
            (0..batch.frame.height()).try_for_each(|row| incident.flag(row).map(|_| ()))?;
        }
        let Self { path, name, sink, .. } = self;
        self.reshaper.runs(batch, &layout, &mut |run| send_run(path, *name, &run, *sink))
    }
}

/// Passes the samples of a run that have a value to a sink.
fn send_run(path: &Path, name: Option<&str>, run: &SeriesRun<'_>, sink: &mut dyn SampleSink) -> Result<(), FileError> {
    let mut kept: Vec<usize> = (0..run.values.len()).filter(|&idx| run.values[idx].is_some()).collect();
    if kept.is_empty() {
        return Ok(());
    }
    let mut pairs = match run.series {
        Some(series) => series_labels(series, name),
        None => vec![(METRIC_NAME.into(), name.unwrap_or_default().into())],
    };
    for &(label, text, nesting) in &run.labels {
        match nesting {
            Nesting::Object => object_labels(path, run.place(0), label, text, &mut pairs)?,
            Nesting::List if text.starts_with('[') => {
                let expected = "text, the value of a label; join the list into one text, or remove it";
                return Err(wrong(path, run.place(0), label, text, expected));
            }
            Nesting::Scalar if LABEL_SETS.contains(&label) && text.starts_with('{') && text.ends_with('}') => {
                match text::label_set(text) {
                    Some(labels) => pairs.extend(labels),
                    None => object_labels(path, run.place(0), label, text, &mut pairs)?,
                }
            }
            Nesting::List | Nesting::Scalar => pairs.push((label.into(), text.into())),
        }
    }
    let timestamps: Vec<i64> = kept.iter().map(|&idx| run.timestamps[idx]).collect();
    let values: Vec<f64> = kept.iter().filter_map(|&idx| run.values[idx]).collect();
    let kept = std::mem::take(&mut kept);
    let place = |idx: usize| run.place(kept.get(idx).copied().unwrap_or_default());
    sink.samples(&pairs, &Samples { timestamps: &timestamps, values: &values, place: &place })
}

/// Converts a JSON object to labels; nested values are rejected.
fn object_labels<'t>(
    path: &Path,
    place: Place,
    label: &'t str,
    text: &'t str,
    pairs: &mut Pairs<'t>,
) -> Result<(), FileError> {
    let Ok(object) = serde_json::from_str::<Map<String, Value>>(text) else {
        // A column with objects in other rows may contain text in this one.
        pairs.push((label.into(), text.into()));
        return Ok(());
    };
    for (name, value) in object {
        let value: Cow<'_, str> = match value {
            Value::Null => continue,
            Value::String(text) => text.into(),
            Value::Number(number) => number.to_string().into(),
            Value::Bool(truth) => truth.to_string().into(),
            Value::Array(_) | Value::Object(_) => {
                return Err(wrong(
                    path,
                    place,
                    &format!("{label}.{name}"),
                    &value.to_string(),
                    "text, the value of a label",
                ));
            }
        };
        pairs.push((name.into(), value));
    }
    Ok(())
}

fn wrong(path: &Path, place: Place, column: &str, value: &str, expected: &str) -> FileError {
    FileError::Cell {
        file: path.to_owned(),
        place,
        column: column.to_owned(),
        value: shorten(value),
        expected: expected.to_owned(),
    }
}
