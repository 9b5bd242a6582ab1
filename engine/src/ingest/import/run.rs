//! Imports a file in two passes: the first checks the whole file, the second writes it to the store.

use std::{collections::VecDeque, path::Path, thread, time::Duration};

use almanac_models::Timestamp;

use super::{
    ImportFormat, format, prometheus,
    rows::{Pairs, SampleSink, Samples, SeriesTable},
    table,
};
use crate::{
    ingest::{
        Ingest, PendingWrite,
        files::{FileError, Place, check_decoded_size, check_unit, seconds_note},
        text::{Dialect, TextParser},
        timestamp::{self, UnitDetector},
    },
    series::SeriesId,
    store::{SampleBatch, StoreError, rows::MetadataRow},
};

/// Number of samples per batch for the store.
const BATCH_SAMPLES: usize = 65_536;

/// Maximum number of uncommitted batches: enough to keep the writer busy, and bounded in memory.
const MAX_PENDING: usize = 4;

/// Longest time for which a batch waits for space in the queue.
const MAX_BUSY: Duration = Duration::from_secs(60);

/// Options of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportOptions {
    /// Format; `None` = detected from the file.
    pub format: Option<ImportFormat>,
    /// Metric name for a table without a column `series`.
    pub name: Option<String>,
    /// Current time: timestamp of text samples without one, and reference for timestamps in the future.
    pub now: Timestamp,
}

/// Result of an import.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImportReport {
    /// Samples in the file; all of them are stored.
    pub samples: u64,
    /// Distinct series in the file.
    pub series: u64,
    /// Oldest and newest timestamp in the file, in epoch milliseconds.
    pub span_ms: (i64, i64),
    /// Notes for the user on assumptions made in reading, one line each.
    pub notes: Vec<String>,
}

/// Error of an import.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file is invalid; nothing was stored.
    #[error(transparent)]
    File(#[from] FileError),
    /// The new series of the file exceed the limit; nothing was stored.
    #[error("{file}: its {series} series and those in the store exceed the limit of {limit}")]
    SeriesLimit {
        /// The file.
        file: String,
        /// Distinct series in the file.
        series: usize,
        /// Limit of series.
        limit: usize,
    },
    /// The store failed.
    #[error("{stored} of {samples} samples are stored; import the file again to complete it")]
    Store {
        /// Samples committed before the failure.
        stored: u64,
        /// Samples in the file.
        samples: u64,
        /// Error of the store.
        #[source]
        source: StoreError,
    },
}

/// Imports a file: checks all of it, then writes it, and waits until it is on disk.
///
/// `progress` is called after each batch with the committed and the total number of samples. Blocks, also while the
/// store is busy.
///
/// # Errors
/// [`ImportError`]; except for `Store`, nothing was stored.
pub fn import_file(
    ingest: &Ingest,
    path: &Path,
    options: &ImportOptions,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<ImportReport, ImportError> {
    let source = ImportSource::open(ingest, path, options)?;
    let checked = source.check(ingest)?;
    let notes = checked.notes();
    let CheckPass { table, samples, span_ms, seconds, .. } = checked;
    let ids = ingest.store().resolve_all(&table.labels).map_err(|error| match error {
        StoreError::SeriesLimit { limit } => {
            ImportError::SeriesLimit { file: path.display().to_string(), series: table.labels.len(), limit }
        }
        source => ImportError::Store { stored: 0, samples, source },
    })?;
    let series = ids.len() as u64;
    let mut pass = WritePass {
        ingest,
        table,
        ids,
        batch: SampleBatch::with_capacity(BATCH_SAMPLES),
        waiting: VecDeque::new(),
        seconds,
        now: options.now,
        metadata: Vec::new(),
        stored: 0,
        samples,
        progress,
        failed: None,
    };
    let read = source.read(&mut pass);
    let finished = pass.finish().and_then(|()| ingest.put_metadata(&pass.metadata));
    if let Some(source) = pass.failed.take().or(finished.err()) {
        return Err(ImportError::Store { stored: pass.stored, samples, source });
    }
    // The file passed the check, so an error here means that it has changed since.
    read?;
    Ok(ImportReport { samples, series, span_ms, notes })
}

/// Runs the checks of [`import_file`] without storing anything.
///
/// # Errors
/// [`ImportError::File`].
pub fn check_file(ingest: &Ingest, path: &Path, options: &ImportOptions) -> Result<ImportReport, ImportError> {
    let source = ImportSource::open(ingest, path, options)?;
    let checked = source.check(ingest)?;
    let notes = checked.notes();
    let CheckPass { table, samples, span_ms, .. } = checked;
    Ok(ImportReport { samples, series: table.labels.len() as u64, span_ms, notes })
}

struct ImportSource<'a> {
    path: &'a Path,
    format: ImportFormat,
    dialect: Dialect,
    options: &'a ImportOptions,
}

impl<'a> ImportSource<'a> {
    fn open(ingest: &Ingest, path: &'a Path, options: &'a ImportOptions) -> Result<Self, FileError> {
        if path.metadata().is_ok_and(|kind| !kind.is_file() && !kind.is_dir()) {
            return Err(FileError::shape(path, "is a pipe; an import reads its file twice, so give a regular file"));
        }
        check_decoded_size(path, ingest.limits().decoded_bytes)?;
        let format = options.format.map_or_else(|| ImportFormat::detect(path), Ok)?;
        let dialect = match format {
            ImportFormat::PrometheusText => format::dialect(path)?,
            _ => Dialect::Prometheus,
        };
        Ok(Self { path, format, dialect, options })
    }

    fn check<'s>(&'s self, ingest: &'s Ingest) -> Result<CheckPass<'s>, FileError> {
        let max_series = usize::try_from(ingest.store().stats().max_series).unwrap_or(usize::MAX);
        let table = SeriesTable::new(self.path, ingest.limits(), max_series);
        let latest_ms = self.options.now.millis().saturating_add(ingest.limits().ahead_ms);
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

    fn read(&self, sink: &mut dyn SampleSink) -> Result<UnitDetector, FileError> {
        match self.format.table() {
            Some(format) => table::read(self.path, format, self.options.name.as_deref(), sink),
            None => prometheus::read(self.path, self.dialect, self.options.now.millis(), sink),
        }
    }
}

/// First pass: checks every value and collects the series.
struct CheckPass<'a> {
    table: SeriesTable<'a>,
    /// Latest accepted timestamp in epoch milliseconds.
    latest_ms: i64,
    samples: u64,
    span_ms: (i64, i64),
    /// Whether integer timestamps are seconds; determined at the end.
    seconds: bool,
    /// First timestamp that is too late if integers are seconds.
    ahead_as_seconds: Option<(Place, i64)>,
    in_lines: bool,
}

impl CheckPass<'_> {
    fn notes(&self) -> Vec<String> {
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

/// Second pass: writes the samples to the store.
struct WritePass<'a> {
    ingest: &'a Ingest,
    table: SeriesTable<'a>,
    ids: Vec<SeriesId>,
    batch: SampleBatch,
    waiting: VecDeque<PendingWrite>,
    /// Whether integer timestamps are seconds.
    seconds: bool,
    now: Timestamp,
    metadata: Vec<MetadataRow>,
    stored: u64,
    samples: u64,
    progress: &'a mut dyn FnMut(u64, u64),
    failed: Option<StoreError>,
}

impl WritePass<'_> {
    fn flush(&mut self) -> Result<(), StoreError> {
        while self.waiting.len() >= MAX_PENDING {
            self.wait_for_one()?;
        }
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::replace(&mut self.batch, SampleBatch::with_capacity(BATCH_SAMPLES));
        let mut waited = Duration::ZERO;
        loop {
            // `append` consumes the batch even if it rejects it, hence the clone.
            match self.ingest.append(batch.clone()) {
                Ok(pending) => {
                    self.waiting.push_back(pending);
                    return Ok(());
                }
                Err(StoreError::Busy { retry_after }) if waited < MAX_BUSY => {
                    thread::sleep(retry_after);
                    waited += retry_after;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn wait_for_one(&mut self) -> Result<(), StoreError> {
        if let Some(pending) = self.waiting.pop_front() {
            self.stored += pending.wait()?.samples_written;
            (self.progress)(self.stored, self.samples);
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), StoreError> {
        if self.failed.is_none() {
            self.flush()?;
        }
        while !self.waiting.is_empty() {
            self.wait_for_one()?;
        }
        Ok(())
    }
}

impl SampleSink for WritePass<'_> {
    fn samples(&mut self, labels: &Pairs<'_>, samples: &Samples<'_>) -> Result<(), FileError> {
        if self.failed.is_some() {
            return Ok(());
        }
        let place = (samples.place)(0);
        let idx = self.table.index_of(place, labels)?;
        let Some(&id) = self.ids.get(idx) else {
            return Err(FileError::row(self.table.path(), place, "the series was not in the file when it was checked"));
        };
        for (&stamp, &value) in samples.timestamps.iter().zip(samples.values) {
            let timestamp_ms = if self.seconds { timestamp::from_seconds(stamp) } else { stamp };
            self.batch.push(id, timestamp_ms, value);
            if self.batch.len() >= BATCH_SAMPLES {
                self.failed = self.flush().err();
                if self.failed.is_some() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn declared(&mut self, parser: &TextParser) {
        self.metadata = self.ingest.metadata_seen().unseen(parser.declared(), self.now);
    }
}
