//! Import of files of samples into the store.
//!
//! A file is read twice: the first pass checks everything, the second one writes. An invalid file therefore stores
//! nothing, and a file may be larger than memory. If the disk fills up during the second pass, the samples committed by
//! then remain; repeating the import completes it.
//!
//! A service has the file decoded by a process of its own ([`import_isolated`]), since a decoder may take all memory on a
//! small file.

mod batches;
mod check;
#[cfg(unix)]
mod decode;
#[cfg(unix)]
mod decoded;
mod format;
#[cfg(unix)]
mod isolated;
mod prometheus;
mod rows;
mod run;
mod table;

#[cfg(test)]
mod tests;

#[cfg(unix)]
pub use decode::serve_import;
pub use format::ImportFormat;
#[cfg(unix)]
pub use isolated::import_isolated;
pub use run::{ImportError, ImportOptions, ImportReport, check_file, import_file};
