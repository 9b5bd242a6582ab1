//! Copies of a store: a backup, a store that is restored from one, and what a repair saves of a damaged one.

use std::path::{Path, PathBuf};

use super::Store;
use crate::store::{
    StoreError, StoreOptions,
    file::{self, BackupReport, RepairReport, RepairStage},
};

impl Store {
    /// Returns the path, beside the store's file, of a copy that is sent as a backup. A copy that a killed process left there is removed
    /// when the store opens.
    #[must_use]
    pub fn download_path(&self) -> PathBuf {
        file::download_path(&self.0.shared.path)
    }

    /// Copies the store into a new file while samples are written; the copy has everything that was acknowledged before the call,
    /// and is a store of its own. Waits for a running compaction; compactions and checkpoints wait for the copy.
    /// `progress` is called with the bytes copied and all bytes.
    ///
    /// # Errors
    /// `Open`: `target` exists or cannot be written; `DiskFull`, `Closed`: nothing is left of the copy.
    pub fn backup(&self, target: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<BackupReport, StoreError> {
        file::backup(&self.0.shared, target, progress)
    }

    /// Copies a backup, or the files of a stopped store, into the new store `target`.
    ///
    /// # Errors
    /// `Open`: the backup cannot be read, or the store exists; `NotDuckDb`, `Foreign`, `Damaged`, `NewerSchema`: nothing is left
    /// of the store.
    pub fn restore(
        backup: &Path,
        target: &Path,
        options: &StoreOptions,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<BackupReport, StoreError> {
        file::restore(backup, target, options, progress)
    }

    /// Saves what is sound in a damaged store, its log included, into the new store `target`; the damaged files are not changed. `progress` is
    /// called with what is done and the total of each stage.
    ///
    /// # Errors
    /// `Open`, `Locked`, `Exists`, `NotDuckDb`, `Foreign`, `NewerSchema`, `DiskFull`; `Unrepairable`: nothing can be read. Nothing is left of the
    /// new store.
    pub fn repair(
        damaged: &Path,
        target: &Path,
        options: &StoreOptions,
        progress: &mut dyn FnMut(RepairStage, u64, u64),
    ) -> Result<RepairReport, StoreError> {
        file::repair(damaged, target, options, progress)
    }
}
