//! Lets a worker open the database file, which this process has locked.
//!
//! DuckDB locks the whole file for its process (POSIX record locks). Such a lock belongs to a process and a file, so this
//! process can change it through a descriptor of its own: to a shared one while a worker opens the file, and back. A
//! worker drops its own lock as soon as it has the file open. Writers of other processes are kept out at all times.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use parking_lot::Mutex;
use rustix::fs::{FlockOperation, fcntl_lock};

use crate::store::file::OpenedFile;

/// Second name of the database file while a worker opens it.
#[derive(Debug)]
pub(super) struct Snapshot {
    path: PathBuf,
    link: PathBuf,
    /// One worker opens the file at a time.
    opening: Mutex<Opening>,
}

#[derive(Debug, PartialEq, Eq)]
enum Opening {
    Allowed,
    Closed,
}

/// The second name while it exists.
struct Link<'a>(&'a Path);

impl Drop for Link<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.0);
    }
}

impl Snapshot {
    /// Takes the path of the file, which must exist.
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        let path = path.canonicalize()?;
        let mut link = path.clone().into_os_string();
        link.push(".reader");
        let link = PathBuf::from(link);
        // A service that was killed may have left it.
        let _ = fs::remove_file(&link);
        Ok(Self { path, link, opening: Mutex::new(Opening::Allowed) })
    }

    /// Calls `open` with a path by which another process may open the file read-only until `open` returns.
    ///
    /// By that path DuckDB finds no write-ahead log, so that it opens the file as of the last checkpoint.
    pub(super) fn share<T>(&self, opened: &OpenedFile, open: impl FnOnce(&Path) -> T) -> io::Result<T> {
        let file = opened.file().ok_or_else(|| io::Error::other("the file could not be opened beside DuckDB"))?;
        let opening = self.opening.lock();
        if *opening == Opening::Closed {
            return Err(io::Error::other("the store is closed"));
        }
        let _ = fs::remove_file(&self.link);
        fs::hard_link(&self.path, &self.link)?;
        let link = Link(&self.link);
        fcntl_lock(file, FlockOperation::NonBlockingLockShared)?;
        let result = open(&self.link);
        drop(link);
        if let Err(error) = fcntl_lock(file, FlockOperation::NonBlockingLockExclusive) {
            tracing::warn!(
                detail = %error,
                "another process opened the store's file for reading; it may read damaged data, and should be ended"
            );
        }
        Ok(result)
    }

    /// Waits for a worker that is opening the file, and keeps out those that come later: afterwards the file has one
    /// name and the lock that DuckDB gave it.
    pub(super) fn close(&self) {
        *self.opening.lock() = Opening::Closed;
    }
}
