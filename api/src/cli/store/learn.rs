//! `almanac learn`: runs one learning cycle.

use std::{io::Write, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::{
    Backend, BackendArgs, Remote,
    backend::{as_of, existing},
};
use crate::{
    cli::{CliError, Global, output},
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
    let bar = bar(global);
    let report = match args.backend.backend(global)? {
        Backend::Service(service) => {
            bar.set_style(ProgressStyle::default_spinner());
            bar.set_message("the service is learning");
            let answer = Remote::new(service)?.post_json("/v1/admin/learn", &json!({}), "application/json");
            bar.finish_and_clear();
            answer?.json()?
        }
        Backend::Store(config) => learn_here(&config, &bar)?,
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
fn learn_here(config: &Config, bar: &ProgressBar) -> Result<CycleBody, CliError> {
    // An invalid configuration is a usage error, reported before the store is opened.
    config.signal_specs().map_err(|error| CliError::usage(&error))?;
    existing(&config.store.path)?;
    let store = service::open_store(config).map_err(|error| CliError::from_error(&error))?;
    let mut scheduler = scheduler(&store, config).map_err(|error| CliError::usage(&error))?;
    let now = as_of(&store);
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

/// Returns a progress bar, hidden unless stderr is a terminal.
fn bar(global: &Global) -> ProgressBar {
    let bar = ProgressBar::no_length();
    if !global.shows_progress() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
        return bar;
    }
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {wide_msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
