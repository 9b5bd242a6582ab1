use std::{collections::VecDeque, path::Path, thread};

use almanac_models::Timestamp;

use super::{
    ImportFormat, format, ndjson, prometheus,
    rows::{Pairs, SeriesTable, Sink},
    table,
};
use crate::{
    ingest::{
        Ingest, PendingWrite,
        files::{FileError, Place, table as file_table},
    },
    series::SeriesId,
    store::{SampleBatch, StoreError},
};

/// Samples that go to the store at a time.
const BATCH: usize = 65_536;

/// Batches that may wait for their commit: enough to keep the writer busy, few enough to bound memory.
const IN_FLIGHT: usize = 4;

/// How a file is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportOptions {
    /// The format; by default the file tells.
    pub format: Option<ImportFormat>,
    /// The metric's name when a table has no column `series`.
    pub name: Option<String>,
    /// The timestamp of text samples that have none.
    pub now: Timestamp,
}

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ImportReport {
    /// Samples in the file; all are in the store.
    pub samples: u64,
    /// Distinct series in the file.
    pub series: u64,
    /// The oldest and the newest timestamp in the file, epoch milliseconds.
    pub span_ms: (i64, i64),
}

/// Why an import failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file is at fault; nothing was stored.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file's new series are too many; nothing was stored.
    #[error("{file}: has {series} series; with those in the store that is more than the limit of {limit}")]
    SeriesLimit {
        /// The file.
        file: String,
        /// Distinct series in the file.
        series: usize,
        /// The limit in force.
        limit: usize,
    },
    /// The store failed.
    #[error("{stored} of {samples} samples are stored; import the file again to complete it")]
    Store {
        /// Samples committed before.
        stored: u64,
        /// Samples in the file.
        samples: u64,
        /// What the store says.
        #[source]
        source: StoreError,
    },
}

/// Reads a file into the store: checks all of it first, then writes it, and waits for the disk.
///
/// `progress` hears after each batch how many samples are committed, of how many. Blocks; when the store is
/// busy it waits.
///
/// # Errors
/// [`ImportError`]; but for `Store` nothing was stored.
pub fn import_file(
    ingest: &Ingest,
    path: &Path,
    options: &ImportOptions,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<ImportReport, ImportError> {
    let source = Source::open(path, options)?;
    let Check { table, samples, span_ms } = source.check(ingest)?;
    let mut ids = Vec::with_capacity(table.labels.len());
    for labels in &table.labels {
        ids.push(ingest.store().resolve(labels).map_err(|error| match error {
            StoreError::SeriesLimit { limit } => {
                ImportError::SeriesLimit { file: path.display().to_string(), series: table.labels.len(), limit }
            }
            source => ImportError::Store { stored: 0, samples, source },
        })?);
    }
    let series = ids.len() as u64;
    let mut load = Load {
        ingest,
        table,
        ids,
        batch: SampleBatch::with_capacity(BATCH),
        waiting: VecDeque::new(),
        stored: 0,
        samples,
        progress,
        failed: None,
    };
    let read = source.read(&mut load);
    let finished = load.finish();
    if let Some(source) = load.failed.take().or(finished.err()) {
        return Err(ImportError::Store { stored: load.stored, samples, source });
    }
    // The file was checked: this is a file that changed meanwhile.
    read?;
    Ok(ImportReport { samples, series, span_ms })
}

/// Checks a file as [`import_file`] does before it stores anything.
///
/// # Errors
/// [`ImportError::File`].
pub fn check_file(ingest: &Ingest, path: &Path, options: &ImportOptions) -> Result<ImportReport, ImportError> {
    let source = Source::open(path, options)?;
    let Check { table, samples, span_ms } = source.check(ingest)?;
    Ok(ImportReport { samples, series: table.labels.len() as u64, span_ms })
}

struct Source<'a> {
    path: &'a Path,
    format: ImportFormat,
    dialect: crate::ingest::text::Dialect,
    options: &'a ImportOptions,
}

impl<'a> Source<'a> {
    fn open(path: &'a Path, options: &'a ImportOptions) -> Result<Self, FileError> {
        if path.metadata().is_ok_and(|kind| !kind.is_file() && !kind.is_dir()) {
            return Err(FileError::shape(
                path,
                "is a pipe; a file is read twice, so that nothing of a wrong one is stored",
            ));
        }
        let format = options.format.map_or_else(|| ImportFormat::detect(path), Ok)?;
        let dialect = match format {
            ImportFormat::PrometheusText => format::dialect(path)?,
            _ => crate::ingest::text::Dialect::Prometheus,
        };
        Ok(Self { path, format, dialect, options })
    }

    fn check<'s>(&'s self, ingest: &'s Ingest) -> Result<Check<'s>, FileError> {
        let max_series = usize::try_from(ingest.store().stats().max_series).unwrap_or(usize::MAX);
        let table = SeriesTable::new(self.path, ingest.limits(), max_series);
        let mut check = Check { table, samples: 0, span_ms: (i64::MAX, i64::MIN) };
        self.read(&mut check)?;
        if check.samples == 0 {
            return Err(FileError::shape(self.path, "holds no samples"));
        }
        Ok(check)
    }

    fn read(&self, sink: &mut dyn Sink) -> Result<(), FileError> {
        let name = self.options.name.as_deref();
        let text = || file_table::open(self.path).map(|(file, container)| file_table::text(file, container));
        match self.format {
            ImportFormat::Csv | ImportFormat::Parquet => table::read(self.path, name, sink),
            ImportFormat::Ndjson => ndjson::read(self.path, text()?, name, sink),
            ImportFormat::PrometheusText => {
                prometheus::read(self.path, text()?, self.dialect, self.options.now.millis(), sink)
            }
        }
    }
}

/// The first reading: every line is checked, every series is noted.
struct Check<'a> {
    table: SeriesTable<'a>,
    samples: u64,
    span_ms: (i64, i64),
}

impl Sink for Check<'_> {
    fn sample(&mut self, place: Place, labels: &Pairs<'_>, timestamp_ms: i64, _: f64) -> Result<(), FileError> {
        self.table.index_of(place, labels)?;
        self.samples += 1;
        self.span_ms = (self.span_ms.0.min(timestamp_ms), self.span_ms.1.max(timestamp_ms));
        Ok(())
    }
}

/// The second reading: samples go to the store.
struct Load<'a> {
    ingest: &'a Ingest,
    table: SeriesTable<'a>,
    ids: Vec<SeriesId>,
    batch: SampleBatch,
    waiting: VecDeque<PendingWrite>,
    stored: u64,
    samples: u64,
    progress: &'a mut dyn FnMut(u64, u64),
    failed: Option<StoreError>,
}

impl Load<'_> {
    fn flush(&mut self) -> Result<(), StoreError> {
        while self.waiting.len() >= IN_FLIGHT {
            self.wait_for_one()?;
        }
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::replace(&mut self.batch, SampleBatch::with_capacity(BATCH));
        loop {
            // The store takes the batch even when it then refuses it.
            match self.ingest.append(batch.clone()) {
                Ok(pending) => {
                    self.waiting.push_back(pending);
                    return Ok(());
                }
                Err(StoreError::Busy { retry_after }) => thread::sleep(retry_after),
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

impl Sink for Load<'_> {
    fn sample(&mut self, place: Place, labels: &Pairs<'_>, timestamp_ms: i64, value: f64) -> Result<(), FileError> {
        if self.failed.is_some() {
            return Ok(());
        }
        let idx = self.table.index_of(place, labels)?;
        let Some(&id) = self.ids.get(idx) else {
            return Err(FileError::row(self.table.path(), place, "was not there when the file was checked"));
        };
        self.batch.push(id, timestamp_ms, value);
        if self.batch.len() >= BATCH {
            self.failed = self.flush().err();
        }
        Ok(())
    }
}
