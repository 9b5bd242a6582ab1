//! `almanac learn`: runs one learning cycle.

use std::io::Write;

use serde_json::json;

use super::{
    Backend, BackendArgs, Remote,
    backend::{as_of, existing},
};
use crate::{
    cli::{CliError, Global, output, progress},
    config::Config,
    http::{CycleBody, scheduler},
    service,
};

/// Options of `learn`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Store or service to use.
    #[command(flatten)]
    pub backend: BackendArgs,
}

/// Runs the command.
///
/// # Errors
/// A failure when the store does not exist or is in use, or when the cycle fails.
pub fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let report = match args.backend.backend(global)? {
        Backend::Service(service) => {
            let _bar = progress::waiting(global, "the service is learning");
            Remote::new(service)?.post_json("/v1/admin/learn", &json!({}), "application/json")?.json()?
        }
        Backend::Store(config) => learn_here(&config, global)?,
    };
    for failure in &report.failed {
        crate::say!("almanac: {}: {}", failure.signal, failure.reason);
    }
    let mut out = output::stdout();
    writeln!(out, "{}", summary(&report))?;
    out.flush()?;
    Ok(())
}

/// Runs the cycle on a stopped store.
fn learn_here(config: &Config, global: &Global) -> Result<CycleBody, CliError> {
    // An invalid configuration is a usage error, reported before the store is opened.
    config.signal_specs().map_err(|error| CliError::usage(&error))?;
    existing(&config.store.path)?;
    let store = service::open_store(config).map_err(|error| CliError::from_error(&error))?;
    let mut scheduler = scheduler(&store, config).map_err(|error| CliError::usage(&error))?;
    let now = as_of(&store);
    let bar = progress::counted(global, "learning", "signals", 0);
    let report = scheduler.choose(now).and_then(|()| {
        scheduler.run_cycle(now, &|progress| {
            bar.set_length(progress.total as u64);
            bar.set_position(progress.done as u64);
            bar.set_message(progress.signal);
        })
    });
    bar.finish_and_clear();
    let closed = store.close().map_err(|error| CliError::from_error(&error));
    let report = report.map_err(|error| CliError::from_error(&error))?;
    closed?;
    Ok(report.into())
}

fn summary(report: &CycleBody) -> String {
    format!(
        "learned: {} signals fitted, {} with too few values, {} failed, {} not due; {} new values scored, {} anomalies",
        report.fitted,
        report.waiting,
        report.failed.len(),
        report.current,
        report.values,
        report.anomalies
    )
}
