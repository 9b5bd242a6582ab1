//! Commands on files of series or events; no store is needed.

use std::path::Path;

use almanac_engine::{
    calendar::{Calendar, parse_date},
    ingest::files::SeriesFile,
};

use super::{CliError, units::warn_of_unit};

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

/// The calendar that `--time-zone` and `--holidays` make.
fn calendar(zone: Option<&str>, holidays: Option<&str>) -> Result<Calendar, CliError> {
    let zone = zone.map(|name| name.trim().parse().map_err(|error| CliError::usage(format!("--time-zone: {error}"))));
    let days = holidays.into_iter().flat_map(|list| list.split(','));
    let holidays = days.map(|text| parse_date(text).map_err(|error| CliError::usage(format!("--holidays: {error}"))));
    Ok(Calendar { zone: zone.transpose()?, holidays: holidays.collect::<Result<_, _>>()? })
}
