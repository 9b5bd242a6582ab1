//! Copies an open store into a file of its own, while samples are written.
//!
//! DuckDB changes blocks that are in use only at a checkpoint; between checkpoints it appends to the log, and writes blocks that
//! were free. So a copy of the file and of the log's transactions is consistent while no checkpoint is written. The writer holds
//! its checkpoints back meanwhile; DuckDB writes one by itself when the log has 4 GiB, which is noticed, and ends the copy. The log
//! is merged into the copy, which also proves that it can be opened.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::Path,
    sync::{Arc, atomic::Ordering},
};

use super::{new_file::NewFile, place::resolved, recover::log_path};
use crate::store::{StoreError, StoreOptions, error::failed_to, schema, shared::Shared, write::check_disk_space};

/// Bytes that are copied at once.
const PART: usize = 4 << 20;
/// Free bytes that a backup leaves on its disk.
const RESERVE: u64 = 256 << 20;

/// What a backup or a restored store contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupReport {
    /// Samples.
    pub samples: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Holds back checkpoints until it is dropped.
struct Hold<'a>(&'a Shared);

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.0.copying.store(false, Ordering::Release);
    }
}

/// Copies the store into `target`, which must not exist. `progress` is called with the bytes copied and all bytes.
pub(in crate::store) fn backup(
    shared: &Arc<Shared>,
    target: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<BackupReport, StoreError> {
    let new = NewFile::begin(target)?;
    // A compaction writes and frees many blocks, and ends with a checkpoint; a deletion too.
    let compacting = shared.compacting.lock();
    let hold = Hold(shared);
    let (bytes, log_bytes, checkpoints) = shared.on_writer(|writer| {
        // Between two transactions: everything that was acknowledged is in these bytes.
        writer.shared.copying.store(true, Ordering::Release);
        let length = writer.shared.opened.file().and_then(|file| file.metadata().ok()).map_or(0, |data| data.len());
        let log = writer.shared.log_path().metadata().map_or(0, |log| log.len());
        Ok((length, log, writer.shared.opened.checkpoints()))
    })?;
    // The service needs space for its log while it is copied.
    check_disk_space(target, bytes + 2 * log_bytes + RESERVE, "the backup")?;
    let mut done = 0;
    let mut count = |copied: u64| {
        done += copied;
        progress(done, bytes + log_bytes);
        // A store that is closed waits for the copy.
        if shared.queue.is_closed() { Err(io::Error::other("the store was closed")) } else { Ok(()) }
    };
    let database = shared.opened.file().ok_or(StoreError::Closed)?;
    create(new.part(), |out| copy_at(database, out, bytes, &mut count))?;
    if log_bytes > 0 {
        let log = File::open(shared.log_path()).map_err(|error| failure(&shared.log_path(), &error))?;
        create(&log_path(new.part()), |out| copy(log.take(log_bytes), out, &mut count))?;
    }
    let now = shared.on_writer(|writer| Ok(writer.shared.opened.checkpoints()))?;
    if now != checkpoints {
        let detail = "a checkpoint was written while it was copied, since the log had 4 GiB; repeat it".to_owned();
        return Err(StoreError::Open { path: target.to_owned(), detail });
    }
    // Compactions go on while the log is merged.
    drop(hold);
    drop(compacting);
    let samples = merged(new.part(), &merging(&shared.options))?;
    Ok(BackupReport { samples, bytes: new.publish()? })
}

/// Returns the options for merging the log into a copy beside a store that works: a part of its memory.
fn merging(options: &StoreOptions) -> StoreOptions {
    StoreOptions { memory_bytes: (options.memory_bytes / 4).max(256 << 20), threads: 1, ..options.clone() }
}

/// Copies a backup into a new store. A log beside the backup, as a copy by hand has, is taken along.
///
/// # Errors
/// [`StoreError::Open`]: the backup cannot be read, or the store exists; `NotDuckDb`, `Foreign`, `Damaged`, `NewerSchema`.
pub(in crate::store) fn restore(
    backup: &Path,
    target: &Path,
    options: &StoreOptions,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<BackupReport, StoreError> {
    let backup = &resolved(backup);
    let new = NewFile::begin(target)?;
    let data = fs::metadata(backup).map_err(|error| failure(backup, &error))?;
    if !data.is_file() {
        let detail = "it is not a file".to_owned();
        return Err(StoreError::Open { path: backup.to_owned(), detail });
    }
    let log = log_path(backup);
    let log_bytes = log.metadata().map_or(0, |log| log.len());
    check_disk_space(target, data.len() + 2 * log_bytes, "the restored store")?;
    let mut done = 0;
    let mut count = |copied: u64| {
        done += copied;
        progress(done, data.len() + log_bytes);
        Ok(())
    };
    let source = unused(backup)?;
    create(new.part(), |out| copy(&source, out, &mut count))?;
    if log_bytes > 0 {
        let source = File::open(&log).map_err(|error| failure(&log, &error))?;
        create(&log_path(new.part()), |out| copy(source, out, &mut count))?;
    }
    // What is wrong with the copy is wrong with the backup.
    let samples = merged(new.part(), options).map_err(|error| of_backup(error, backup))?;
    Ok(BackupReport { samples, bytes: new.publish()? })
}

/// Opens a file that no process has open as a store: a copy of it would be torn.
///
/// A service shares its lock with the processes that run SQL, so that only an exclusive lock tells. It needs a file that can be written; another
/// one cannot be a store that is open.
pub(super) fn unused(path: &Path) -> Result<File, StoreError> {
    let failed = |error: io::Error| failure(path, &error);
    // The lock is that of the file which is copied, so that no service begins to work on it meanwhile.
    let Ok(file) = OpenOptions::new().read(true).write(true).open(path) else {
        return File::open(path).map_err(failed);
    };
    #[cfg(unix)]
    {
        let locked = rustix::fs::fcntl_lock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive);
        if matches!(locked, Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS)) {
            return Err(StoreError::Locked { path: path.to_owned(), holder: String::new() });
        }
    }
    Ok(file)
}

/// Creates a file that its owner alone can read, and syncs it.
pub(super) fn create<T>(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<T>) -> Result<T, StoreError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let filled = options.open(path).and_then(|mut out| {
        let filled = fill(&mut out)?;
        out.sync_all()?;
        Ok(filled)
    });
    filled.map_err(|error| failure(path, &error))
}

/// Opens a copy, merges its log into it, and returns its samples.
fn merged(path: &Path, options: &StoreOptions) -> Result<u64, StoreError> {
    let (connection, _) = schema::connect(path, options)?;
    let samples = schema::load_layout(&connection)?.all().map(|segment| segment.rows).sum();
    connection.execute_batch("CHECKPOINT").map_err(failed_to("merge the log into the backup"))?;
    Ok(samples)
}

/// Names the backup in place of its copy in an error.
fn of_backup(error: StoreError, backup: &Path) -> StoreError {
    let path = backup.to_owned();
    match error {
        StoreError::NotDuckDb { .. } => StoreError::NotDuckDb { path },
        StoreError::Foreign { .. } => StoreError::Foreign { path },
        StoreError::Damaged { detail, .. } => StoreError::Damaged { path, detail },
        StoreError::NewerSchema { found, supported, .. } => StoreError::NewerSchema { path, found, supported },
        StoreError::Open { detail, .. } => StoreError::Open { path, detail },
        other => other,
    }
}

/// Returns the error of a file that cannot be read or written.
pub(super) fn failure(path: &Path, error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull => StoreError::DiskFull { detail: format!("{}: {error}", path.display()) },
        _ => StoreError::Open { path: path.to_owned(), detail: error.to_string() },
    }
}

fn copy(mut from: impl Read, out: &mut File, count: &mut dyn FnMut(u64) -> io::Result<()>) -> io::Result<()> {
    let mut part = vec![0; PART];
    loop {
        let read = from.read(&mut part)?;
        if read == 0 {
            return Ok(());
        }
        out.write_all(&part[..read])?;
        count(read as u64)?;
    }
}

/// Copies the first bytes of an open file. The file is not opened again: closing it would release DuckDB's lock.
fn copy_at(from: &File, out: &mut File, bytes: u64, count: &mut dyn FnMut(u64) -> io::Result<()>) -> io::Result<()> {
    let mut part = vec![0; PART];
    let mut at = 0;
    while at < bytes {
        let take = usize::try_from(bytes - at).map_or(PART, |left| left.min(PART));
        super::place::read_at(from, &mut part[..take], at)?;
        out.write_all(&part[..take])?;
        at += take as u64;
        count(take as u64)?;
    }
    Ok(())
}
