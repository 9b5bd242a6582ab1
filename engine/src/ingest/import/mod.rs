//! Import of files of samples into the store.
//!
//! A file is read twice: the first pass checks everything, the second one writes. An invalid file therefore stores
//! nothing, and a file may be larger than memory. If the disk fills up during the second pass, the samples committed by
//! then remain; repeating the import completes it.

mod format;
mod prometheus;
mod rows;
mod run;
mod table;

#[cfg(test)]
mod tests;

pub use format::ImportFormat;
pub use run::{ImportError, ImportOptions, ImportReport, check_file, import_file};
