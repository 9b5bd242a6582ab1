//! `almanac learn`: fits every due signal now.

use std::{io::Write, time::Duration};

use almanac_engine::learn::{Learner, default_signals};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{CliError, Global, StoreArgs, compact::existing, output};
use crate::{
    http::now,
    service::{self, together},
};

/// Options of `learn`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// Runs the command.
///
/// # Errors
/// A failure when there is no store, or it is in use, or the work fails.
pub fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let config = args.store.config()?;
    let configured = config.signal_specs().map_err(|error| CliError::usage(&error))?;
    existing(&config.store.path)?;
    let store = service::open_store(&config).map_err(|error| CliError::from_error(&error))?;
    let now = now();
    let chosen =
        default_signals(&store, now, config.learn.default_signals).map_err(|error| CliError::from_error(&error))?;
    let specs = together(&configured, &chosen);
    let bar = bar(global);
    let mut learner = Learner::new(store.clone(), config.learn_options());
    let report = learner
        .learn_due(&specs, now, &|progress| {
            bar.set_length(progress.total as u64);
            bar.set_position(progress.done as u64);
            bar.set_message(progress.signal);
        })
        .map_err(|error| CliError::from_error(&error))?;
    bar.finish_and_clear();
    let scores = learner.score_new(now).map_err(|error| CliError::from_error(&error))?;
    store.close().map_err(|error| CliError::from_error(&error))?;
    for (signal, reason) in report.failed.iter().chain(&scores.failed) {
        eprintln!("almanac: {signal}: {reason}");
    }
    let mut out = output::stdout();
    writeln!(
        out,
        "learned: {} signals fitted, {} lack values, {} failed, {} not due; {} new values scored, {} anomalies",
        report.fitted,
        report.waiting,
        report.failed.len(),
        report.current,
        scores.values,
        scores.anomalies
    )?;
    out.flush()?;
    Ok(())
}

/// A bar on stderr when that is a terminal, otherwise one that draws nothing.
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
