//! The service's own work.

mod advise;
mod compact;
mod learn;
mod scrape;

use almanac_engine::advise::AdviceSpecs;
use tokio::task::JoinSet;

use super::schedule::{Task, keep_running};
use crate::http::AppState;

pub(crate) use learn::together;

/// Starts all of it.
pub(super) fn start(state: &AppState, advice: AdviceSpecs, own_work: &mut JoinSet<()>) {
    let mut tasks = vec![compact::task(&state.config), advise::task(&state.config, advice)];
    match learn::task(&state.config) {
        Ok(task) => tasks.push(task),
        Err(error) => tracing::error!(%error, "a signal of the configuration is out of range: nothing is learned"),
    }
    for task in tasks {
        own_work.spawn(keep_running(state.clone(), task));
    }
    scrape::start(state, own_work);
}
