//! `almanac import`: files into the store.

use std::{
    io::Write,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use almanac_engine::ingest::{
    Ingest,
    import::{ImportError, ImportOptions, ImportReport, check_file, import_file},
};
use indicatif::{ProgressBar, ProgressStyle};

use super::{Place, PlaceArgs, Remote};
use crate::{
    cli::{CliError, Global, interrupted::Interrupted, output},
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
            let (mut out, remote) = (output::stdout(), Remote::new(url, token)?);
            for file in &args.files {
                let ImportBody { samples, series, notes } = send(file, &remote)?;
                report(&mut out, file, samples, series, &notes)?;
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
    let is_new = !config.store.path.exists();
    let store = open_store(config).map_err(|error| CliError::from_error(&error))?;
    let ingest = Ingest::new(store.clone(), ingest_limits(config));
    let result = import_all(args, &ingest, global);
    drop(ingest);
    let stats = store.stats();
    let is_empty = stats.samples_hot + stats.samples_late + stats.samples_cold == 0;
    let closed = store.close().map_err(|error| CliError::from_error(&error));
    if is_new && is_empty {
        // A store made for files that were refused would only be in the way.
        let _ = std::fs::remove_file(&config.store.path);
    }
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
    let how_far = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
    let seen = Arc::clone(&how_far);
    // What is committed stays: the message says that it is a part.
    let interrupted = Interrupted::watch(move || {
        let [stored, samples] = [0, 1].map(|idx| seen[idx].load(Ordering::Relaxed));
        eprintln!(
            "almanac: interrupted: {stored} of {samples} samples are stored; import the file again to complete it"
        );
    })?;
    for file in &args.files {
        let bar = if global.shows_progress() { ProgressBar::new(0) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} samples {eta}") {
            bar.set_style(style);
        }
        bar.set_message(file.display().to_string());
        let mut progress = |stored, samples| {
            how_far[0].store(stored, Ordering::Relaxed);
            how_far[1].store(samples, Ordering::Relaxed);
            bar.set_length(samples);
            bar.set_position(stored);
        };
        let result = import_file(ingest, file, &options(file), &mut progress);
        bar.finish_and_clear();
        let ImportReport { samples, series, notes, .. } = result.map_err(failed)?;
        report(&mut out, file, samples, series, &notes)?;
    }
    interrupted.leave();
    Ok(())
}

/// Prints what was imported, and notes on how the file was read to stderr.
fn report(out: &mut impl Write, file: &Path, samples: u64, series: u64, notes: &[String]) -> Result<(), CliError> {
    for note in notes {
        eprintln!("almanac: {}: {note}", file.display());
    }
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
fn send(file: &Path, remote: &Remote) -> Result<ImportBody, CliError> {
    let unreadable = |error: std::io::Error| CliError::failed(format!("{}: cannot be read: {error}", file.display()));
    let body = std::fs::File::open(file).map_err(unreadable)?;
    let query = [("file", &*file.to_string_lossy()), ("series", &*series_name(file))];
    remote.post_file("/v1/import", &query, body)?.json()
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
