//! Prepares the files of a store for opening: drops a torn tail of the log, notices a log that is missing or short, and
//! removes files that a killed process left.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use super::{
    format::{HEADERS, PAGE, is_sound},
    log::{LogState, examine},
    place::checkpoints,
    record::{Committed, StateFile},
    spare,
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
    restore_metadata(path, &database);
    let known = StateFile::read(path).zip(checkpoints(&database));
    let acknowledged = known.and_then(|(known, checkpoints)| known.acknowledged(checkpoints));
    let committed = committed_bytes(path, &log, acknowledged)?;
    let missing = match (known, committed) {
        (Some((known, checkpoints)), Some(bytes)) => known.missing(checkpoints, bytes).map(|what| (what, known)),
        _ => None,
    };
    Ok(Recovered { missing })
}

/// Returns the bytes of complete transactions in the log, after its torn tail was cut off; `None` if its format is not
/// known.
fn committed_bytes(path: &Path, log: &Path, acknowledged: Option<u64>) -> Result<Option<u64>, StoreError> {
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
    match examine(&mut reader, length, acknowledged).map_err(failed)? {
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

/// Removes the file of a new store whose creation was interrupted: it has no block and no log, and one of its headers is incomplete, while
/// the record says that nothing was ever stored.
pub(in crate::store) fn remove_unborn(path: &Path) {
    let has_log = log_path(path).metadata().is_ok_and(|log| log.len() > 0);
    if has_log || StateFile::read(path) != Some(Committed::NOTHING) {
        return;
    }
    if path.exists() {
        // Another process that creates it has the lock.
        let Some(file) = lock(path) else { return };
        if !is_unborn(&file).unwrap_or(false) || fs::remove_file(path).is_err() {
            return;
        }
        tracing::warn!(file = %path.display(), "the creation of the store was interrupted; what there was of the file is removed");
    }
    let _ = fs::remove_file(StateFile::path(path));
}

/// Whether a file has at most the headers of a database, and those not complete. Another program's file is not taken for one.
fn is_unborn(file: &File) -> io::Result<bool> {
    let mut bytes = Vec::new();
    file.take(HEADERS + 1).read_to_end(&mut bytes)?;
    let first = &bytes[..bytes.len().min(PAGE)];
    let is_ours = first.iter().all(|byte| *byte == 0) || first.get(8..12) == Some(b"DUCK".as_slice());
    let is_whole = bytes.len() as u64 == HEADERS && bytes.chunks_exact(PAGE).all(is_sound);
    Ok(is_ours && !is_whole && bytes.len() as u64 <= HEADERS)
}

/// Writes again the blocks of metadata that a power cut during a checkpoint has left half written.
fn restore_metadata(path: &Path, database: &File) {
    match spare::restore(path, database) {
        Ok(blocks) => {
            if blocks > 0 {
                tracing::warn!(
                    file = %path.display(), blocks,
                    "a checkpoint was interrupted while it wrote the file's metadata; the metadata of before it was restored"
                );
            }
            // It must not be taken for one of a file that is put in this place.
            spare::remove(path);
        }
        // The opening names what is wrong with the file.
        Err(error) => {
            tracing::warn!(file = %path.display(), %error, "the metadata could not be compared with its copy")
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
    for end in ["", ".part", ".part.wal", ".part.spare"] {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Store, StoreOptions};

    #[test]
    fn only_a_file_whose_creation_was_interrupted_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.duckdb");
        drop(duckdb::Connection::open(&path).unwrap());
        let whole = fs::read(&path).unwrap();
        assert_eq!(whole.len() as u64, HEADERS);
        let torn = |from: usize| [&whole[..from], &vec![0; whole.len() - from]].concat();
        let other = b"what another program keeps here".to_vec();
        let (short, none, longer) = (whole[..10_752].to_vec(), Vec::new(), [torn(4_096), vec![0; 1]].concat());
        let check = |bytes: &[u8], is_new: bool, is_removed: bool| {
            fs::write(&path, bytes).unwrap();
            let _ = fs::remove_file(StateFile::path(&path));
            if is_new {
                StateFile::begin(&path);
            }
            remove_unborn(&path);
            assert_eq!(path.exists(), !is_removed, "{} bytes", bytes.len());
            if is_removed {
                assert!(!StateFile::path(&path).exists());
                Store::open(&path, StoreOptions::default()).unwrap().close().unwrap();
            } else {
                assert_eq!(fs::read(&path).unwrap(), bytes);
            }
        };
        for bytes in [&short, &none, &torn(0), &torn(512), &torn(4_096), &torn(8_200)] {
            check(bytes, true, true);
            // Without its record it may be a damaged store.
            check(bytes, false, false);
        }
        for bytes in [&whole, &other, &longer] {
            check(bytes, true, false);
        }
        // A store that has taken samples.
        StateFile::open(&path).write(Committed::new(3, 0, 1_000));
        fs::write(&path, &short).unwrap();
        remove_unborn(&path);
        assert!(path.exists());
        // A log belongs to a file.
        StateFile::begin(&path);
        fs::write(log_path(&path), [1]).unwrap();
        remove_unborn(&path);
        assert!(path.exists());
    }
}
