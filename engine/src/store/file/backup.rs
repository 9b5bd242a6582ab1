//! Copies an open store into a file of its own, while samples are written.
//!
//! DuckDB changes blocks that are in use only at a checkpoint; between checkpoints it appends to the log, and writes blocks that
//! were free. So a copy of the file and of the log's transactions is consistent while no checkpoint is written. The writer holds
//! its checkpoints back meanwhile; DuckDB writes one by itself when the log has 4 GiB, which is noticed, and ends the copy. The log
//! is merged into the copy, which also proves that it can be opened.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
};

use super::recover::log_path;
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
    free_place(target)?;
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
    let part = Part::new(target)?;
    let mut done = 0;
    let mut count = |copied: u64| {
        done += copied;
        progress(done, bytes + log_bytes);
        // A store that is closed waits for the copy.
        if shared.queue.is_closed() { Err(io::Error::other("the store was closed")) } else { Ok(()) }
    };
    let database = shared.opened.file().ok_or(StoreError::Closed)?;
    let failed = |path: &Path, error: &io::Error| failure(path, error);
    part.write(&part.path, |out| copy_at(database, out, bytes, &mut count))
        .map_err(|error| failed(&part.path, &error))?;
    if log_bytes > 0 {
        let log = File::open(shared.log_path()).map_err(|error| failed(&shared.log_path(), &error))?;
        part.write(&log_path(&part.path), |out| copy(log.take(log_bytes), out, &mut count))
            .map_err(|error| failed(&part.path, &error))?;
    }
    let now = shared.on_writer(|writer| Ok(writer.shared.opened.checkpoints()))?;
    if now != checkpoints {
        let detail = "a checkpoint was written while it was copied, since the log had 4 GiB; repeat it".to_owned();
        return Err(StoreError::Open { path: target.to_owned(), detail });
    }
    // Compactions go on while the log is merged.
    drop(hold);
    drop(compacting);
    part.merged(&merging(&shared.options)).and_then(|samples| part.finish(target, samples))
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
    let unreadable = |error: io::Error| failure(backup, &error);
    free_place(target)?;
    let data = fs::metadata(backup).map_err(unreadable)?;
    if !data.is_file() {
        let detail = "it is not a file".to_owned();
        return Err(StoreError::Open { path: backup.to_owned(), detail });
    }
    let log = log_path(backup);
    let log_bytes = log.metadata().map_or(0, |log| log.len());
    check_disk_space(target, data.len() + 2 * log_bytes, "the restored store")?;
    let part = Part::new(target)?;
    let mut done = 0;
    let mut count = |copied: u64| {
        done += copied;
        progress(done, data.len() + log_bytes);
        Ok(())
    };
    let source = unused(backup)?;
    part.write(&part.path, |out| copy(&source, out, &mut count)).map_err(|error| failure(&part.path, &error))?;
    if log_bytes > 0 {
        let source = File::open(&log).map_err(|error| failure(&log, &error))?;
        part.write(&log_path(&part.path), |out| copy(source, out, &mut count))
            .map_err(|error| failure(&part.path, &error))?;
    }
    // What is wrong with the copy is wrong with the backup.
    let samples = part.merged(options).map_err(|error| of_backup(error, backup))?;
    part.finish(target, samples)
}

/// Opens a file that no process has open as a store: a copy of it would be torn.
///
/// A service shares its lock with the processes that run SQL, so that only an exclusive lock tells. It needs a file that can be written; another
/// one cannot be a store that is open.
fn unused(path: &Path) -> Result<File, StoreError> {
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

/// Checks that a new file can be put in this place.
fn free_place(target: &Path) -> Result<(), StoreError> {
    for path in [target.to_owned(), log_path(target)] {
        if path.exists() {
            let detail = "it exists already; give a new file".to_owned();
            return Err(StoreError::Open { path, detail });
        }
    }
    Ok(())
}

/// The copy while it is made; removed when dropped.
struct Part {
    path: PathBuf,
}

impl Part {
    fn new(target: &Path) -> Result<Self, StoreError> {
        let path = PathBuf::from(format!("{}.part", target.display()));
        for path in [path.clone(), log_path(&path)] {
            if path.symlink_metadata().is_ok() {
                let detail = "it exists: another copy is being made, or one was killed; remove it if it is not needed"
                    .to_owned();
                return Err(StoreError::Open { path, detail });
            }
        }
        Ok(Self { path })
    }

    fn remove(&self) {
        for path in [self.path.clone(), log_path(&self.path)] {
            let _ = fs::remove_file(path);
        }
    }

    /// Creates a file that its owner alone can read, and syncs it.
    fn write(&self, path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let mut out = options.open(path)?;
        fill(&mut out)?;
        out.sync_all()
    }

    /// Opens the copy, merges its log into it, and returns its samples.
    fn merged(&self, options: &StoreOptions) -> Result<u64, StoreError> {
        let (connection, _) = schema::connect(&self.path, options)?;
        let samples = schema::load_layout(&connection)?.all().map(|segment| segment.rows).sum();
        connection.execute_batch("CHECKPOINT").map_err(failed_to("merge the log into the backup"))?;
        Ok(samples)
    }

    /// Gives the copy its name.
    fn finish(&self, target: &Path, samples: u64) -> Result<BackupReport, StoreError> {
        let named = || -> io::Result<u64> {
            let file = File::open(&self.path)?;
            file.sync_all()?;
            let bytes = file.metadata()?.len();
            publish(&self.path, target)?;
            let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            // Where a folder cannot be synced, the file is there all the same.
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
            Ok(bytes)
        };
        let bytes = named().map_err(|error| failure(target, &error))?;
        Ok(BackupReport { samples, bytes })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.remove();
    }
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

fn failure(path: &Path, error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull => StoreError::DiskFull { detail: format!("{}: {error}", path.display()) },
        _ => StoreError::Open { path: path.to_owned(), detail: error.to_string() },
    }
}

/// Gives a file its name, which no other file may have: a store that was created meanwhile is not replaced.
fn publish(part: &Path, target: &Path) -> io::Result<()> {
    match fs::hard_link(part, target) {
        Ok(()) => fs::remove_file(part),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // A file system without links.
        Err(_) if target.symlink_metadata().is_err() => fs::rename(part, target),
        Err(error) => Err(error),
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
