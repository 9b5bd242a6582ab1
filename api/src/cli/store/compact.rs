//! `almanac compact`: finishes the compaction that is due and gives space back.

use std::{fs, io::Write, path::Path};

use almanac_engine::store::{Compaction, CompactionReport};
use serde_json::json;

use super::{Place, PlaceArgs, Remote, place::existing};
use crate::{
    cli::{CliError, Global, output},
    config::Config,
    http::{CompactionBody, now},
    service,
};

/// How often a stopped store is opened again to cut its file at most.
const REOPENED: usize = 4;

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
            writeln!(out, "{}", words(&answer.json()?))?;
        }
        Place::Store(config) => {
            let path = config.store.path.clone();
            existing(&path)?;
            let before = size(&path);
            let report = compact_stopped(&config)?;
            // A running database does not move its metadata, which may be at the end of the file: free blocks before it
            // are cut off once it is opened anew.
            let mut left = size(&path);
            for _ in 0..REOPENED {
                compact_stopped(&config)?;
                let now = size(&path);
                if now >= left {
                    break;
                }
                left = now;
            }
            writeln!(out, "{}; {before} bytes before, {} after", words(&report.into()), size(&path))?;
        }
    }
    out.flush()?;
    Ok(())
}

fn compact_stopped(config: &Config) -> Result<CompactionReport, CliError> {
    let store = service::open_store(config).map_err(|error| CliError::from_error(&error))?;
    let report = store.compact(now(), Compaction::All).map_err(|error| CliError::from_error(&error));
    let closed = store.close().map_err(|error| CliError::from_error(&error));
    let report = report?;
    closed.map(|()| report)
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
