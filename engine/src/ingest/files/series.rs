use std::path::{Path, PathBuf};

use hashbrown::HashMap;

use super::{
    FileError,
    table::{self, Cells, Column, Row, Visitor, find, require},
};

/// The name of the only series of a file without a `series` column.
pub const UNNAMED_SERIES: &str = "value";

/// The series of one file.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesFile {
    /// The series in the order in which they first appear; at least one.
    pub series: Vec<FileSeries>,
    /// How many rows the file has, its header not counted.
    pub rows: usize,
    /// Whether the file names its series; otherwise there is one, called [`UNNAMED_SERIES`].
    pub named: bool,
}

/// One series of a file: columns of one length, ascending by timestamp; rows of the same timestamp
/// keep the file's order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FileSeries {
    /// The series' name.
    pub name: String,
    /// Epoch milliseconds, ascending, repeats possible.
    pub timestamps: Vec<i64>,
    /// The values; NaN where the file has none.
    pub values: Vec<f64>,
    /// Whether an incident was going on, when the file says so.
    pub incident: Option<Vec<bool>>,
    /// Where each row stands in the file, from 0, its header not counted.
    pub rows: Vec<usize>,
}

impl FileSeries {
    fn sort(&mut self) {
        if self.timestamps.is_sorted() {
            return;
        }
        let mut order: Vec<usize> = (0..self.timestamps.len()).collect();
        order.sort_by_key(|&idx| self.timestamps[idx]);
        self.timestamps = order.iter().map(|&idx| self.timestamps[idx]).collect();
        self.values = order.iter().map(|&idx| self.values[idx]).collect();
        self.rows = order.iter().map(|&idx| self.rows[idx]).collect();
        self.incident = self.incident.take().map(|flags| order.iter().map(|&idx| flags[idx]).collect());
    }
}

/// Reads a series file: CSV with a header (gzip too) or Parquet, long format, rows in any order.
///
/// Columns: `series` (left out when there is one series), `timestamp`, `value`; others are ignored.
///
/// # Errors
/// [`FileError`] in one line with file, line, column and value; a file without rows is one too.
pub fn read_series_file(path: &Path) -> Result<SeriesFile, FileError> {
    read(path, false)
}

/// As [`read_series_file`], and the column `incident` (0 or 1), where there is one.
///
/// # Errors
/// As [`read_series_file`].
pub fn read_labelled_series_file(path: &Path) -> Result<SeriesFile, FileError> {
    read(path, true)
}

fn read(path: &Path, labelled: bool) -> Result<SeriesFile, FileError> {
    let mut reader = SeriesReader {
        path: path.to_owned(),
        labelled,
        columns: None,
        series: Vec::new(),
        by_name: HashMap::new(),
        rows: 0,
    };
    table::read(path, &mut reader)?;
    if reader.rows == 0 {
        return Err(FileError::shape(path, "has a header but no rows"));
    }
    let named = reader.columns.is_some_and(|columns| columns.series.is_some());
    let mut series = reader.series;
    series.iter_mut().for_each(FileSeries::sort);
    Ok(SeriesFile { series, rows: reader.rows, named })
}

/// The columns of a series file that every reader of one knows.
#[derive(Debug, Clone)]
pub(crate) struct SeriesColumns {
    pub(crate) series: Option<Column>,
    pub(crate) timestamp: Column,
    pub(crate) value: Column,
    pub(crate) incident: Option<Column>,
}

impl SeriesColumns {
    pub(crate) fn find(path: &Path, columns: &[String]) -> Result<Self, FileError> {
        Ok(Self {
            series: find(columns, "series"),
            timestamp: require(path, columns, "timestamp")?,
            value: require(path, columns, "value")?,
            incident: find(columns, "incident"),
        })
    }
}

struct SeriesReader {
    path: PathBuf,
    labelled: bool,
    columns: Option<SeriesColumns>,
    series: Vec<FileSeries>,
    by_name: HashMap<String, usize>,
    rows: usize,
}

impl SeriesReader {
    fn index_of(&mut self, name: &str) -> usize {
        if let Some(&idx) = self.by_name.get(name) {
            return idx;
        }
        self.series.push(FileSeries { name: name.to_owned(), ..FileSeries::default() });
        self.by_name.insert(name.to_owned(), self.series.len() - 1);
        self.series.len() - 1
    }
}

impl Visitor for SeriesReader {
    fn header(&mut self, columns: &[String]) -> Result<(), FileError> {
        let mut found = SeriesColumns::find(&self.path, columns)?;
        found.incident = found.incident.filter(|_| self.labelled);
        self.columns = Some(found);
        Ok(())
    }

    fn row(&mut self, row: &dyn Row) -> Result<(), FileError> {
        let Some(columns) = self.columns.take() else { return Ok(()) };
        let path = std::mem::take(&mut self.path);
        let cells = Cells { path: &path, row };
        let name = columns.series.as_ref().map_or(Ok(UNNAMED_SERIES.into()), |column| cells.series(column))?;
        let timestamp = cells.timestamp(&columns.timestamp)?;
        let value = cells.finite(&columns.value)?;
        let incident = columns.incident.as_ref().map(|column| cells.flag(column)).transpose()?;
        let idx = self.index_of(&name);
        let series = &mut self.series[idx];
        series.timestamps.push(timestamp);
        series.values.push(value);
        series.rows.push(self.rows);
        if let Some(incident) = incident {
            series.incident.get_or_insert_default().push(incident);
        }
        self.rows += 1;
        self.path = path;
        self.columns = Some(columns);
        Ok(())
    }
}
