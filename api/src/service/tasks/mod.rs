//! The service's background tasks.

mod advise;
mod compact;
mod learn;
mod scrape;

use almanac_engine::advise::{AdviceSpecs, Verdict};
use tokio::task::JoinSet;

use super::schedule::{Task, keep_running};
use crate::http::AppState;

/// What the service advises on.
#[derive(Debug, Default)]
pub struct Advised {
    /// What the advisors are asked about.
    pub specs: AdviceSpecs,
    /// Verdicts on targets that no advisor can be asked about.
    pub others: Vec<Verdict>,
}

/// Starts all of it.
pub(super) fn start(state: &AppState, advice: Advised, own_work: &mut JoinSet<()>) {
    let config = &state.config;
    let tasks = [compact::task(config), advise::task(config, advice.specs, advice.others), learn::task(config)];
    for task in tasks {
        own_work.spawn(keep_running(state.clone(), task));
    }
    scrape::start(state, own_work);
}
