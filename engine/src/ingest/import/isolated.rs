//! Imports a file that a process of its own decodes: a hostile file ends at worst that process.

use std::{
    io,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use super::{
    ImportError, ImportOptions, ImportReport,
    batches::SampleWriter,
    decoded::{Decoded, Request, unpack},
    run::max_series,
};
use crate::{
    ingest::{Ingest, metadata::DeclaredMetadata},
    isolation::{Pipes, Process},
    series::Labels,
    store::{StoreError, rows::MetricType},
};

/// Longest time for one file.
const DEADLINE: Duration = Duration::from_secs(3_600);

/// Maximum number of bytes of all labels of a file.
const LABEL_BYTES: usize = 256 << 20;

/// How the exchange with the process failed.
enum Failure {
    /// The process ended, or sent something else.
    Process,
    /// The import failed.
    Import(ImportError),
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Self {
        Self::Process
    }
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        Self::Import(error)
    }
}

/// Imports a file like [`import_file`](super::import_file), decoded by a process that `command` starts and that calls
/// [`serve_import`](super::serve_import) with its standard input and output. `memory` is that process's limit in bytes,
/// for the message.
///
/// # Errors
/// [`ImportError`]; except for `Store` and `Ended`, nothing was stored.
pub fn import_isolated(
    ingest: &Ingest,
    command: Command,
    memory: u64,
    path: &Path,
    options: &ImportOptions,
) -> Result<ImportReport, ImportError> {
    let file = path.display().to_string();
    let mut stored = 0;
    let ended = |detail: String, stored: u64| ImportError::Ended { file: file.clone(), detail, memory, stored };
    // The process has another working folder.
    let whole = path.canonicalize().map_err(|error| ended(error.to_string(), 0))?;
    let mut process = Process::start(command).map_err(|error| ended(error.to_string(), 0))?;
    let request = Request {
        path: whole,
        format: options.format,
        name: options.name.clone(),
        now_ms: options.now.millis(),
        limits: *ingest.limits(),
        max_series: max_series(ingest),
    };
    let result = process.until(
        Instant::now() + DEADLINE,
        || false,
        |pipes| receive(ingest, pipes, &request, options, &file, &mut stored),
    );
    result.map_err(|failure| match failure {
        Failure::Import(error) => error,
        Failure::Process => ended(process.ending(), stored),
    })
}

fn receive(
    ingest: &Ingest,
    pipes: &mut Pipes<'_>,
    request: &Request,
    options: &ImportOptions,
    file: &str,
    stored: &mut u64,
) -> Result<ImportReport, Failure> {
    let unexpected = || Failure::Process;
    let invalid = |message: String, is_large: bool| {
        // The message names the file as the process sees it.
        let message = message.replace(&request.path.display().to_string(), file);
        Failure::Import(ImportError::Decoded { message, is_large })
    };
    pipes.send(request, &[])?;
    let (samples, series, span_ms, notes) = match pipes.receive()?.0 {
        Decoded::Checked { samples, series, span_ms, notes } => (samples, series, span_ms, notes),
        Decoded::Failed { message, is_large } => return Err(invalid(message, is_large)),
        _ => return Err(unexpected()),
    };
    let mut all: Vec<Labels> = Vec::new();
    let mut bytes = 0_usize;
    while (all.len() as u64) < series {
        match pipes.receive()?.0 {
            Decoded::Series(part) => {
                for pairs in part {
                    bytes += pairs.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
                    if bytes > LABEL_BYTES {
                        let problem = format!("{file}: its labels have more than {} MiB; split it", LABEL_BYTES >> 20);
                        return Err(Failure::Import(ImportError::Decoded { message: problem, is_large: true }));
                    }
                    let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
                    all.push(Labels::from_pairs(pairs).map_err(|_| unexpected())?);
                }
            }
            Decoded::Failed { message, is_large } => return Err(invalid(message, is_large)),
            _ => return Err(unexpected()),
        }
    }
    let failed = |source: StoreError, stored: u64| match source {
        StoreError::SeriesLimit { limit } => {
            ImportError::SeriesLimit { file: file.to_owned(), series: all.len(), limit }
        }
        StoreError::LabelLimit { limit } => ImportError::LabelLimit { file: file.to_owned(), limit },
        source => ImportError::Store { stored, samples, source },
    };
    let ids = ingest.store().resolve_all(&all).map_err(|error| failed(error, 0))?;
    let mut progress = |done, _| *stored = done;
    let mut writer = SampleWriter::new(ingest, samples, &mut progress);
    loop {
        let (message, payload) = pipes.receive()?;
        match message {
            Decoded::Samples => {
                for (idx, timestamp_ms, value) in unpack(&payload) {
                    let id = usize::try_from(idx).ok().and_then(|idx| ids.get(idx)).ok_or_else(unexpected)?;
                    if let Err(error) = writer.push(*id, timestamp_ms, value) {
                        // What was passed on before is committed or not by its own result.
                        let _ = writer.wait_for_all();
                        return Err(failed(error, writer.stored()).into());
                    }
                }
            }
            Decoded::Metadata(declared) => {
                put_metadata(ingest, &declared, options).map_err(|error| failed(error, 0))?
            }
            Decoded::Done => {
                writer.finish().map_err(|error| failed(error, writer.stored()))?;
                return Ok(ImportReport { samples, series, span_ms, notes });
            }
            Decoded::Failed { message, is_large } => return Err(invalid(message, is_large)),
            Decoded::Checked { .. } | Decoded::Series(_) => return Err(unexpected()),
        }
    }
}

fn put_metadata(
    ingest: &Ingest,
    declared: &[(String, String, String, String)],
    options: &ImportOptions,
) -> Result<(), StoreError> {
    let declared = declared.iter().map(|(metric, metric_type, help, unit)| DeclaredMetadata {
        metric_type: metric_type.parse().unwrap_or(MetricType::Unknown),
        metric: metric.as_bytes(),
        help: help.as_bytes(),
        unit: unit.as_bytes(),
    });
    let rows = ingest.metadata_seen().unseen(declared, options.now);
    ingest.put_metadata(&rows)
}
