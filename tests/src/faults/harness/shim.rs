//! The shim `faulty_disk.c` seen from the harness: its environment, and the fields that it shares with the harness.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// The compiled library; empty on systems without it (`tests/build.rs`).
const LIBRARY: &str = env!("FAULTY_DISK");

/// Fields of the control file; `faulty_disk.c` has the same numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::faults) enum Field {
    /// Calls so far that change or sync something.
    Calls = 0,
    /// Records in the journal so far.
    Records = 1,
    /// Calls that were failed.
    Faults = 2,
    FailAt = 3,
    FailErrno = 4,
    FailClasses = 5,
    FailAll = 6,
    /// Microseconds before each write.
    DelayWrite = 7,
    /// Microseconds before each sync.
    DelaySync = 8,
    /// Nanoseconds that the clock is ahead.
    Clock = 9,
}

/// Classes of calls, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::faults) struct CallClass(pub(in crate::faults) i64);

impl CallClass {
    /// Writes, changes of names and lengths, without syncs.
    pub(in crate::faults) const CHANGES: Self = Self(1 | 4 | 8);
    /// All calls.
    pub(in crate::faults) const ALL: Self = Self(15);
}

/// The shared fields and the journal of one shim; both are removed when it is dropped.
#[derive(Debug)]
pub(in crate::faults) struct Shim {
    folder: TempDir,
    control: File,
    records: bool,
}

impl Shim {
    /// Makes a shim without faults; `records`: whether every change is recorded.
    ///
    /// # Errors
    /// Files that cannot be created, and systems without the shim.
    pub(in crate::faults) fn new(records: bool) -> Result<Self, String> {
        if LIBRARY.is_empty() {
            return Err("this scenario needs LD_PRELOAD of Linux".to_owned());
        }
        let made = || -> io::Result<Self> {
            let folder = tempfile::tempdir()?;
            let path = folder.path().join("control");
            let control = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
            control.write_all_at(&[0; 4096], 0)?;
            Ok(Self { folder, control, records })
        };
        made().map_err(|error| format!("the shim cannot be prepared: {error}"))
    }

    /// Makes a command run with the shim on the files of `folder`.
    pub(super) fn preload(&self, command: &mut Command, folder: &Path) {
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        command.env("LD_PRELOAD", LIBRARY).env("FAULTY_DISK_FOLDER", folder);
        command.env("FAULTY_DISK_CONTROL", self.folder.path().join("control"));
        if self.records {
            command.env("FAULTY_DISK_JOURNAL", self.journal());
        }
    }

    /// Returns the path of the journal.
    pub(in crate::faults) fn journal(&self) -> PathBuf {
        self.folder.path().join("journal")
    }

    /// Returns the bytes of the journal so far.
    ///
    /// # Errors
    /// A journal that cannot be read.
    pub(in crate::faults) fn recorded(&self) -> Result<Vec<u8>, String> {
        fs::read(self.journal()).map_err(|error| format!("the journal cannot be read: {error}"))
    }

    pub(in crate::faults) fn get(&self, field: Field) -> i64 {
        let mut bytes = [0; 8];
        self.control.read_exact_at(&mut bytes, field as u64 * 8).map_or(0, |()| i64::from_ne_bytes(bytes))
    }

    pub(in crate::faults) fn set(&self, field: Field, value: i64) {
        // The file has its length since it was created, so that writing it cannot fail.
        let _ = self.control.write_all_at(&value.to_ne_bytes(), field as u64 * 8);
    }

    /// Lets the call with this number fail, once, whatever it is.
    pub(in crate::faults) fn fail_call(&self, number: i64, errno: i32) {
        self.set(Field::FailErrno, errno.into());
        self.set(Field::FailClasses, CallClass::ALL.0);
        self.set(Field::FailAll, 0);
        self.set(Field::FailAt, number);
    }

    /// Lets all calls of the classes fail from now on.
    pub(in crate::faults) fn fail_all(&self, errno: i32, classes: CallClass) {
        self.set(Field::FailErrno, errno.into());
        self.set(Field::FailClasses, classes.0);
        self.set(Field::FailAll, 1);
        self.set(Field::FailAt, 1);
    }

    /// Ends all faults and delays.
    pub(in crate::faults) fn heal(&self) {
        for field in [Field::FailAt, Field::FailAll, Field::DelayWrite, Field::DelaySync] {
            self.set(field, 0);
        }
    }
}
