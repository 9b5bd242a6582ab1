//! Helpers of the tests: new stores, labels, appends.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use almanac_engine::{
    series::{Labels, Matcher, SampleSource, SeriesSamples},
    store::{Appended, SampleBatch, Store, StoreOptions},
};
use tempfile::TempDir;

/// Store in a new temporary folder.
pub(crate) struct Fresh {
    pub(crate) store: Store,
    pub(crate) path: PathBuf,
    pub(crate) folder: TempDir,
}

impl Fresh {
    pub(crate) fn new() -> Self {
        Self::with(StoreOptions::default())
    }

    pub(crate) fn with(options: StoreOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.duckdb");
        Self { store: Store::open(&path, options).unwrap(), path, folder }
    }

    /// Closes the store and opens it again.
    pub(crate) fn reopened(self) -> Self {
        self.reopened_with(StoreOptions::default())
    }

    pub(crate) fn reopened_with(self, options: StoreOptions) -> Self {
        let Self { store, path, folder } = self;
        store.close().unwrap();
        Self { store: Store::open(&path, options).unwrap(), path, folder }
    }
}

pub(crate) fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().map(|&(name, value)| (name, value))).unwrap()
}

/// Appends `(labels, timestamp, value)` and waits for the commit.
pub(crate) fn put(store: &Store, samples: &[(&Labels, i64, f64)]) -> Appended {
    let mut batch = SampleBatch::default();
    for &(labels, timestamp, value) in samples {
        batch.push(store.resolve(labels).unwrap(), timestamp, value);
    }
    store.append(batch).unwrap().wait().unwrap()
}

pub(crate) fn all(store: &Store) -> Vec<SeriesSamples> {
    store.select(&[], i64::MIN, i64::MAX, usize::MAX).unwrap()
}

pub(crate) fn named(store: &Store, name: &str, start: i64, end: i64) -> Vec<SeriesSamples> {
    store.select(&[Matcher::equal("__name__", name)], start, end, usize::MAX).unwrap()
}

/// Environment variable with the store's path that makes a test, run as a child process, act on this store.
pub(crate) const CHILD: &str = "ALMANAC_TEST_STORE";

/// Returns a command that runs one test of this program in a child process, with the store's path in its environment.
pub(crate) fn child(test: &str, path: &Path, shell: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &format!("{shell} exec \"$0\" \"$@\"")]);
    command.arg(std::env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]);
    command.env(CHILD, path).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}
