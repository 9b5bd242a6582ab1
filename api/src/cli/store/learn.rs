//! `almanac learn`: fits every due signal now.

use std::{io::Write, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::{
    Place, PlaceArgs, Remote,
    place::{as_of, existing},
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
    /// Store or service.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Runs the command.
///
/// # Errors
/// A failure when there is no store, or it is in use, or the work fails.
pub fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let bar = bar(global);
    let round = match args.place.place(global)? {
        Place::Service { url, token } => {
            bar.set_style(ProgressStyle::default_spinner());
            bar.set_message("the service learns");
            let answer = Remote::new(url, token)?.post_json("/v1/admin/learn", &json!({}), "application/json");
            bar.finish_and_clear();
            answer?.json()?
        }
        Place::Store(config) => learn_here(&config, &bar)?,
    };
    for failure in &round.failed {
        eprintln!("almanac: {}: {}", failure.signal, failure.reason);
    }
    let mut out = output::stdout();
    writeln!(out, "{}", words(&round))?;
    out.flush()?;
    Ok(())
}

fn learn_here(config: &Config, bar: &ProgressBar) -> Result<CycleBody, CliError> {
    // A wrong configuration is the caller's fault and said before the store is touched.
    config.signal_specs().map_err(|error| CliError::usage(&error))?;
    existing(&config.store.path)?;
    let store = service::open_store(config).map_err(|error| CliError::from_error(&error))?;
    let mut scheduler = scheduler(&store, config).map_err(|error| CliError::usage(&error))?;
    let now = as_of(&store);
    let round = scheduler.choose(now).and_then(|()| {
        scheduler.run_cycle(now, &|progress| {
            bar.set_length(progress.total as u64);
            bar.set_position(progress.done as u64);
            bar.set_message(progress.signal);
        })
    });
    bar.finish_and_clear();
    let closed = store.close().map_err(|error| CliError::from_error(&error));
    let round = round.map_err(|error| CliError::from_error(&error))?;
    closed?;
    Ok(round.into())
}

fn words(round: &CycleBody) -> String {
    format!(
        "learned: {} signals fitted, {} lack values, {} failed, {} not due; {} new values scored, {} anomalies",
        round.fitted,
        round.waiting,
        round.failed.len(),
        round.current,
        round.values,
        round.anomalies
    )
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
