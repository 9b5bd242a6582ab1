//! The service's background tasks: compaction, advice, learning, rules, scraping and notices.

mod advise;
mod clock;
mod compact;
mod database;
mod learn;
mod notify;
mod rules;
mod scrape;
mod traces;

use almanac_engine::advise::{AdviceSpecs, Verdict};
use tokio::task::JoinSet;

use super::schedule::{Task, kept_running, run_on_schedule};
use crate::http::AppState;

/// What the service advises on.
#[derive(Debug, Default)]
pub struct Advised {
    /// Targets of the advisors.
    pub specs: AdviceSpecs,
    /// Verdicts on targets that no advisor can decide, such as rules that cannot be read.
    pub others: Vec<Verdict>,
}

/// Starts all background tasks in `background`.
pub(super) fn start(state: &AppState, advice: Advised, background: &mut JoinSet<()>) {
    let config = &state.config;
    let tasks = [compact::task(config), advise::task(config, advice.specs, advice.others), learn::task(config)];
    for task in tasks.into_iter().chain(traces::task(config)) {
        background.spawn(run_on_schedule(state.clone(), task));
    }
    let watched = state.clone();
    background.spawn(kept_running(state.clone(), "clock", move || clock::watch(watched.clone())));
    notify::start(state, background);
    if config.alerts.evaluate {
        let evaluated = state.clone();
        background.spawn(kept_running(state.clone(), "rules", move || rules::run(evaluated.clone())));
    }
    scrape::start(state, background);
    database::start(state, background);
}
