//! `almanac compact`: finishes the compaction that is due and gives space back.

use std::{fs, io::Write, path::Path};

use almanac_engine::store::Compaction;
use serde_json::json;

use super::{CliError, Global, Place, PlaceArgs, Remote, output};
use crate::{
    http::{CompactionBody, now},
    service,
};

/// Options of `compact`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Store or service.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Runs the command.
///
/// # Errors
/// A failure when there is no store, or it is in use, or the work fails.
pub fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let mut out = output::stdout();
    match args.place.place(global)? {
        Place::Service { url, token } => {
            let answer = Remote::new(url, token)?.post_json("/v1/admin/compact", &json!({}), "application/json")?;
            let report: CompactionBody = serde_json::from_slice(&answer.body)
                .map_err(|error| CliError::failed(format!("the service's answer cannot be read: {error}")))?;
            writeln!(out, "{}", words(&report))?;
        }
        Place::Store(config) => {
            let path = config.store.path.clone();
            existing(&path)?;
            let store = service::open_store(&config).map_err(|error| CliError::from_error(&error))?;
            let before = size(&path);
            let report = store.compact(now(), Compaction::All).map_err(|error| CliError::from_error(&error))?;
            store.close().map_err(|error| CliError::from_error(&error))?;
            writeln!(out, "{}; {before} bytes before, {} after", words(&report.into()), size(&path))?;
        }
    }
    out.flush()?;
    Ok(())
}

/// Refuses a store that does not exist: only `serve`, `demo` and `import` make one.
pub(super) fn existing(path: &Path) -> Result<(), CliError> {
    if path.exists() {
        return Ok(());
    }
    Err(CliError::failed(format!(
        "there is no store {}; name one with --db, or make one with almanac serve",
        path.display()
    )))
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |data| data.len())
}

fn words(report: &CompactionBody) -> String {
    format!(
        "compacted: {} samples moved, {} replaced by later writes, {} expired; {} segments written, {} dropped; {} rollup rows written",
        report.samples_moved,
        report.samples_replaced,
        report.samples_expired,
        report.segments_written,
        report.segments_dropped,
        report.rollups_written
    )
}
