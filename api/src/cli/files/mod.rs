//! Commands on files of series or events; no store is needed.

use std::path::Path;

use almanac_engine::{
    calendar::{Calendar, parse_date},
    ingest::files::SeriesFile,
};

use super::CliError;

pub mod detect;
pub mod forecast;
mod grid;
pub mod replay;

/// Prints notes on how a series file was read to stderr.
fn warn_of_stamps(path: &Path, file: &SeriesFile) {
    for note in &file.notes {
        eprintln!("almanac: {}: {note}", path.display());
    }
}

/// The calendar that `--time-zone` and `--holidays` make.
fn calendar(zone: Option<&str>, holidays: Option<&str>) -> Result<Calendar, CliError> {
    let zone = zone.map(|name| name.trim().parse().map_err(|error| CliError::usage(format!("--time-zone: {error}"))));
    let days = holidays.into_iter().flat_map(|list| list.split(','));
    let holidays = days.map(|text| parse_date(text).map_err(|error| CliError::usage(format!("--holidays: {error}"))));
    Ok(Calendar { zone: zone.transpose()?, holidays: holidays.collect::<Result<_, _>>()? })
}
