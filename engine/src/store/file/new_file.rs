//! A file that appears under its name only when it is complete, and never replaces another one.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use super::{backup::failure, record::StateFile, recover::log_path, spare};
use crate::store::StoreError;

/// A new file while it is written as `<target>.part`. The part, a write-ahead log and side files beside it, and a temporary copy are removed
/// when this is dropped before [`NewFile::publish`].
#[derive(Debug)]
pub struct NewFile {
    target: PathBuf,
    part: PathBuf,
}

impl NewFile {
    /// Begins a file. Nothing is created yet.
    ///
    /// # Errors
    /// [`StoreError::Exists`]: the file or its part is there.
    pub fn begin(target: &Path) -> Result<Self, StoreError> {
        let part = part_of(target);
        let taken = |path: &Path| path.symlink_metadata().is_ok();
        if let Some(path) = [target.to_owned(), log_path(target)].into_iter().find(|path| taken(path)) {
            return Err(StoreError::Exists { path, advice: "give a new file" });
        }
        if let Some(path) = [part.clone(), log_path(&part), scratch_of(&part)].into_iter().find(|path| taken(path)) {
            let advice = "another copy is being made, or one was killed: remove it if it is not needed";
            return Err(StoreError::Exists { path, advice });
        }
        Ok(Self { target: target.to_owned(), part })
    }

    /// Returns the path that is written to.
    #[must_use]
    pub fn part(&self) -> &Path {
        &self.part
    }

    /// Returns the path of a temporary copy that helps to make the file; removed with the part, with the log beside it.
    pub(super) fn scratch(&self) -> PathBuf {
        scratch_of(&self.part)
    }

    /// Gives the file its name and returns its bytes. A file that was created there meanwhile stays.
    ///
    /// # Errors
    /// [`StoreError::Open`], [`StoreError::DiskFull`]: the file is not there.
    pub fn publish(self) -> Result<u64, StoreError> {
        let named = || -> io::Result<u64> {
            let file = File::open(&self.part)?;
            file.sync_all()?;
            let bytes = file.metadata()?.len();
            match fs::hard_link(&self.part, &self.target) {
                Ok(()) => {}
                // A file system without links.
                Err(error)
                    if error.kind() != io::ErrorKind::AlreadyExists && self.target.symlink_metadata().is_err() =>
                {
                    fs::rename(&self.part, &self.target)?;
                }
                Err(error) => return Err(error),
            }
            let folder = self.target.parent().filter(|folder| !folder.as_os_str().is_empty());
            // Where a folder cannot be synced, the file is there all the same.
            let _ = File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all());
            Ok(bytes)
        };
        named().map_err(|error| failure(&self.target, &error))
    }

    /// Removes what a file that was begun has left, for a process that is interrupted.
    pub fn remove_unfinished(target: &Path) {
        let part = part_of(target);
        let scratch = scratch_of(&part);
        for path in [log_path(&part), StateFile::path(&part), spare::path_of(&part), part, log_path(&scratch), scratch]
        {
            let _ = fs::remove_file(path);
        }
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        Self::remove_unfinished(&self.target);
    }
}

fn scratch_of(part: &Path) -> PathBuf {
    PathBuf::from(format!("{}.damaged", part.display()))
}

fn part_of(target: &Path) -> PathBuf {
    PathBuf::from(format!("{}.part", target.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_when_it_is_complete_and_replaces_none() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a");
        let new = NewFile::begin(&target).unwrap();
        fs::write(new.part(), "part").unwrap();
        let second = NewFile::begin(&target).unwrap_err();
        assert!(second.to_string().contains("a.part exists already; another copy is being made"), "{second}");
        assert!(!target.exists());
        assert_eq!(new.publish().unwrap(), 4);
        assert_eq!((fs::read_to_string(&target).unwrap().as_str(), part_of(&target).exists()), ("part", false));
        let again = NewFile::begin(&target).unwrap_err();
        assert!(again.to_string().ends_with("a exists already; give a new file"), "{again}");
        // One that is dropped leaves nothing, and one that was overtaken replaces nothing.
        let other = folder.path().join("b");
        let dropped = NewFile::begin(&other).unwrap();
        fs::write(dropped.part(), "part").unwrap();
        drop(dropped);
        let late = NewFile::begin(&other).unwrap();
        fs::write(late.part(), "late").unwrap();
        fs::write(&other, "first").unwrap();
        late.publish().unwrap_err();
        assert_eq!(fs::read_to_string(&other).unwrap(), "first");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
