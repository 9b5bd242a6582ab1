//! Export of samples: day by day from a store, as lines of JSON or into a folder of Parquet, CSV or NDJSON files.
//!
//! [`newest_part`] reads the store in parts of one day that fit into memory, [`ExportFolder`] writes them to files
//! whose names begin with a dot until they are complete, and [`lines`] writes the same as text. `almanac import` takes every
//! format back: a stale marker is a row of its own, values keep their bits, labels are a map.

mod days;
mod error;
mod folder;
mod parquet;
mod text;

pub use days::{PART_SAMPLES, Part, newest_part};
pub use error::ExportError;
pub use folder::{ExportFolder, ExportFormat, ExportReport, remove_incomplete};
pub use text::{line, lines, parse_line};

#[cfg(test)]
mod tests;
