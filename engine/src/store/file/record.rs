//! The side file `<store>.state`: what was committed, so that the next opening notices a log that is missing or short.
//!
//! It is rewritten in place after every group of commits, because a kill of the process does not lose what was written, and synced
//! only before the first acknowledgement of a new store and after each checkpoint. After a power cut it may be half a minute old;
//! it then expects less than the log contains, and reports nothing. A record of an earlier checkpoint tells that nothing of the log
//! was acknowledged. A store without the file opens as before.

use std::{
    cmp::Ordering,
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::store::StoreError;

/// Version of the record.
const VERSION: u32 = 1;
/// Length of the record in bytes; shorter text is filled with spaces, so that a write replaces the old one.
const LENGTH: usize = 256;

/// What was committed to a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(in crate::store) struct Committed {
    /// Version of the record.
    version: u32,
    /// Number of checkpoints of the database file, from its header.
    pub(in crate::store) checkpoints: u64,
    /// Bytes of the write-ahead log up to the end of the last commit.
    pub(in crate::store) log_bytes: u64,
    /// Rows of samples in the store.
    pub(in crate::store) samples: u64,
}

impl Committed {
    /// Record of a new store until something is acknowledged.
    pub(super) const NOTHING: Self = Self { version: VERSION, checkpoints: 0, log_bytes: 0, samples: 0 };

    pub(in crate::store) fn new(checkpoints: u64, log_bytes: u64, samples: u64) -> Self {
        Self { version: VERSION, checkpoints, log_bytes, samples }
    }

    /// Returns the bytes of the log that were acknowledged as far as is known; `None` when this is a record of a later state.
    ///
    /// `checkpoints`: of the database file. The log begins anew with each, and a record of it is durable before anything of it is
    /// acknowledged, so that an earlier record tells that nothing was.
    pub(super) fn acknowledged(&self, checkpoints: u64) -> Option<u64> {
        match self.checkpoints.cmp(&checkpoints) {
            Ordering::Less => Some(0),
            Ordering::Equal => Some(self.log_bytes),
            Ordering::Greater => None,
        }
    }

    /// Returns what is missing from files in this state; `None` when nothing is known to be.
    ///
    /// `checkpoints`: of the database file; `log_bytes`: complete transactions of its log.
    pub(super) fn missing(&self, checkpoints: u64, log_bytes: u64) -> Option<String> {
        if checkpoints < self.checkpoints {
            return Some(format!(
                "the database file is older than the store was: {checkpoints} checkpoints of {}",
                self.checkpoints
            ));
        }
        // After a further checkpoint the log begins anew, so that its length says nothing.
        if checkpoints > self.checkpoints || log_bytes >= self.log_bytes {
            return None;
        }
        Some(if log_bytes == 0 {
            format!("its write-ahead log of {} bytes is missing", self.log_bytes)
        } else {
            format!("its write-ahead log ends early: {log_bytes} of {} bytes", self.log_bytes)
        })
    }
}

/// The side file of an open store.
#[derive(Debug)]
pub(in crate::store) struct StateFile {
    path: PathBuf,
    /// `None` when the file cannot be written; the store works without it.
    file: Option<File>,
    last: Option<Committed>,
}

impl StateFile {
    /// Returns the path of the side file of a store.
    pub(super) fn path(store: &Path) -> PathBuf {
        PathBuf::from(format!("{}.state", store.display()))
    }

    /// Reads the record beside a store; `None` if there is none, or it is not readable.
    pub(super) fn read(store: &Path) -> Option<Committed> {
        let mut text = String::new();
        File::open(Self::path(store)).ok()?.take(LENGTH as u64).read_to_string(&mut text).ok()?;
        serde_json::from_str(text.trim()).ok().filter(|found: &Committed| found.version == VERSION)
    }

    /// Opens the side file for writing, with mode 0600.
    pub(in crate::store) fn open(store: &Path) -> Self {
        let path = Self::path(store);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let file = options.open(&path);
        if let Err(error) = &file {
            tracing::warn!(file = %path.display(), %error, "a missing write-ahead log cannot be noticed at the next start: the side file cannot be written");
        }
        Self { path, file: file.ok(), last: None }
    }

    /// Writes the record of a new store, durably and before its file is created, so that neither the file nor a log of which nothing was
    /// acknowledged is ever taken for damaged.
    pub(in crate::store) fn begin(store: &Path) {
        let mut state = Self::open(store);
        state.write(Committed::NOTHING);
        if let Err(error) = state.sync() {
            tracing::warn!(file = %state.path.display(), %error, "the side file of the new store could not be synced");
        }
    }

    /// Makes the record durable.
    ///
    /// # Errors
    /// [`StoreError::Open`]: the disk failed.
    pub(in crate::store) fn sync(&self) -> Result<(), StoreError> {
        self.file.as_ref().map_or(Ok(()), File::sync_data).map_err(|error| {
            let detail = format!("its record cannot be synced: {error}");
            StoreError::Open { path: self.path.clone(), detail }
        })
    }

    /// Returns the record that was written last.
    pub(in crate::store) fn last(&self) -> Option<Committed> {
        self.last
    }

    /// Writes a record; one that is equal to the last is skipped.
    pub(in crate::store) fn write(&mut self, now: Committed) {
        if self.last == Some(now) {
            return;
        }
        let Some(file) = &mut self.file else { return };
        let record = serde_json::to_string(&now).map_err(io::Error::other).map(|text| format!("{text:<LENGTH$}"));
        match record.and_then(|text| file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(text.as_bytes()))) {
            Ok(()) => self.last = Some(now),
            // On a full disk a file that exists is still written; a new one is tried again with the next commit.
            Err(error) => tracing::debug!(file = %self.path.display(), %error, "side file not written"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_is_missing_short_or_of_another_file_is_told() {
        let known = Committed::new(4, 1_000, 70);
        let check = |checkpoints, log_bytes, expected: Option<&str>| {
            assert_eq!(known.missing(checkpoints, log_bytes).as_deref(), expected);
        };
        check(4, 1_000, None);
        check(4, 5_000, None);
        check(5, 0, None);
        check(4, 0, Some("its write-ahead log of 1000 bytes is missing"));
        check(4, 999, Some("its write-ahead log ends early: 999 of 1000 bytes"));
        check(3, 1_000, Some("the database file is older than the store was: 3 checkpoints of 4"));
    }

    #[test]
    fn a_record_of_an_earlier_checkpoint_acknowledges_nothing_of_the_log() {
        let known = Committed::new(4, 1_000, 70);
        assert_eq!([3, 4, 5].map(|checkpoints| known.acknowledged(checkpoints)), [None, Some(1_000), Some(0)]);
    }

    #[test]
    fn a_record_is_read_back_and_rubbish_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("a.duckdb");
        assert_eq!(StateFile::read(&store), None);
        StateFile::begin(&store);
        assert_eq!(StateFile::read(&store), Some(Committed::NOTHING));
        let mut file = StateFile::open(&store);
        for record in [Committed::new(1, u64::MAX, u64::MAX), Committed::new(2, 3, 4)] {
            file.write(record);
            assert_eq!((StateFile::read(&store), file.last()), (Some(record), Some(record)));
        }
        for text in ["", "{", "{\"version\":9,\"checkpoints\":0,\"log_bytes\":0,\"samples\":0}", "\0\0\0\0"] {
            std::fs::write(StateFile::path(&store), text).unwrap();
            assert_eq!(StateFile::read(&store), None, "{text:?}");
        }
    }
}
