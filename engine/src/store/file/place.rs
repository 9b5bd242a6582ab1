//! Tells whether an open database file is still in its place, and reads its header.
//!
//! The system drops the process's locks on a file when *any* of its descriptors of that file is closed. A database file
//! that DuckDB has open is therefore opened once here and kept open until the store has been closed.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use super::format::{field, valid_header};
use crate::store::StoreError;

/// The file of an open store.
#[derive(Debug)]
pub(in crate::store) struct OpenedFile {
    /// Absolute path without links, so that a folder that was moved is noticed from within it.
    path: PathBuf,
    file: Option<File>,
}

impl OpenedFile {
    /// Opens the file that DuckDB has just opened; must be dropped after DuckDB's connections.
    pub(in crate::store) fn new(path: &Path) -> Self {
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        // For reading and writing, as the system requires for an exclusive lock.
        let file = File::options().read(true).write(true).open(&path).or_else(|_| File::open(&path)).ok();
        Self { path, file }
    }

    /// Returns why the file is no longer at its path; `None` while it is.
    pub(in crate::store) fn gone(&self) -> Option<String> {
        let Some(file) = &self.file else { return None };
        let there = match self.path.metadata() {
            Ok(there) => there,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Some("it was removed or moved".to_owned());
            }
            Err(error) => return Some(format!("it cannot be found: {error}")),
        };
        let is_same = file.metadata().is_ok_and(|ours| is_same(&ours, &there));
        (!is_same).then(|| "another file is in its place".to_owned())
    }

    /// Returns an error while the file is not at its path.
    pub(in crate::store) fn check(&self) -> Result<(), StoreError> {
        match self.gone() {
            Some(detail) => Err(StoreError::Moved { path: self.path.clone(), detail }),
            None => Ok(()),
        }
    }

    /// Makes the entries of the folder durable, such as that of a log that was created; the log's own sync does not include it
    /// on every file system.
    ///
    /// # Errors
    /// [`StoreError::Open`]: the disk failed. Systems that cannot sync a folder are no error.
    pub(in crate::store) fn sync_folder(&self) -> Result<(), StoreError> {
        sync_folder_of(&self.path).map_err(|error| {
            let detail = format!("its folder cannot be synced: {error}");
            StoreError::Open { path: self.path.clone(), detail }
        })
    }

    /// Returns the file, through which the process's lock can be changed; `None` if it could not be opened.
    pub(in crate::store) fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// Returns the number of checkpoints in the header; `None` when it cannot be read.
    pub(in crate::store) fn checkpoints(&self) -> Option<u64> {
        checkpoints(self.file.as_ref()?)
    }
}

/// Follows a link to a store's file, as DuckDB does: the log and the side files are beside the file itself.
pub(in crate::store) fn resolved(path: &Path) -> PathBuf {
    match path.read_link() {
        // A link may lead to a file that is not there yet.
        Ok(target) => path.canonicalize().unwrap_or_else(|_| path.parent().unwrap_or(Path::new("")).join(target)),
        Err(_) => path.to_owned(),
    }
}

/// Syncs the folder of a file. Systems that cannot sync a folder are no error.
pub(super) fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        Err(error) if is_failure(&error) => Err(error),
        _ => Ok(()),
    }
}

/// Returns the number of checkpoints in the valid header of a database file; `None` when none can be read.
pub(in crate::store) fn checkpoints(file: &File) -> Option<u64> {
    Some(field(&valid_header(file).ok()??, 0))
}

#[cfg(unix)]
pub(super) fn read_at(file: &File, bytes: &mut [u8], position: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, position)
}

#[cfg(not(unix))]
pub(super) fn read_at(mut file: &File, bytes: &mut [u8], position: u64) -> std::io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    file.seek(SeekFrom::Start(position))?;
    file.read_exact(bytes)
}

/// Whether an error of a sync says that the disk failed, rather than that this folder cannot be opened or synced.
fn is_failure(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{InvalidInput, IsADirectory, NotFound, PermissionDenied, Unsupported};
    !matches!(error.kind(), InvalidInput | IsADirectory | NotFound | PermissionDenied | Unsupported)
}

#[cfg(unix)]
fn is_same(ours: &std::fs::Metadata, there: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (ours.dev(), ours.ino()) == (there.dev(), there.ino())
}

/// Other systems do not move an open file.
#[cfg(not(unix))]
fn is_same(_ours: &std::fs::Metadata, _there: &std::fs::Metadata) -> bool {
    true
}
