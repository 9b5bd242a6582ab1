//! `almanac check`: reads everything that a stopped store contains, and names what is damaged.

use std::io::Write;

use almanac_engine::store::{CheckReport, Damage};

use super::{StoreArgs, backend::existing};
use crate::{
    cli::{CliError, Global, output, progress},
    http::iso,
    service,
};

/// Most damaged parts that are listed.
const LISTED: usize = 100;

/// Options of `check`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// Runs the command. What is damaged is listed on stdout.
///
/// # Errors
/// A failure when the store does not exist, is in use or cannot be opened, or when a part of it is damaged.
pub fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let config = args.store.config()?;
    existing(&config.store.path)?;
    let failed = |error: almanac_engine::store::StoreError| CliError::from_error(&error);
    let store = service::open_store(&config).map_err(failed)?;
    let bar = progress::counted(global, "checking", "samples", 0);
    let report = store.check(|done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let closed = store.close();
    let report = report.map_err(failed)?;
    closed.map_err(failed)?;
    let mut out = output::stdout();
    list(&mut out, "damaged", &report.damaged)?;
    if report.damaged.is_empty() {
        writeln!(out, "sound: {}", counts(&report))?;
        out.flush()?;
        return Ok(());
    }
    out.flush()?;
    Err(CliError::failed(format!(
        "{} of {}; restore a backup, save the rest with almanac repair, or delete the damaged series with almanac delete",
        if report.damaged.len() == 1 {
            "1 part is damaged".to_owned()
        } else {
            format!("{} parts are damaged", report.damaged.len())
        },
        counts(&report)
    )))
}

fn counts(report: &CheckReport) -> String {
    format!("{} blocks and {} tables, {} samples can be read", report.blocks, report.tables, report.samples)
}

/// Writes a line about each damaged or lost part, up to a number of them.
pub(super) fn list(out: &mut impl Write, word: &str, parts: &[Damage]) -> Result<(), CliError> {
    for part in parts.iter().take(LISTED) {
        let of = part.samples.map_or_else(String::new, |(from, until, count)| {
            format!(", {count} samples from {} to {}", iso(from.millis()), iso(until.millis()))
        });
        writeln!(out, "{word}: {}{of}: {}", part.what, part.reason)?;
    }
    if parts.len() > LISTED {
        writeln!(out, "… and {} more", parts.len() - LISTED)?;
    }
    Ok(())
}
