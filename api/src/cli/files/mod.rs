//! Commands on files of series or events; no store is needed.

use std::path::Path;

use almanac_engine::ingest::files::SeriesFile;

use super::units::warn_of_unit;

pub mod detect;
pub mod forecast;
mod grid;
pub mod replay;

/// Says on stderr when a series file's timestamps look like another unit.
fn warn_of_stamps(path: &Path, file: &SeriesFile) {
    let oldest = file.series.iter().filter_map(|series| series.timestamps.first()).min();
    let newest = file.series.iter().filter_map(|series| series.timestamps.last()).max();
    if let (Some(&oldest), Some(&newest)) = (oldest, newest) {
        warn_of_unit(path, (oldest, newest));
    }
}
