//! `almanac compact`: compacts the store and releases disk space.

use std::{fs, io::Write, path::Path};

use almanac_engine::store::{Compaction, CompactionReport};
use serde_json::json;

use super::{Backend, BackendArgs, Remote, backend::existing};
use crate::{
    cli::{CliError, Global, output, progress},
    config::Config,
    http::{CompactionBody, now},
    service,
};

/// Maximum number of times that a stopped store is reopened to shrink its file.
const MAX_REOPENS: usize = 4;

/// Options of `compact`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Store or service to use.
    #[command(flatten)]
    pub backend: BackendArgs,
    /// Let retention delete any share of the rows at once; without it more than store.retention.drop_share_max is held
    #[arg(long)]
    pub allow_drop: bool,
}

/// Runs the command.
///
/// # Errors
/// A failure when the store does not exist or is in use, or when the compaction fails.
pub fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let mut out = output::stdout();
    match args.backend.backend(global)? {
        Backend::Service(service) => {
            let _bar = progress::waiting(global, "the service is compacting its store");
            let path = if args.allow_drop { "/v1/admin/compact?allow_drop=true" } else { "/v1/admin/compact" };
            let answer = Remote::new(service)?.post_json(path, &json!({}), "application/json")?;
            writeln!(out, "{}", summary(&answer.json()?))?;
        }
        Backend::Store(config) => {
            let path = config.store.path.clone();
            existing(&path)?;
            let before = size(&path);
            let _bar = progress::waiting(global, "compacting");
            let report = compact_stopped(&config, args.allow_drop)?;
            // DuckDB does not move metadata while a database is open. If the metadata is at the end of the file, the
            // free blocks before it are released only when the store is opened again.
            let mut smallest = size(&path);
            for _ in 0..MAX_REOPENS {
                compact_stopped(&config, args.allow_drop)?;
                let now = size(&path);
                if now >= smallest {
                    break;
                }
                smallest = now;
            }
            writeln!(out, "{}; {before} bytes before, {} after", summary(&report.into()), size(&path))?;
        }
    }
    out.flush()?;
    Ok(())
}

/// Opens the store, compacts it and closes it, also when the compaction fails.
fn compact_stopped(config: &Config, allow_drop: bool) -> Result<CompactionReport, CliError> {
    let store = service::open_store(config).map_err(|error| CliError::from_error(&error))?;
    let report =
        store.compact_dropping(now(), Compaction::All, allow_drop).map_err(|error| CliError::from_error(&error));
    let closed = store.close().map_err(|error| CliError::from_error(&error));
    let report = report?;
    closed.map(|()| report)
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |data| data.len())
}

fn summary(report: &CompactionBody) -> String {
    let held = match report.rows_held {
        0 => String::new(),
        rows => format!(
            "; {rows} expired rows are held, because they are more than store.retention.drop_share_max of a table: \
             --allow-drop deletes them"
        ),
    };
    format!(
        "compacted: {} samples moved, {} replaced by later writes, {} expired; {} segments written, {} dropped; {} rollup rows written{held}",
        report.samples_moved,
        report.samples_replaced,
        report.samples_expired,
        report.segments_written,
        report.segments_dropped,
        report.rollups_written
    )
}
