//! `almanac import`: imports files into the store.

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use almanac_engine::ingest::{
    Ingest,
    import::{ImportError, ImportOptions, ImportReport, check_file, import_file},
};
use reqwest::blocking::Body;

use super::{Backend, BackendArgs, Remote};
use crate::{
    cli::{CliError, Global, interrupt::InterruptHandler, output, progress},
    config::Config,
    http::{ImportBody, ingest_limits, now},
    service::open_store,
};

/// Options of `import`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// CSV, Parquet, NDJSON or Prometheus text files, or folders of them such as those of `almanac export`
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Store or service to use.
    #[command(flatten)]
    pub backend: BackendArgs,
}

/// Runs the command: checks all files, then stores them one by one. A service checks each file when it receives it.
///
/// # Errors
/// See [`CliError`]. Nothing of an invalid file is stored and, in a local store, nothing of the other files.
pub fn run(mut args: Args, global: &Global) -> Result<(), CliError> {
    args.files = expanded(&args.files)?;
    match args.backend.backend(global)? {
        Backend::Store(config) => into_store(&args, &config, global),
        Backend::Service(service) => {
            let (mut out, remote) = (output::stdout(), Remote::new(service)?);
            for file in &args.files {
                let ImportBody { samples, series, notes } = send(file, &remote, global)?;
                report(&mut out, file, samples, series, &notes)?;
            }
            Ok(())
        }
    }
}

/// Returns the files, with those of a folder and the folders in it in their place, sorted by name. Hidden ones are left out.
fn expanded(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    fn collect(path: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
        if !path.is_dir() {
            found.push(path.to_owned());
            return Ok(());
        }
        let mut inside = std::fs::read_dir(path)?.collect::<std::io::Result<Vec<_>>>()?;
        inside.sort_by_key(std::fs::DirEntry::file_name);
        let is_hidden = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with('.');
        inside.iter().filter(|entry| !is_hidden(entry)).try_for_each(|entry| collect(&entry.path(), found))
    }
    let mut found = Vec::new();
    for path in paths {
        let before = found.len();
        collect(path, &mut found)
            .map_err(|error| CliError::failed(format!("{}: cannot be read: {error}", path.display())))?;
        if found.len() == before {
            return Err(CliError::failed(format!("{}: the folder has no file", path.display())));
        }
    }
    Ok(found)
}

fn into_store(args: &Args, config: &Config, global: &Global) -> Result<(), CliError> {
    for file in &args.files {
        // Checked before the store is opened, which creates it.
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
        // Removes the store that this call created, because no file was imported.
        let _ = std::fs::remove_file(&config.store.path);
    }
    result.and(closed)
}

fn import_all(args: &Args, ingest: &Ingest, global: &Global) -> Result<(), CliError> {
    let failed = |error: ImportError| CliError::from_error(&error);
    // A single file is checked by its import.
    if args.files.len() > 1 {
        for file in &args.files {
            check_file(ingest, file, &options(file)).map_err(failed)?;
        }
    }
    let mut out = output::stdout();
    let progress_counts = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
    let seen = Arc::clone(&progress_counts);
    // Committed samples are kept, so the message has to name how many there are.
    let interrupt = InterruptHandler::install(move || {
        let [stored, samples] = [0, 1].map(|idx| seen[idx].load(Ordering::Relaxed));
        crate::say!(
            "almanac: interrupted: {stored} of {samples} samples are stored; import the file again to complete it"
        );
    })?;
    for file in &args.files {
        let bar = progress::counted(global, file.display().to_string(), "samples", 0);
        let mut progress = |stored, samples| {
            progress_counts[0].store(stored, Ordering::Relaxed);
            progress_counts[1].store(samples, Ordering::Relaxed);
            bar.set_length(samples);
            bar.set_position(stored);
        };
        let result = import_file(ingest, file, &options(file), &mut progress);
        bar.finish_and_clear();
        let ImportReport { samples, series, notes, .. } = result.map_err(failed)?;
        report(&mut out, file, samples, series, &notes)?;
    }
    interrupt.disarm();
    Ok(())
}

/// Prints what was imported, and notes on how the file was read to stderr.
fn report(out: &mut impl Write, file: &Path, samples: u64, series: u64, notes: &[String]) -> Result<(), CliError> {
    for note in notes {
        crate::say!("almanac: {}: {note}", file.display());
    }
    writeln!(out, "{}: {samples} samples of {series} series", file.display())?;
    Ok(out.flush()?)
}

fn options(file: &Path) -> ImportOptions {
    ImportOptions { format: None, name: Some(series_name(file)), now: now() }
}

/// Returns the name of the metric for a table without one: the name of the file up to the first dot.
fn series_name(file: &Path) -> String {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match name.split('.').next() {
        Some("") | None => "value".to_owned(),
        Some(stem) => stem.to_owned(),
    }
}

/// Sends a file to a running service.
fn send(file: &Path, remote: &Remote, global: &Global) -> Result<ImportBody, CliError> {
    let unreadable = |error: std::io::Error| CliError::failed(format!("{}: cannot be read: {error}", file.display()));
    let opened = std::fs::File::open(file).map_err(unreadable)?;
    let data = opened.metadata().map_err(unreadable)?;
    let bar = progress::bytes(global, file.display().to_string(), data.len());
    let reader = bar.wrap_read(opened);
    // The length of a pipe is unknown.
    let body = if data.is_file() { Body::sized(reader, data.len()) } else { Body::new(reader) };
    let query = [("file", &*file.to_string_lossy()), ("series", &*series_name(file))];
    remote.post_body("/v1/import", &query, body)?.json()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stands_for_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("day=2")).unwrap();
        for name in ["b.csv", "a.csv", ".c.csv.part", "day=2/d.csv"] {
            std::fs::write(at(name), "").unwrap();
        }
        let found = expanded(&[at("b.csv"), folder.path().to_owned()]).unwrap();
        assert_eq!(found, [at("b.csv"), at("a.csv"), at("b.csv"), at("day=2/d.csv")]);
        std::fs::create_dir(at("empty")).unwrap();
        assert!(expanded(&[at("empty")]).unwrap_err().to_string().contains("the folder has no file"));
        // A file that is not there is named when it is read.
        assert_eq!(expanded(&[at("none")]).unwrap(), [at("none")]);
    }

    #[test]
    fn the_only_series_of_a_file_gets_its_name() {
        let check = |file: &str, expected: &str| assert_eq!(series_name(Path::new(file)), expected);
        check("a/demand.csv", "demand");
        check("demand.csv.gz", "demand");
        check("demand", "demand");
        check(".hidden", "value");
    }
}
