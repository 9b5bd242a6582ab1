//! Imports a file in two passes: the first checks the whole file, the second writes it to the store.

use std::path::Path;

use almanac_models::Timestamp;

use super::{
    ImportFormat,
    batches::SampleWriter,
    check::{CheckPass, ImportSource},
    rows::{Pairs, SampleSink, Samples, SeriesTable},
};
use crate::{
    ingest::{Ingest, files::FileError, text::TextParser, timestamp},
    series::SeriesId,
    store::{StoreError, rows::MetadataRow},
};

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
    /// The file is invalid, as found by the process that decoded it; nothing was stored.
    #[error("{message}")]
    Decoded {
        /// What is wrong, with the file and the place in it.
        message: String,
        /// Whether the file is larger than a limit.
        is_large: bool,
    },
    /// The process that decoded the file ended; nothing was stored unless `stored` is above 0.
    #[error(
        "{file}: the process that decoded the file ended ({detail}); the file is damaged, or it takes more than {} MiB of memory to decode",
        memory >> 20
    )]
    Ended {
        /// The file.
        file: String,
        /// How the process ended.
        detail: String,
        /// Memory of the process in bytes.
        memory: u64,
        /// Samples committed before that.
        stored: u64,
    },
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
    /// The labels of the file's new series exceed the limit; nothing was stored.
    #[error(
        "{file}: the distinct names and values of its labels and of those in the store exceed the limit of {} MiB",
        limit >> 20
    )]
    LabelLimit {
        /// The file.
        file: String,
        /// Limit in bytes.
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
    let source = ImportSource::open(ingest.limits(), path, options)?;
    let checked = source.check(ingest.limits(), max_series(ingest))?;
    let notes = checked.notes();
    let CheckPass { table, samples, span_ms, seconds, .. } = checked;
    let ids = ingest.store().resolve_all(&table.labels).map_err(|error| match error {
        StoreError::SeriesLimit { limit } => {
            ImportError::SeriesLimit { file: path.display().to_string(), series: table.labels.len(), limit }
        }
        StoreError::LabelLimit { limit } => ImportError::LabelLimit { file: path.display().to_string(), limit },
        source => ImportError::Store { stored: 0, samples, source },
    })?;
    let series = ids.len() as u64;
    let mut pass = WritePass {
        table,
        ids,
        seconds,
        now: options.now,
        metadata: Vec::new(),
        writer: SampleWriter::new(ingest, samples, progress),
        failed: None,
    };
    let read = source.read(&mut pass);
    let WritePass { mut writer, metadata, failed, .. } = pass;
    let finished = match failed {
        None => writer.finish().and_then(|()| ingest.put_metadata(&metadata)),
        Some(error) => writer.wait_for_all().and(Err(error)),
    };
    if let Err(source) = finished {
        return Err(ImportError::Store { stored: writer.stored(), samples, source });
    }
    // The file passed the check, so an error here means that it has changed since.
    read?;
    Ok(ImportReport { samples, series, span_ms, notes })
}

/// Returns the maximum number of series of a file.
pub(super) fn max_series(ingest: &Ingest) -> usize {
    usize::try_from(ingest.store().stats().max_series).unwrap_or(usize::MAX)
}

/// Runs the checks of [`import_file`] without storing anything.
///
/// # Errors
/// [`ImportError::File`].
pub fn check_file(ingest: &Ingest, path: &Path, options: &ImportOptions) -> Result<ImportReport, ImportError> {
    let source = ImportSource::open(ingest.limits(), path, options)?;
    let checked = source.check(ingest.limits(), max_series(ingest))?;
    let notes = checked.notes();
    let CheckPass { table, samples, span_ms, .. } = checked;
    Ok(ImportReport { samples, series: table.labels.len() as u64, span_ms, notes })
}

/// Second pass: writes the samples to the store.
struct WritePass<'a> {
    table: SeriesTable<'a>,
    ids: Vec<SeriesId>,
    /// Whether integer timestamps are seconds.
    seconds: bool,
    now: Timestamp,
    metadata: Vec<MetadataRow>,
    writer: SampleWriter<'a>,
    failed: Option<StoreError>,
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
            self.failed = self.writer.push(id, timestamp_ms, value).err();
            if self.failed.is_some() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn declared(&mut self, parser: &TextParser) {
        self.metadata = self.writer.ingest().metadata_seen().unseen(parser.declared(), self.now);
    }
}
