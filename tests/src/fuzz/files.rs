//! Targets: files of samples and of cache events in every format.

#![expect(clippy::expect_used, reason = "a target without its file cannot run")]

use std::io::Write;

use almanac_engine::ingest::{
    files::{read_event_file, read_labelled_series_file},
    import::{ImportFormat, ImportOptions, check_file},
};
use tempfile::NamedTempFile;

use super::{one_line, store};

/// CSV for an import.
pub(super) fn csv(data: &[u8]) {
    import(data, ImportFormat::Csv, ".csv");
}

/// JSON for an import: lines, an array, exported series, or a response of Prometheus.
pub(super) fn ndjson(data: &[u8]) {
    import(data, ImportFormat::Ndjson, ".ndjson");
}

/// Parquet for an import.
pub(super) fn parquet(data: &[u8]) {
    import(data, ImportFormat::Parquet, ".parquet");
}

/// Files of the commands on files, whose format is detected: an import, series, and cache events.
pub(super) fn tables(data: &[u8]) {
    let file = file(data, "");
    let options = ImportOptions { format: None, name: Some("fuzz".to_owned()), now: store::now() };
    if let Err(error) = check_file(store::ingest(), file.path(), &options) {
        one_line::check(&error);
    }
    if let Err(error) = read_labelled_series_file(file.path()) {
        one_line::check(&error);
    }
    if let Err(error) = read_event_file(file.path()) {
        one_line::check(&error);
    }
}

/// Runs the check of an import, which reads all of the file.
pub(super) fn import(data: &[u8], format: ImportFormat, ending: &str) {
    let file = file(data, ending);
    let options = ImportOptions { format: Some(format), name: Some("fuzz".to_owned()), now: store::now() };
    match check_file(store::ingest(), file.path(), &options) {
        Ok(report) => report.notes.iter().for_each(|note| one_line::check_text(note)),
        Err(error) => one_line::check(&error),
    }
}

fn file(data: &[u8], ending: &str) -> NamedTempFile {
    let mut file =
        tempfile::Builder::new().suffix(ending).tempfile_in(store::folder()).expect("a temporary file can be made");
    file.write_all(data).expect("a temporary file can be written");
    file
}
