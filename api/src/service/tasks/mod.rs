//! The service's own work.

mod compact;
mod scrape;

use tokio::task::JoinSet;

use super::schedule::{Task, TaskError, keep_running};
use crate::http::AppState;

/// Starts all of it.
pub(super) fn start(state: &AppState, own_work: &mut JoinSet<()>) {
    scrape::start(state, own_work);
    for task in [compact::task(&state.config)] {
        own_work.spawn(keep_running(state.clone(), task));
    }
}
