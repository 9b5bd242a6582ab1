//! Opens a file for an import, and checks all of it in a first pass.

use std::path::Path;

use super::{
    ImportFormat, ImportOptions, format, prometheus,
    rows::{Pairs, SampleSink, Samples, SeriesTable},
    table,
};
use crate::ingest::{
    IngestLimits,
    files::{FileError, Place, check_decoded_size, check_unit, seconds_note},
    text::Dialect,
    timestamp::{self, UnitDetector},
};

/// A file to import, with its format.
pub(super) struct ImportSource<'a> {
    path: &'a Path,
    format: ImportFormat,
    dialect: Dialect,
    options: &'a ImportOptions,
}

impl<'a> ImportSource<'a> {
    pub(super) fn open(limits: &IngestLimits, path: &'a Path, options: &'a ImportOptions) -> Result<Self, FileError> {
        if path.metadata().is_ok_and(|kind| !kind.is_file() && !kind.is_dir()) {
            return Err(FileError::shape(path, "is a pipe; an import reads its file twice, so give a regular file"));
        }
        check_decoded_size(path, limits.decoded_bytes)?;
        let format = options.format.map_or_else(|| ImportFormat::detect(path), Ok)?;
        let dialect = match format {
            ImportFormat::PrometheusText => format::dialect(path)?,
            _ => Dialect::Prometheus,
        };
        Ok(Self { path, format, dialect, options })
    }

    /// Checks every value. `max_series`: maximum number of series.
    pub(super) fn check<'s>(&'s self, limits: &'s IngestLimits, max_series: usize) -> Result<CheckPass<'s>, FileError> {
        let table = SeriesTable::new(self.path, limits, max_series);
        let latest_ms = self.options.now.millis().saturating_add(limits.ahead_ms);
        let mut check = CheckPass {
            table,
            latest_ms,
            samples: 0,
            span_ms: (i64::MAX, i64::MIN),
            seconds: false,
            ahead_as_seconds: None,
            in_lines: true,
        };
        let units = self.read(&mut check)?;
        if check.samples == 0 {
            return Err(FileError::shape(self.path, "contains no samples"));
        }
        check_unit(self.path, &units, check.in_lines)?;
        // The unit of integers is known only after all rows, so the limit on future timestamps is applied again.
        if units.is_seconds() {
            if let Some((place, stamp)) = check.ahead_as_seconds {
                return Err(check.ahead(place, timestamp::from_seconds(stamp)));
            }
            check.seconds = true;
            check.span_ms = (timestamp::from_seconds(check.span_ms.0), timestamp::from_seconds(check.span_ms.1));
        }
        Ok(check)
    }

    /// Reads all samples.
    pub(super) fn read(&self, sink: &mut dyn SampleSink) -> Result<UnitDetector, FileError> {
        match self.format.table() {
            Some(format) => table::read(self.path, format, self.options.name.as_deref(), sink),
            None => prometheus::read(self.path, self.dialect, self.options.now.millis(), sink),
        }
    }
}

/// First pass: checks every value and collects the series.
pub(super) struct CheckPass<'a> {
    pub(super) table: SeriesTable<'a>,
    /// Latest accepted timestamp in epoch milliseconds.
    latest_ms: i64,
    pub(super) samples: u64,
    pub(super) span_ms: (i64, i64),
    /// Whether integer timestamps are seconds; determined at the end.
    pub(super) seconds: bool,
    /// First timestamp that is too late if integers are seconds.
    ahead_as_seconds: Option<(Place, i64)>,
    in_lines: bool,
}

impl CheckPass<'_> {
    /// Returns notes for the user on assumptions made in reading.
    pub(super) fn notes(&self) -> Vec<String> {
        if self.seconds { vec![seconds_note(self.span_ms.0, self.span_ms.1)] } else { Vec::new() }
    }

    fn ahead(&self, place: Place, stamp: i64) -> FileError {
        let shown = |millis: i64| {
            chrono::DateTime::from_timestamp_millis(millis)
                .map_or_else(|| millis.to_string(), |at| at.format("%Y-%m-%dT%H:%M:%SZ").to_string())
        };
        let problem = format!(
            "timestamp {} is in the future; the latest accepted timestamp is {} (configuration ingest.max_ahead)",
            shown(stamp),
            shown(self.latest_ms)
        );
        FileError::row(self.table.path(), place, problem)
    }
}

impl SampleSink for CheckPass<'_> {
    fn samples(&mut self, labels: &Pairs<'_>, samples: &Samples<'_>) -> Result<(), FileError> {
        let first = (samples.place)(0);
        self.in_lines = matches!(first, Place::Line(_));
        self.table.index_of(first, labels)?;
        for (idx, &stamp) in samples.timestamps.iter().enumerate() {
            if stamp > self.latest_ms {
                return Err(self.ahead((samples.place)(idx), stamp));
            }
            if self.ahead_as_seconds.is_none() && timestamp::from_seconds(stamp) > self.latest_ms {
                self.ahead_as_seconds = Some(((samples.place)(idx), stamp));
            }
            self.span_ms = (self.span_ms.0.min(stamp), self.span_ms.1.max(stamp));
        }
        self.samples += samples.timestamps.len() as u64;
        Ok(())
    }
}
