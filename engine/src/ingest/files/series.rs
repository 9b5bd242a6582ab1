//! Reads a series file into memory: one column of timestamps and one of values per series.

use std::path::Path;

use chrono::DateTime;
use hashbrown::HashMap;
use polars::prelude::{
    BooleanChunked, Column, DataFrame, IntoColumn, NewChunkedArray, PolarsError, SortMultipleOptions,
};

use super::{
    FileError, Place,
    batch::{Batch, Visitor},
    layout::ValueColumns,
    long::Reshaper,
    source,
};
use crate::ingest::timestamp::{self, UnitDetector};

/// Name of the series of a file without series names.
pub const UNNAMED_SERIES: &str = "value";

/// Series of one file.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesFile {
    /// Series in the order of first appearance; at least one.
    pub series: Vec<FileSeries>,
    /// Number of values: rows in long form, cells in wide form.
    pub rows: usize,
    /// Whether the file has series names; otherwise there is one series, [`UNNAMED_SERIES`].
    pub named: bool,
    /// Notes for the user on assumptions made in reading, one line each.
    pub notes: Vec<String>,
}

/// One series of a file: columns of equal length, ascending by timestamp; equal timestamps keep the file order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FileSeries {
    /// Name of the series.
    pub name: String,
    /// Epoch milliseconds, ascending, possibly repeated.
    pub timestamps: Vec<i64>,
    /// ValueColumns; NaN for a missing value.
    pub values: Vec<f64>,
    /// Whether an incident was in progress at each sample; `None` without that column.
    pub incident: Option<Vec<bool>>,
    /// Index of each value in the file, from 0, without the header.
    pub rows: Vec<usize>,
}

impl FileSeries {
    /// Sorts by time; equal timestamps keep their order.
    fn sort(&mut self) -> Result<(), PolarsError> {
        if self.timestamps.is_sorted() {
            return Ok(());
        }
        let rows: Vec<u64> = self.rows.iter().map(|&row| row as u64).collect();
        let mut columns = vec![
            Column::new("time".into(), &self.timestamps),
            Column::new("value".into(), &self.values),
            Column::new("row".into(), rows),
        ];
        if let Some(flags) = &self.incident {
            let flags = flags.iter().copied().map(Some);
            columns.push(BooleanChunked::from_iter_options("incident".into(), flags).into_column());
        }
        let options = SortMultipleOptions { maintain_order: true, ..SortMultipleOptions::default() };
        let sorted = DataFrame::new_infer_height(columns)?.sort(["time"], options)?;
        self.timestamps = sorted.column("time")?.i64()?.iter().flatten().collect();
        self.values = sorted.column("value")?.f64()?.iter().flatten().collect();
        let rows = sorted.column("row")?.u64()?;
        self.rows = rows.iter().flatten().map(|row| usize::try_from(row).unwrap_or_default()).collect();
        if self.incident.is_some() {
            self.incident = Some(sorted.column("incident")?.bool()?.iter().flatten().collect());
        }
        Ok(())
    }
}

/// Reads a series file: CSV with a header (also gzip), JSON or Parquet, long or wide, rows in any order.
///
/// Long form has the columns `series` (optional for a single series), `timestamp` and `value`; others are ignored. In
/// wide form each numeric column besides the timestamp is a series.
///
/// # Errors
/// [`FileError`] in one line with file, line, column and value; also for a file without rows.
pub fn read_series_file(path: &Path) -> Result<SeriesFile, FileError> {
    read(path, false)
}

/// Does the same as [`read_series_file`] and also reads the optional column `incident` (0 or 1).
///
/// # Errors
/// As [`read_series_file`].
pub fn read_labelled_series_file(path: &Path) -> Result<SeriesFile, FileError> {
    read(path, true)
}

fn read(path: &Path, labelled: bool) -> Result<SeriesFile, FileError> {
    let mut collector = Collector {
        path,
        labelled,
        reshaper: Reshaper::new(path, false),
        series: Vec::new(),
        by_name: HashMap::new(),
        rows: 0,
        named: false,
        in_lines: true,
    };
    source::read_any(path, &mut collector)?;
    if collector.rows == 0 {
        return Err(FileError::shape(path, "has a header but no rows"));
    }
    let units = collector.reshaper.units;
    check_unit(path, &units, collector.in_lines)?;
    // The unit of integer timestamps is known only now, after all rows.
    let (mut series, named) = (collector.series, collector.named);
    let mut notes = Vec::new();
    if units.is_seconds() {
        let stamps = series.iter_mut().flat_map(|series| series.timestamps.iter_mut());
        stamps.for_each(|millis| *millis = timestamp::from_seconds(*millis));
    }
    for one in &mut series {
        one.sort().map_err(|error| FileError::frame(path, &error))?;
    }
    if units.is_seconds() {
        let oldest = series.iter().filter_map(|series| series.timestamps.first()).min().copied();
        let newest = series.iter().filter_map(|series| series.timestamps.last()).max().copied();
        notes.push(seconds_note(oldest.unwrap_or_default(), newest.unwrap_or_default()));
    }
    Ok(SeriesFile { series, rows: collector.rows, named, notes })
}

/// Rejects a file whose timestamps are partly seconds and partly milliseconds.
pub(in crate::ingest) fn check_unit(path: &Path, units: &UnitDetector, in_lines: bool) -> Result<(), FileError> {
    let (Some(seconds), Some(modern), true) = (units.seconds_like, units.modern, units.is_mixed()) else {
        return Ok(());
    };
    let place = |number| if in_lines { Place::Line(number) } else { Place::Row(number) };
    let problem = format!(
        "the timestamp looks like epoch seconds, but that of {} does not; use epoch milliseconds for all",
        place(modern)
    );
    Err(FileError::row(path, place(seconds), problem))
}

/// Returns the note that the timestamps of a file were read as seconds.
pub(in crate::ingest) fn seconds_note(oldest_ms: i64, newest_ms: i64) -> String {
    let day = |ms: i64| {
        DateTime::from_timestamp_millis(ms).map_or_else(|| ms.to_string(), |at| at.format("%Y-%m-%d").to_string())
    };
    let (oldest, newest) = (day(oldest_ms), day(newest_ms));
    format!(
        "integer timestamps are read as epoch seconds, from {oldest} to {newest}; as milliseconds they would be in 1970"
    )
}

struct Collector<'p> {
    path: &'p Path,
    labelled: bool,
    reshaper: Reshaper<'p>,
    series: Vec<FileSeries>,
    by_name: HashMap<String, usize>,
    rows: usize,
    named: bool,
    in_lines: bool,
}

impl Visitor for Collector<'_> {
    fn batch(&mut self, batch: &Batch) -> Result<(), FileError> {
        let layout = self.reshaper.layout(batch)?;
        let incident = layout.incident.filter(|_| self.labelled).map(|idx| batch.field(self.path, idx));
        let flags: Option<Vec<bool>> = incident
            .map(|field| (0..batch.frame.height()).map(|row| field.flag(row)).collect::<Result<_, _>>())
            .transpose()?;
        self.in_lines = matches!(batch.places.of(0), Place::Line(_));
        let values = match &layout.values {
            ValueColumns::Long(value) => std::slice::from_ref(value),
            ValueColumns::Wide(values) => values.as_slice(),
        };
        // Infinite values are allowed in an import, but not in a series file.
        for &idx in values {
            let field = batch.field(self.path, idx);
            (0..batch.frame.height()).try_for_each(|row| field.finite(row).map(|_| ()))?;
        }
        let (series, by_name, before) = (&mut self.series, &mut self.by_name, self.rows);
        let named = &mut self.named;
        self.reshaper.runs(batch, &layout, &mut |run| {
            *named |= run.series.is_some();
            let name = run.series.unwrap_or(UNNAMED_SERIES);
            let idx = *by_name.entry_ref(name).or_insert_with(|| {
                series.push(FileSeries { name: name.to_owned(), ..FileSeries::default() });
                series.len() - 1
            });
            let one = &mut series[idx];
            one.timestamps.extend_from_slice(&run.timestamps);
            one.values.extend(run.values.iter().map(|value| value.unwrap_or(f64::NAN)));
            let (column, columns) = run.column;
            one.rows.extend(run.rows.iter().map(|row| before + row * columns + column));
            if let Some(flags) = &flags {
                one.incident.get_or_insert_default().extend(run.rows.iter().map(|&row| flags[row]));
            }
            Ok(())
        })?;
        self.rows += batch.frame.height() * values.len();
        Ok(())
    }
}
