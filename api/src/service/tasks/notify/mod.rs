//! Notices for callers: one task finds what is new, and one for each webhook delivers it.

mod collect;
mod deliver;
mod envelope;

use tokio::task::JoinSet;

use super::super::schedule::kept_running;
use crate::http::AppState;

/// Starts the tasks in `background`.
pub(super) fn start(state: &AppState, background: &mut JoinSet<()>) {
    let collecting = state.clone();
    background.spawn(kept_running(state.clone(), "notices", move || collect::run(collecting.clone())));
    for webhook in state.config.webhooks.clone() {
        let delivering = state.clone();
        background
            .spawn(kept_running(state.clone(), "webhook", move || deliver::run(delivering.clone(), webhook.clone())));
    }
}
