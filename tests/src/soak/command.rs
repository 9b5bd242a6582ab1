//! The command line of the soak.

use std::{
    error::Error,
    fs,
    io::Write,
    path::{Path, PathBuf},
    thread::available_parallelism,
    time::Duration,
};

use chrono::Utc;

use super::{
    flat::{Verdict, judge},
    plan::ALL_SEEN_S,
    report::{Report, series_table},
    run::{Options, run},
};
use crate::document::commit;

/// The document.
const DOCUMENT: &str = "docs/measured/soak.md";
/// Shortest run that writes the document, in minutes.
const LONG: f64 = 60.0;
/// Retentions after which the service holds as much as it ever will.
const SETTLED: u64 = 2;
/// Usage.
const USAGE: &str = "soak [--minutes M] [--series N] [--output FILE|-]";

/// Runs the soak and prints its document; a run of an hour writes it to its file.
///
/// `words`: the flags without the program's name; `--help` lists them.
///
/// # Errors
/// Invalid flags; growth above a bound, errors, or stored samples that differ, after the document with all samples is printed.
pub fn write(almanac: &Path, words: impl IntoIterator<Item = String>) -> Result<(), Box<dyn Error>> {
    let mut stdout = std::io::stdout();
    let (mut minutes, mut series, mut output) = (10.0_f64, 4_000_u64, None);
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if word == "--help" {
            return Ok(writeln!(stdout, "{USAGE}")?);
        }
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--minutes" => minutes = value.parse().map_err(|_| format!("--minutes {value}: write a number"))?,
            "--series" => series = value.parse().map_err(|_| format!("--series {value}: write a whole number"))?,
            "--output" => output = Some(PathBuf::from(value)),
            other => return Err(format!("unknown option {other}: {USAGE}").into()),
        }
    }
    if !(2.0..=1e5).contains(&minutes) {
        return Err(format!("--minutes {minutes}: a run takes at least 2 minutes, so that samples expire").into());
    }
    if series == 0 {
        return Err("--series 0 sends nothing".into());
    }
    let length = Duration::try_from_secs_f64(minutes * 60.0)?;
    let options = Options { almanac: almanac.to_owned(), length, series };
    let outcome = run(&options, &mut |sample| {
        let [memory, workers, file, log, stored, ..] = sample.values;
        eprintln!(
            "{:.0} s: memory {memory:.0} MiB, workers {workers:.0} MiB, file {file:.1} MiB, log {log:.1} MiB, {stored:.0} thousand samples, {} errors",
            sample.seconds, sample.errors
        );
    })?;
    let settled_s = (SETTLED * outcome.raw_s).max(ALL_SEEN_S);
    let growth = judge(&outcome.samples, f64::from(u32::try_from(settled_s)?))?;
    let mut failures = outcome.failures.clone();
    let grows = growth.iter().filter(|growth| growth.verdict == Verdict::Grows);
    failures.extend(grows.map(|growth| format!("{} grows", growth.quantity.name)));
    let report = Report {
        commit: commit(DOCUMENT),
        date: Utc::now().format("%Y-%m-%d").to_string(),
        cores: available_parallelism().map_or(1, usize::from),
        minutes,
        series,
        is_short: minutes < LONG,
        outcome,
        growth,
        failures,
    };
    writeln!(stdout, "{report}")?;
    // A run that failed replaces the document only with --output; the document says that it failed.
    let is_good = !report.is_short && report.failures.is_empty();
    let file = output.or_else(|| is_good.then(|| PathBuf::from(DOCUMENT)));
    if let Some(file) = file.filter(|file| file.as_os_str() != "-") {
        fs::write(&file, report.to_string()).map_err(|error| format!("{}: {error}", file.display()))?;
        eprintln!("written to {}", file.display());
    }
    if !report.failures.is_empty() {
        writeln!(stdout, "All samples:\n\n{}", series_table(&report.outcome.samples, usize::MAX))?;
        return Err(report.failures.join("; ").into());
    }
    Ok(())
}
