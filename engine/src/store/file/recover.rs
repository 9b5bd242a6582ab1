//! Prepares the files of a store for opening: drops a torn tail of the log, notices a log that is missing or short, and
//! removes files that a killed process left.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader},
    path::{Path, PathBuf},
};

use super::{
    log::{LogState, examine},
    place::checkpoints,
    record::{Committed, StateFile},
};
use crate::store::StoreError;

/// What is known about the files before they are opened.
#[derive(Debug, Default)]
pub(in crate::store) struct Recovered {
    /// What is missing, and what was committed before; `None` when nothing is known to be missing.
    pub(in crate::store) missing: Option<(String, Committed)>,
}

/// Returns the path of the write-ahead log beside a store.
pub(in crate::store) fn log_path(store: &Path) -> PathBuf {
    PathBuf::from(format!("{}.wal", store.display()))
}

/// Returns the path of the copy of a store while it is sent as a backup.
pub(in crate::store) fn download_path(store: &Path) -> PathBuf {
    PathBuf::from(format!("{}.backup-download", store.display()))
}

/// Prepares the files of the store at `path`. Without the lock on the file nothing is done: another process has it.
///
/// # Errors
/// `Open` when there is a log without a database file, which DuckDB would remove; `Damaged` when the log is damaged
/// before its end.
pub(in crate::store) fn recover(path: &Path) -> Result<Recovered, StoreError> {
    let log = log_path(path);
    if !path.exists() {
        let has_log = log.metadata().is_ok_and(|log| log.len() > 0);
        if has_log {
            let detail = format!(
                "its log {} is there, but the file is not; put the file back, or move the log away to begin a new store",
                log.display()
            );
            return Err(StoreError::Open { path: path.to_owned(), detail });
        }
        if let Some(before) = StateFile::read(path).filter(|before| before.samples > 0) {
            tracing::warn!(file = %path.display(), samples = before.samples, "the store's file is missing although its side file is there; a new store is created");
        }
        return Ok(Recovered::default());
    }
    // Dropping the descriptor releases the lock, before DuckDB takes its own.
    let Some(database) = lock(path) else { return Ok(Recovered::default()) };
    remove_spilled(path);
    remove_downloads(path);
    let committed = committed_bytes(path, &log)?;
    let known = StateFile::read(path).zip(checkpoints(&database));
    let missing = match (known, committed) {
        (Some((known, checkpoints)), Some(bytes)) => known.missing(checkpoints, bytes).map(|what| (what, known)),
        _ => None,
    };
    Ok(Recovered { missing })
}

/// Returns the bytes of complete transactions in the log, after its torn tail was cut off; `None` if its format is not
/// known.
fn committed_bytes(path: &Path, log: &Path) -> Result<Option<u64>, StoreError> {
    let failed = |error: io::Error| StoreError::Open { path: log.to_owned(), detail: error.to_string() };
    let length = match log.metadata() {
        Ok(found) => found.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(0)),
        Err(error) => return Err(failed(error)),
    };
    if length == 0 {
        return Ok(Some(0));
    }
    let mut reader = BufReader::with_capacity(1 << 16, File::open(log).map_err(failed)?);
    match examine(&mut reader, length).map_err(failed)? {
        LogState::Unknown => Ok(None),
        LogState::Damaged { at, later } => Err(StoreError::Damaged {
            path: path.to_owned(),
            detail: format!(
                "its log {} is damaged at byte {at}, and {later} committed transactions follow",
                log.display()
            ),
        }),
        LogState::Readable { committed, length } => {
            if committed < length {
                tracing::warn!(
                    log = %log.display(), bytes = length - committed, kept = committed,
                    "the end of the write-ahead log is not a complete transaction; it is dropped"
                );
                // Where the log cannot be written, DuckDB reports the reason.
                let cut = OpenOptions::new().write(true).open(log).and_then(|file| {
                    file.set_len(committed)?;
                    file.sync_all()
                });
                if let Err(error) = cut {
                    tracing::warn!(log = %log.display(), %error, "the end of the write-ahead log could not be cut off");
                }
            }
            Ok(Some(committed))
        }
    }
}

/// Removes temporary files of DuckDB that a killed process left in `<store>.tmp`.
fn remove_spilled(path: &Path) {
    let folder = PathBuf::from(format!("{}.tmp", path.display()));
    let Ok(entries) = fs::read_dir(&folder) else { return };
    let is_spilled = |name: &str| name.starts_with("duckdb_temp");
    let (mut files, mut bytes) = (0_u32, 0);
    for entry in entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_spilled)) {
        let size = entry.metadata().map_or(0, |file| file.len());
        if fs::remove_file(entry.path()).is_ok() {
            files += 1;
            bytes += size;
        }
    }
    if files > 0 {
        tracing::info!(folder = %folder.display(), files, bytes, "temporary files of a killed process were removed");
    }
}

/// Removes copies for backups that a killed process left.
fn remove_downloads(path: &Path) {
    let download = download_path(path).display().to_string();
    for end in ["", ".part", ".part.wal"] {
        let file = PathBuf::from(format!("{download}{end}"));
        if fs::remove_file(&file).is_ok() {
            tracing::info!(file = %file.display(), "the copy for a backup of a killed process was removed");
        }
    }
}

/// Opens the database file and locks it as DuckDB does; `None` when another process has it or it cannot be locked.
#[cfg(unix)]
fn lock(path: &Path) -> Option<File> {
    let file = OpenOptions::new().read(true).write(true).open(path).ok()?;
    rustix::fs::fcntl_lock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).ok()?;
    Some(file)
}

/// An open file of another process cannot be opened for writing.
#[cfg(not(unix))]
fn lock(path: &Path) -> Option<File> {
    OpenOptions::new().read(true).write(true).open(path).ok()
}
