//! Commands on files of series or events, which need no store.

use std::path::Path;

use almanac_engine::{
    calendar::{Calendar, parse_date},
    ingest::files::SeriesFile,
};

use super::CliError;

pub mod detect;
pub mod forecast;
pub mod replay;
pub mod review;
mod step;

/// Prints the notes on how a series file was read on stderr.
fn print_notes(path: &Path, file: &SeriesFile) {
    for note in &file.notes {
        crate::say!("almanac: {}: {note}", path.display());
    }
}

/// Builds the calendar of `--time-zone` and `--holidays`.
fn calendar(zone: Option<&str>, holidays: Option<&str>) -> Result<Calendar, CliError> {
    let zone = zone.map(|name| name.trim().parse().map_err(|error| CliError::usage(format!("--time-zone: {error}"))));
    let days = holidays.into_iter().flat_map(|list| list.split(','));
    let holidays = days.map(|text| parse_date(text).map_err(|error| CliError::usage(format!("--holidays: {error}"))));
    Ok(Calendar { zone: zone.transpose()?, holidays: holidays.collect::<Result<_, _>>()? })
}
