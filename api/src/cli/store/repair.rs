//! `almanac repair`: saves what is sound in a damaged store into a new file.

use std::{io::Write, path::PathBuf};

use almanac_engine::store::{RepairReport, RepairStage, Store, StoreError};

use super::{StoreArgs, check};
use crate::{
    cli::{CliError, Global, interrupt::InterruptHandler, output, progress},
    service,
};

/// Options of `repair`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Damaged file of a stopped store; it and the log beside it are not changed
    #[arg(value_name = "DAMAGED")]
    pub damaged: PathBuf,
    /// New store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// Runs the command. What was saved and what is lost is listed on stdout.
///
/// # Errors
/// A failure when nothing can be saved, the file is in use or no store, or the new store exists; nothing is left of it. Status 3 when something is
/// lost; the new store is there.
pub fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let Args { damaged, store } = args;
    let config = store.config()?;
    let path = config.store.path.clone();
    let failed = |error: StoreError| CliError::from_error(&error);
    let interrupt = InterruptHandler::removing(&path, "nothing is repaired")?;
    let copying = progress::bytes(global, "reading the damaged file", 0);
    let mut saving = None;
    let mut count = |stage, done, total| {
        let bar = match stage {
            RepairStage::Copying => &copying,
            RepairStage::Saving => {
                copying.finish_and_clear();
                saving.get_or_insert_with(|| progress::counted(global, "saving", "rows", total))
            }
        };
        bar.set_length(total);
        bar.set_position(done);
    };
    let report = Store::repair(&damaged, &path, &service::store_options(&config), &mut count).map_err(failed)?;
    // Ends the bar.
    drop(saving);
    interrupt.disarm();
    let mut out = output::stdout();
    write(&mut out, &report)?;
    if report.lost.is_empty() {
        let counts = counts(&report);
        writeln!(out, "{}: {counts} of {}; nothing is lost", path.display(), damaged.display())?;
        out.flush()?;
        return Ok(());
    }
    out.flush()?;
    let (samples, series) = lost_samples(&report);
    let parts = report.lost.len() as u64 - series;
    let lost = match (samples, parts) {
        (0, _) => counted(parts, "other part"),
        (_, 0) => format!("{} of {}", counted(samples, "sample"), counted(series, "series")),
        _ => format!(
            "{} of {} and {}",
            counted(samples, "sample"),
            counted(series, "series"),
            counted(parts, "other part")
        ),
    };
    Err(CliError::NotMet(format!(
        "{}: {} of {} are saved; lost: {lost}",
        path.display(),
        counts(&report),
        damaged.display()
    )))
}

/// Writes a line about each table and each lost part.
fn write(out: &mut impl Write, report: &RepairReport) -> Result<(), CliError> {
    if report.corrected > 0 {
        writeln!(out, "corrected: {}, found by the checksums of the blocks", counted(report.corrected, "changed bit"))?;
    }
    for table in &report.tables {
        writeln!(out, "saved: table {}, {}", table.name, counted(table.rows, "row"))?;
    }
    check::list(out, "lost", &report.lost)?;
    if report.unnamed > 0 {
        writeln!(
            out,
            "kept without labels: {} as almanac_unnamed_series{{series=\"NUMBER\"}}; delete what is not wanted with almanac delete",
            counted(report.unnamed, "series")
        )?;
    }
    Ok(())
}

fn counts(report: &RepairReport) -> String {
    format!("{} in {} series", counted(report.samples, "sample"), report.series)
}

/// Returns the number of lost samples whose series are known, and of these series.
fn lost_samples(report: &RepairReport) -> (u64, u64) {
    let all = report.lost.iter().filter_map(|part| part.samples);
    all.fold((0, 0), |(samples, series), (_, _, count)| (samples + count, series + 1))
}

/// Returns a number with its unit; the plural ends with s.
fn counted(number: u64, unit: &str) -> String {
    let plural = if number == 1 || unit == "series" { "" } else { "s" };
    format!("{number} {unit}{plural}")
}
