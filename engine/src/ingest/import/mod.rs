//! Import: files of samples into the store.
//!
//! A file is read twice: first everything is checked, then it is written. So a file with a fault
//! leaves nothing behind, and a file larger than memory can be taken. What remains: a disk that fills
//! up half-way leaves the samples that were committed by then; the same import again completes it.

mod format;
mod prometheus;
mod rows;
mod run;
mod table;

#[cfg(test)]
mod tests;

pub use format::ImportFormat;
pub use run::{ImportError, ImportOptions, ImportReport, check_file, import_file};
