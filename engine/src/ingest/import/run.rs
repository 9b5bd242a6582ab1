//! Reads a file into the store: checks all of it, then writes it.

use std::{collections::VecDeque, path::Path, thread};

use almanac_models::Timestamp;

use super::{
    ImportFormat, format, prometheus,
    rows::{Pairs, Samples, SeriesTable, Sink},
    table,
};
use crate::{
    ingest::{
        Ingest, PendingWrite,
        files::{FileError, Place, check_unit, seconds_note},
        stamp::{self, UnitCensus},
        text::{Dialect, TextParser},
    },
    series::SeriesId,
    store::{SampleBatch, StoreError, rows::MetadataRow},
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
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImportReport {
    /// Samples in the file; all are in the store.
    pub samples: u64,
    /// Distinct series in the file.
    pub series: u64,
    /// The oldest and the newest timestamp in the file, epoch milliseconds.
    pub span_ms: (i64, i64),
    /// What a reader should know of how the file was read, a line each.
    pub notes: Vec<String>,
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
/// `progress` is called after each batch with how many samples are committed, of how many. Blocks; when the store is
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
    let checked = source.check(ingest)?;
    let notes = checked.notes();
    let Check { table, samples, span_ms, seconds, .. } = checked;
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
        seconds,
        now: options.now,
        metadata: Vec::new(),
        stored: 0,
        samples,
        progress,
        failed: None,
    };
    let read = source.read(&mut load);
    let finished = load.finish().and_then(|()| ingest.put_metadata(&load.metadata));
    if let Some(source) = load.failed.take().or(finished.err()) {
        return Err(ImportError::Store { stored: load.stored, samples, source });
    }
    // The file was checked: this is a file that changed meanwhile.
    read?;
    Ok(ImportReport { samples, series, span_ms, notes })
}

/// Checks a file as [`import_file`] does before it stores anything.
///
/// # Errors
/// [`ImportError::File`].
pub fn check_file(ingest: &Ingest, path: &Path, options: &ImportOptions) -> Result<ImportReport, ImportError> {
    let source = Source::open(path, options)?;
    let checked = source.check(ingest)?;
    let notes = checked.notes();
    let Check { table, samples, span_ms, .. } = checked;
    Ok(ImportReport { samples, series: table.labels.len() as u64, span_ms, notes })
}

struct Source<'a> {
    path: &'a Path,
    format: ImportFormat,
    dialect: Dialect,
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
            _ => Dialect::Prometheus,
        };
        Ok(Self { path, format, dialect, options })
    }

    fn check<'s>(&'s self, ingest: &'s Ingest) -> Result<Check<'s>, FileError> {
        let max_series = usize::try_from(ingest.store().stats().max_series).unwrap_or(usize::MAX);
        let table = SeriesTable::new(self.path, ingest.limits(), max_series);
        let latest_ms = self.options.now.millis().saturating_add(ingest.limits().ahead_ms);
        let mut check = Check {
            table,
            latest_ms,
            samples: 0,
            span_ms: (i64::MAX, i64::MIN),
            seconds: false,
            ahead_as_seconds: None,
            in_lines: true,
        };
        let census = self.read(&mut check)?;
        if check.samples == 0 {
            return Err(FileError::shape(self.path, "holds no samples"));
        }
        check_unit(self.path, &census, check.in_lines)?;
        if census.is_seconds() {
            if let Some((place, stamp)) = check.ahead_as_seconds {
                return Err(check.ahead(place, stamp::from_seconds(stamp)));
            }
            check.seconds = true;
            check.span_ms = (stamp::from_seconds(check.span_ms.0), stamp::from_seconds(check.span_ms.1));
        }
        Ok(check)
    }

    fn read(&self, sink: &mut dyn Sink) -> Result<UnitCensus, FileError> {
        match self.format.table() {
            Some(format) => table::read(self.path, format, self.options.name.as_deref(), sink),
            None => prometheus::read(self.path, self.dialect, self.options.now.millis(), sink),
        }
    }
}

/// The first reading: every value is checked, every series is noted.
struct Check<'a> {
    table: SeriesTable<'a>,
    /// Later timestamps are refused.
    latest_ms: i64,
    samples: u64,
    span_ms: (i64, i64),
    /// Whether integer timestamps are seconds, which is known at the end.
    seconds: bool,
    /// The first timestamp that is too late if integers are seconds.
    ahead_as_seconds: Option<(Place, i64)>,
    in_lines: bool,
}

impl Check<'_> {
    fn notes(&self) -> Vec<String> {
        if self.seconds { vec![seconds_note(self.span_ms.0, self.span_ms.1)] } else { Vec::new() }
    }

    fn ahead(&self, place: Place, stamp: i64) -> FileError {
        let shown = |millis: i64| {
            chrono::DateTime::from_timestamp_millis(millis)
                .map_or_else(|| millis.to_string(), |at| at.format("%Y-%m-%dT%H:%M:%SZ").to_string())
        };
        let problem = format!(
            "timestamp {} is in the future; the latest that is accepted is {} (configuration ingest.max_ahead)",
            shown(stamp),
            shown(self.latest_ms)
        );
        FileError::row(self.table.path(), place, problem)
    }
}

impl Sink for Check<'_> {
    fn samples(&mut self, labels: &Pairs<'_>, samples: &Samples<'_>) -> Result<(), FileError> {
        let first = (samples.place)(0);
        self.in_lines = matches!(first, Place::Line(_));
        self.table.index_of(first, labels)?;
        for (idx, &stamp) in samples.timestamps.iter().enumerate() {
            if stamp > self.latest_ms {
                return Err(self.ahead((samples.place)(idx), stamp));
            }
            if self.ahead_as_seconds.is_none() && stamp::from_seconds(stamp) > self.latest_ms {
                self.ahead_as_seconds = Some(((samples.place)(idx), stamp));
            }
            self.span_ms = (self.span_ms.0.min(stamp), self.span_ms.1.max(stamp));
        }
        self.samples += samples.timestamps.len() as u64;
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
    /// Whether integer timestamps are seconds.
    seconds: bool,
    now: Timestamp,
    metadata: Vec<MetadataRow>,
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
    fn samples(&mut self, labels: &Pairs<'_>, samples: &Samples<'_>) -> Result<(), FileError> {
        if self.failed.is_some() {
            return Ok(());
        }
        let place = (samples.place)(0);
        let idx = self.table.index_of(place, labels)?;
        let Some(&id) = self.ids.get(idx) else {
            return Err(FileError::row(self.table.path(), place, "was not there when the file was checked"));
        };
        for (&stamp, &value) in samples.timestamps.iter().zip(samples.values) {
            let timestamp_ms = if self.seconds { stamp::from_seconds(stamp) } else { stamp };
            self.batch.push(id, timestamp_ms, value);
            if self.batch.len() >= BATCH {
                self.failed = self.flush().err();
                if self.failed.is_some() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
    fn stated(&mut self, parser: &TextParser) {
        self.metadata = self.ingest.metadata_seen().unseen(parser.stated(), self.now);
    }
}
