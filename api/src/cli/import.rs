//! `almanac import`: files into the store.

use std::{io::Write, path::Path, time::Duration};

use almanac_engine::ingest::{
    Ingest,
    import::{ImportError, ImportOptions, ImportReport, check_file, import_file},
};
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::blocking::{Body, Client};

use super::{CliError, Global, Place, PlaceArgs, output};
use crate::{
    config::Config,
    http::{ImportBody, ingest_limits, now},
    service::open_store,
};

/// Options of `import`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// CSV, Parquet, NDJSON or Prometheus text files
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<std::path::PathBuf>,
    /// Store or service.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Runs the command: checks all files, then stores them one after the other.
///
/// # Errors
/// See [`CliError`]; a file with a fault leaves nothing of itself behind, and in a store nothing of the others.
pub fn run(args: Args, global: &Global) -> Result<(), CliError> {
    match args.place.place(global)? {
        Place::Store(config) => into_store(&args, &config, global),
        Place::Service { url, token } => {
            let mut out = output::stdout();
            for file in &args.files {
                let report = send(file, &url, token.as_deref())?;
                say(&mut out, file, report.samples, report.series)?;
            }
            Ok(())
        }
    }
}

fn into_store(args: &Args, config: &Config, global: &Global) -> Result<(), CliError> {
    for file in &args.files {
        // Before a store is made where there was none.
        std::fs::metadata(file)
            .map_err(|error| CliError::failed(format!("{}: cannot be read: {error}", file.display())))?;
    }
    let store = open_store(config).map_err(|error| CliError::from_error(&error))?;
    let ingest = Ingest::new(store.clone(), ingest_limits(config));
    let result = import_all(args, &ingest, global);
    drop(ingest);
    let closed = store.close().map_err(|error| CliError::from_error(&error));
    result.and(closed)
}

fn import_all(args: &Args, ingest: &Ingest, global: &Global) -> Result<(), CliError> {
    let failed = |error: ImportError| CliError::from_error(&error);
    // One file is checked by its own import.
    if args.files.len() > 1 {
        for file in &args.files {
            check_file(ingest, file, &options(file)).map_err(failed)?;
        }
    }
    let mut out = output::stdout();
    for file in &args.files {
        let bar = if global.shows_progress() { ProgressBar::new(0) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} samples {eta}") {
            bar.set_style(style);
        }
        bar.set_message(file.display().to_string());
        let mut progress = |stored, samples| {
            bar.set_length(samples);
            bar.set_position(stored);
        };
        let result = import_file(ingest, file, &options(file), &mut progress);
        bar.finish_and_clear();
        let ImportReport { samples, series } = result.map_err(failed)?;
        say(&mut out, file, samples, series)?;
    }
    Ok(())
}

fn say(out: &mut impl Write, file: &Path, samples: u64, series: u64) -> Result<(), CliError> {
    writeln!(out, "{}: {samples} samples of {series} series", file.display())?;
    Ok(out.flush()?)
}

fn options(file: &Path) -> ImportOptions {
    ImportOptions { format: None, name: Some(series_name(file)), now: now() }
}

/// The metric's name for a table that names no series: the file's name up to the first dot.
fn series_name(file: &Path) -> String {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match name.split('.').next() {
        Some("") | None => "value".to_owned(),
        Some(stem) => stem.to_owned(),
    }
}

/// Sends a file to a running service.
fn send(file: &Path, url: &str, token: Option<&str>) -> Result<ImportBody, CliError> {
    let unreadable = |error: std::io::Error| CliError::failed(format!("{}: cannot be read: {error}", file.display()));
    let body = std::fs::File::open(file).map_err(unreadable)?;
    let asked = |error: reqwest::Error| CliError::from_error(&error).context(format!("{url} does not answer"));
    // A large file takes its time; a dead service is noticed by its connection.
    let client = Client::builder().timeout(None).connect_timeout(Duration::from_secs(10)).build().map_err(asked)?;
    let mut request = client
        .post(format!("{url}/v1/import"))
        .query(&[("file", file.to_string_lossy().as_ref()), ("series", &series_name(file))])
        .header("content-type", "application/octet-stream")
        .body(Body::from(body));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let response = request.send().map_err(asked)?;
    let status = response.status();
    if status.is_success() {
        return response.json().map_err(asked);
    }
    let text = response.text().unwrap_or_default();
    let message = serde_json::from_str::<serde_json::Value>(&text)
        .ok()
        .and_then(|body| Some(body.get("message")?.as_str()?.to_owned()))
        .unwrap_or(text);
    Err(CliError::failed(format!("{url} answers {status}: {message}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_lends_its_name_to_its_only_series() {
        let check = |file: &str, expected: &str| assert_eq!(series_name(Path::new(file)), expected);
        check("a/demand.csv", "demand");
        check("demand.csv.gz", "demand");
        check("demand", "demand");
        check(".hidden", "value");
    }
}
