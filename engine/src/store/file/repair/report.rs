//! What a repair has saved and what it could not.

use crate::store::Damage;

/// Stage of a repair, with its unit of progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepairStage {
    /// The damaged file is copied: bytes.
    Copying,
    /// Rows are written into the new file: rows.
    Saving,
}

/// Result of a repair.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RepairReport {
    /// Samples in the new file.
    pub samples: u64,
    /// Series in the new file.
    pub series: u64,
    /// Bytes of the new file.
    pub bytes: u64,
    /// Parts of the damaged files in which one changed bit was found and corrected.
    pub corrected: u64,
    /// Series in the new file whose labels are lost; they have the name `UNNAMED`.
    pub unnamed: u64,
    /// The tables besides those of samples that have rows or have lost some.
    pub tables: Vec<TableReport>,
    /// What is lost. Samples are counted once for each series.
    pub lost: Vec<Damage>,
}

/// Rows of a table in the new file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableReport {
    /// Name of the table.
    pub name: String,
    /// Rows that were saved.
    pub rows: u64,
}

/// Name of a series whose labels are lost; its label `series` is its number.
pub(super) const UNNAMED: &str = "almanac_unnamed_series";
