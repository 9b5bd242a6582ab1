//! Saves what is sound in a damaged store into a new file.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use duckdb::Connection;

use super::{
    super::{
        backup::{create, failure, unused},
        format::HEADERS,
        new_file::NewFile,
        place::{checkpoints, resolved},
        record::{Committed, StateFile},
        recover::log_path,
    },
    blocks::{self, CopiedBlocks, HeaderError},
    log::{self, CopiedLog},
    report::{RepairReport, RepairStage},
    rows::{LostSamples, Target},
    samples::copy_segments,
    source::{LogUse, Source},
    tables::{copy_tables, derive, version_of},
};
use crate::store::{
    Damage, Store, StoreError, StoreOptions,
    error::{failed_to, one_line},
    schema::{self, FileClaim, load_registry, migrate_to},
    write::check_disk_space,
};

/// Bytes that the new store and the copy may need besides the damaged file's.
const RESERVE: u64 = 64 << 20;

/// Saves what is sound in the file and log at `damaged`, which are not changed, into the new store `target`. `progress` is called with what is
/// done and the total of each stage.
///
/// # Errors
/// `Open`, `Locked`: the file cannot be read, or is in use; `Exists`: the new store is there; `NotDuckDb`, `Foreign`, `NewerSchema`; `Damaged`: nothing
/// can be saved; `DiskFull`. Nothing is left of the new store.
pub(in crate::store) fn repair(
    damaged: &Path,
    target: &Path,
    options: &StoreOptions,
    progress: &mut dyn FnMut(RepairStage, u64, u64),
) -> Result<RepairReport, StoreError> {
    let damaged = &resolved(damaged);
    let new = NewFile::begin(target)?;
    let metadata = fs::metadata(damaged).map_err(|error| failure(damaged, &error))?;
    if !metadata.is_file() {
        let detail = "it is not a file".to_owned();
        return Err(StoreError::Open { path: damaged.to_owned(), detail });
    }
    let _claim = FileClaim::new(damaged)?;
    let file = unused(damaged)?;
    let log_bytes = log_path(damaged).metadata().map_or(0, |log| log.len());
    check_disk_space(target, 2 * (metadata.len() + log_bytes) + RESERVE, "the repaired store")?;
    // Two databases are open at once.
    let options = StoreOptions { memory_bytes: (options.memory_bytes / 2).max(256 << 20), ..options.clone() };
    let mut report = RepairReport::default();
    let (mut source, missing) = open_copy(damaged, &file, &new, &options, progress, &mut report)?;
    let version = version_of(&source, damaged).map_err(|error| unreadable(damaged, error))?;
    let tables = source.tables().map_err(|error| unreadable(damaged, error))?;
    let connection = schema::connect_unchecked(target, new.part(), &options)?;
    migrate_to(&connection, target, version)?;
    let total = tables.iter().map(|(_, rows)| rows.unsigned_abs()).sum();
    let mut done = 0;
    let mut count = |rows: u64| {
        done = (done + rows).min(total);
        progress(RepairStage::Saving, done, total);
    };
    count(0);
    let mut into = Target { connection: &connection, count: &mut count };
    let mut lost = Vec::new();
    report.tables = copy_tables(&mut source, &mut into, &tables, &mut lost)?;
    let mut lost_samples = LostSamples::default();
    let segments = copy_segments(&mut source, &mut into, &tables, version, &mut lost_samples)?;
    let lost_hours = lost.iter().any(|damage| damage.what.ends_with("table rollup_1h"));
    let has_histograms = tables.iter().any(|(table, _)| table == "histograms");
    report.unnamed = derive(&into, &segments, has_histograms, lost_hours)?;
    count(total);
    report.samples = segments.samples();
    if let Some((what, before)) = missing {
        let reason = match before.samples.saturating_sub(report.samples) {
            0 => what,
            samples => format!("{what}; the store had {samples} samples more"),
        };
        lost.push(Damage { what: "acknowledged changes".to_owned(), samples: None, reason });
    }
    let registry = load_registry(&connection, usize::MAX, usize::MAX)?;
    report.lost.extend(lost);
    report.lost.extend(lost_samples.into_damages(&registry));
    connection.execute_batch("CHECKPOINT").map_err(failed_to("write the new store"))?;
    drop(connection);
    report.series = opened(new.part(), &options)?;
    report.bytes = new.publish()?;
    Ok(report)
}

/// Opens the new store as a service does, which migrates it, and returns its number of series.
fn opened(part: &Path, options: &StoreOptions) -> Result<u64, StoreError> {
    let store = Store::open(part, options.clone())?;
    let series = store.stats().series;
    store.close()?;
    Ok(series)
}

/// What is known to be missing besides what is damaged.
type Missing = Option<(String, Committed)>;

/// Copies the damaged file and its log beside the new one, corrects what can be corrected, and opens the copy.
fn open_copy(
    damaged: &Path,
    file: &File,
    new: &NewFile,
    options: &StoreOptions,
    progress: &mut dyn FnMut(RepairStage, u64, u64),
    report: &mut RepairReport,
) -> Result<(Source, Missing), StoreError> {
    let length = file.metadata().map_err(|error| failure(damaged, &error))?.len();
    let mut done = 0;
    let mut count = |bytes: u64| {
        done += bytes;
        progress(RepairStage::Copying, done, length);
        Ok(())
    };
    let template = main_header(new, options)?;
    let known = StateFile::read(damaged);
    let scratch = new.scratch();
    let mut header = None;
    let copied = create(&scratch, |out| {
        let checkpoints = known.map(|known| known.checkpoints);
        blocks::copy(file, length, out, checkpoints, &template, &mut count).or_else(|error| match error {
            HeaderError::Io(error) => Err(error),
            other => {
                header = Some(other);
                Ok(CopiedBlocks::default())
            }
        })
    })?;
    match header {
        Some(HeaderError::NotDuckDb) => return Err(StoreError::NotDuckDb { path: damaged.to_owned() }),
        Some(HeaderError::Damaged(detail)) => return Err(nothing(damaged, &detail)),
        Some(HeaderError::Io(_)) | None => {}
    }
    report.corrected += copied.corrected;
    let known = known.zip(File::open(&scratch).ok().and_then(|copy| checkpoints(&copy)));
    let log = copy_log(damaged, &scratch, known.and_then(|(known, checkpoints)| known.acknowledged(checkpoints)))?;
    report.corrected += log.corrected;
    let missing = known.and_then(|(known, checkpoints)| Some((known.missing(checkpoints, log.length)?, known)));
    let (source, used) = Source::open(scratch, damaged.to_owned(), copied, options, log.prefix)
        .map_err(|error| unreadable(damaged, error))?;
    report.lost.extend(lost_of_log(&log, used));
    // A log that is damaged is shorter than it was.
    Ok((source, missing.filter(|_| report.lost.is_empty())))
}

/// Returns the error of a file whose list of tables cannot be read.
fn unreadable(path: &Path, error: StoreError) -> StoreError {
    match error {
        StoreError::Damaged { detail, .. }
        | StoreError::Open { detail, .. }
        | StoreError::DamagedBlock { detail }
        | StoreError::Stopped { detail } => nothing(path, &detail),
        StoreError::Database { source, .. } => nothing(path, &one_line(&source)),
        other => other,
    }
}

/// Returns the error of a file of which nothing can be saved.
fn nothing(path: &Path, detail: &str) -> StoreError {
    StoreError::Unrepairable { path: path.to_owned(), detail: detail.to_owned() }
}

/// Returns the main header of a new file.
fn main_header(new: &NewFile, options: &StoreOptions) -> Result<Vec<u8>, StoreError> {
    let path = new.scratch();
    let connection: Connection = schema::connect_unchecked(&path, &path, options)?;
    drop(connection);
    let mut header = vec![0; usize::try_from(HEADERS).unwrap_or_default()];
    let read =
        File::open(&path).and_then(|mut file| file.read_exact(&mut header)).and_then(|()| fs::remove_file(&path));
    read.map_err(|error: io::Error| failure(&path, &error))?;
    Ok(header)
}

/// Copies the log as far as it can be replayed.
fn copy_log(damaged: &Path, scratch: &Path, acknowledged: Option<u64>) -> Result<CopiedLog, StoreError> {
    let path = log_path(damaged);
    let mut source = match File::open(&path) {
        Ok(source) => source,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(CopiedLog::default()),
        Err(error) => return Err(failure(&path, &error)),
    };
    let length = source.metadata().map_err(|error| failure(&path, &error))?.len();
    let copied = create(&log_path(scratch), |out| log::copy(&mut source, length, acknowledged, out))?;
    if copied.length == 0 {
        let _ = fs::remove_file(log_path(scratch));
    }
    Ok(copied)
}

/// Returns what of the log is lost.
fn lost_of_log(log: &CopiedLog, used: LogUse) -> Option<Damage> {
    let reason = match (used, log.damaged_at) {
        (LogUse::Whole, None) => return None,
        (LogUse::Whole, Some(at)) => format!(
            "it is damaged at byte {at}; transactions lost: {}, saved after them, since they only insert rows: {}",
            log.lost, log.later
        ),
        (LogUse::Prefix, at) => format!(
            "it is damaged at byte {}; transactions lost from there on: {}",
            at.unwrap_or(log.prefix),
            log.lost + log.later
        ),
        (LogUse::Nothing, _) => "it cannot be replayed; all changes since the last checkpoint are lost".to_owned(),
    };
    Some(Damage { what: "write-ahead log".to_owned(), samples: None, reason })
}
