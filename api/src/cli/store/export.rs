//! `almanac export`: writes samples as files, one folder a day, that other programs open and `almanac import` takes back.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use almanac_engine::{
    export::{
        ExportError, ExportFolder, ExportFormat, ExportReport, PART_SAMPLES, Part, newest_part, parse_line,
        remove_incomplete,
    },
    series::Matcher,
};
use clap::ValueEnum;

use super::{Backend, BackendArgs, Remote, backend::existing};
use crate::{
    cli::{CliError, Global, interrupt::InterruptHandler, output, progress},
    http::{Exported, PART_FROM, exported, now},
    service,
};

/// Options of `export`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// New or empty folder for the files: DIR/day=2026-01-31/samples-00000000.parquet
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Start of the span: 2026-01-01, RFC 3339, epoch milliseconds or now-6h [the first sample]
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub from: Option<String>,
    /// End of the span, inclusive, in the same formats [the last sample]
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub until: Option<String>,
    /// Selector of the series, such as 'up{job="api"}' [all series]
    #[arg(long = "match", value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// Format of the files
    #[arg(long, value_enum, default_value_t = Format::Parquet)]
    pub format: Format,
    /// Store or service to use.
    #[command(flatten)]
    pub backend: BackendArgs,
}

/// Format of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Parquet, compressed with zstd
    Parquet,
    /// CSV with a header
    Csv,
    /// One JSON object a series and file, as VictoriaMetrics exports them
    Ndjson,
}

impl From<Format> for ExportFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Parquet => Self::Parquet,
            Format::Csv => Self::Csv,
            Format::Ndjson => Self::Ndjson,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// A usage error for an invalid selector or time; a failure when the store does not exist or is in use, the folder has files,
/// or a file cannot be written. Files that were complete by then stay.
pub fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let Args { folder, from, until, selector, format, backend } = args;
    // Invalid options are rejected before a store is opened or a request is sent.
    let what = exported(selector.as_deref(), from.as_deref(), until.as_deref(), now()).map_err(CliError::usage)?;
    let backend = backend.backend(global)?;
    if let Backend::Store(config) = &backend {
        existing(&config.store.path)?;
    }
    let report = match backend {
        Backend::Service(service) => {
            let remote = Remote::new(service)?;
            let selector = selector.as_deref();
            write(&folder, format, global, &what, |span| newest_of(&remote, selector, span))
        }
        Backend::Store(config) => {
            let store = service::open_store(&config).map_err(|error| CliError::from_error(&error))?;
            let matchers: &[Matcher] = &what.matchers;
            let report = write(&folder, format, global, &what, |span| {
                newest_part(&store, matchers, span, PART_SAMPLES).map_err(|error| CliError::from_error(&error))
            });
            let histograms = store.stats().histograms;
            let closed = store.close().map_err(|error| CliError::from_error(&error));
            let report = report?;
            closed?;
            if histograms > 0 {
                crate::say!("almanac: {histograms} native histograms are not exported: files have samples only");
            }
            Ok(report)
        }
    }?;
    let mut out = output::stdout();
    writeln!(out, "{}", summary(&folder.display().to_string(), &report))?;
    out.flush()?;
    Ok(())
}

/// Writes the parts that `next` returns for the span that is left, the newest first.
fn write(
    folder: &Path,
    format: Format,
    global: &Global,
    what: &Exported,
    mut next: impl FnMut((i64, i64)) -> Result<Option<Part>, CliError>,
) -> Result<ExportReport, CliError> {
    let failed = |error: ExportError| CliError::from_error(&error);
    let mut target = ExportFolder::create(folder, format.into()).map_err(failed)?;
    let begun = folder.to_owned();
    let interrupt = InterruptHandler::install(move || {
        remove_incomplete(&begun);
        crate::say!("almanac: interrupted: the files in {} are whole, older samples are missing", begun.display());
    })?;
    let bar = progress::waiting(global, "exporting");
    let mut until = what.until;
    while let Some(part) = next((what.from, until))? {
        let samples = target.write(&part).map_err(failed)?;
        bar.set_message(format!("exporting: {samples} samples"));
        if part.from_ms <= what.from {
            break;
        }
        until = part.from_ms - 1;
    }
    bar.finish_and_clear();
    interrupt.disarm();
    Ok(target.report())
}

/// Returns the newest part of a service's samples.
fn newest_of(remote: &Remote, selector: Option<&str>, (from, until): (i64, i64)) -> Result<Option<Part>, CliError> {
    // Without a bound of its own a span has none in the request.
    let bounds = [("from", from, i64::MIN), ("until", until, i64::MAX)]
        .map(|(name, at, none)| (name, at.to_string(), at == none));
    let given = bounds.iter().filter(|(.., is_none)| !is_none).map(|(name, at, _)| (*name, at.as_str()));
    let query: Vec<(&str, &str)> = selector.map(|text| ("match", text)).into_iter().chain(given).collect();
    let answer = remote.get("/v1/export", &query)?;
    if answer.body.is_empty() {
        return Ok(None);
    }
    let from_ms = answer.headers.get(PART_FROM).and_then(|value| value.to_str().ok()?.parse().ok());
    let from_ms = from_ms.ok_or_else(|| CliError::failed("the service is too old for an export"))?;
    let text = std::str::from_utf8(&answer.body).map_err(|error| CliError::from_error(&error))?;
    let mut series = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let one = parse_line(line);
        series.push(one.map_err(|detail| CliError::from_error(&ExportError::Line { number, detail }))?);
    }
    Ok(Some(Part { from_ms, series }))
}

/// Returns the result in one line.
fn summary(folder: &str, report: &ExportReport) -> String {
    if report.samples == 0 {
        return format!("{folder}: no sample matches");
    }
    format!(
        "{folder}: {} samples of {} series on {} days, {} bytes in {} files",
        report.samples, report.series, report.days, report.bytes, report.files
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_samples_series_and_files() {
        let report = ExportReport { samples: 10, series: 2, days: 1, files: 3, bytes: 99 };
        assert_eq!(summary("a", &report), "a: 10 samples of 2 series on 1 days, 99 bytes in 3 files");
        assert_eq!(summary("a", &ExportReport::default()), "a: no sample matches");
    }
}
