//! Lets a worker open the database file, which this process has locked.
//!
//! DuckDB locks the whole file for its process (POSIX record locks). Such a lock belongs to a process and a file, so this
//! process can change it through a descriptor of its own: to a shared one while a worker opens the file, and back. A
//! worker drops its own lock as soon as it has the file open. Writers of other processes are kept out at all times.
//!
//! Closing *any* descriptor of the file drops the process's lock on it. The file is therefore opened once, and closed
//! after DuckDB has closed its own.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use parking_lot::Mutex;
use rustix::fs::{FlockOperation, fcntl_lock};

/// The database file of this process, from which workers read the last checkpoint.
#[derive(Debug)]
pub(super) struct Snapshot {
    file: File,
    /// Second name of the file while a worker opens it.
    link: PathBuf,
    /// One worker opens the file at a time.
    opening: Mutex<()>,
}

impl Snapshot {
    /// Opens the file beside DuckDB, which must have it open.
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        let path = path.canonicalize()?;
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        let mut link = path.into_os_string();
        link.push(".reader");
        let link = PathBuf::from(link);
        // A service that was killed may have left it.
        let _ = fs::remove_file(&link);
        Ok(Self { file, link, opening: Mutex::new(()) })
    }

    /// Calls `open` with a path by which another process may open the file read-only until `open` returns.
    ///
    /// By that path DuckDB finds no write-ahead log, so that it opens the file as of the last checkpoint.
    pub(super) fn share<T>(&self, path: &Path, open: impl FnOnce(&Path) -> T) -> io::Result<T> {
        let _one_at_a_time = self.opening.lock();
        let _ = fs::remove_file(&self.link);
        fs::hard_link(path, &self.link)?;
        fcntl_lock(&self.file, FlockOperation::NonBlockingLockShared)?;
        let opened = open(&self.link);
        let _ = fs::remove_file(&self.link);
        if let Err(error) = fcntl_lock(&self.file, FlockOperation::NonBlockingLockExclusive) {
            tracing::warn!(
                detail = %error,
                "another process opened the store's file for reading; it may read damaged data, and should be ended"
            );
        }
        Ok(opened)
    }
}

/// Offsets of the two database headers; each begins with a checksum of 8 bytes (DuckDB storage format).
const HEADERS: [u64; 2] = [4096, 8192];

/// Reads the number of the last checkpoint: the higher iteration of the two database headers.
pub(super) fn read_iteration(file: &mut File) -> io::Result<u64> {
    let mut last = 0;
    for offset in HEADERS {
        let mut iteration = [0; 8];
        file.seek(SeekFrom::Start(offset + 8))?;
        file.read_exact(&mut iteration)?;
        last = last.max(u64::from_le_bytes(iteration));
    }
    Ok(last)
}
