//! The service's own work.

mod advise;
mod compact;
mod learn;
mod scrape;

use almanac_engine::advise::AdviceSpecs;
use tokio::task::JoinSet;

use super::schedule::{Task, keep_running};
use crate::http::AppState;

/// Starts all of it.
pub(super) fn start(state: &AppState, advice: AdviceSpecs, own_work: &mut JoinSet<()>) {
    let config = &state.config;
    let tasks = [compact::task(config), advise::task(config, advice), learn::task(config)];
    for task in tasks {
        own_work.spawn(keep_running(state.clone(), task));
    }
    scrape::start(state, own_work);
}
