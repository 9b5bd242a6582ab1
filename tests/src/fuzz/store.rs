//! A small store for the targets that need one: made on first use, in a temporary folder of the process.

#![expect(clippy::expect_used, reason = "a target without its store cannot run")]

use std::{
    path::PathBuf,
    sync::{LazyLock, Mutex, PoisonError},
};

use almanac_engine::{
    ingest::{Ingest, IngestLimits},
    store::{Store, StoreOptions},
};
use almanac_models::Timestamp;
use tempfile::TempDir;

/// The fixed time of the targets, 2026-11-23T08:00:00Z, in epoch milliseconds.
pub(super) const NOW_MS: i64 = 1_795_420_800_000;

static FOLDER: Mutex<Option<TempDir>> = Mutex::new(None);

static INGEST: LazyLock<Ingest> = LazyLock::new(|| {
    let options = StoreOptions {
        max_series: 20_000,
        recent_bytes: 8 << 20,
        memory_bytes: 256 << 20,
        threads: 1,
        ..StoreOptions::default()
    };
    let store = Store::open(&folder().join("fuzz.duckdb"), options).expect("a new store opens");
    Ingest::new(store, IngestLimits::default())
});

/// Returns the fixed time of the targets.
pub(super) fn now() -> Timestamp {
    Timestamp::from_millis(NOW_MS)
}

/// Returns the intake of the store.
pub(super) fn ingest() -> &'static Ingest {
    &INGEST
}

/// Returns the temporary folder of the process.
pub(super) fn folder() -> PathBuf {
    let mut folder = FOLDER.lock().unwrap_or_else(PoisonError::into_inner);
    let made = folder.get_or_insert_with(|| {
        tempfile::Builder::new().prefix("almanac-fuzz-").tempdir().expect("a temporary folder can be made")
    });
    made.path().to_path_buf()
}

/// Removes the temporary folder. No target may run afterwards.
pub fn remove_store() {
    drop(FOLDER.lock().unwrap_or_else(PoisonError::into_inner).take());
}
