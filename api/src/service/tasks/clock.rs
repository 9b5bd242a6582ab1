//! The task `clock`: looks at the clock once a second, so that a leap between two runs of other tasks is noticed.

use std::time::Duration;

use crate::http::AppState;

/// Interval between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// Watches the clock until the service shuts down.
pub(super) async fn watch(state: AppState) {
    let mut has_leapt = false;
    loop {
        match state.steady_now() {
            Err(leap) => {
                state.metrics.clock_leapt(leap.by_ms);
                if !has_leapt {
                    let seconds = leap.by_ms / 1000;
                    tracing::error!(
                        seconds,
                        "the system's clock leapt; retention, learning and advice wait until it is back or has settled"
                    );
                }
                has_leapt = true;
            }
            Ok(now) => {
                if has_leapt {
                    tracing::info!(?now, "the system's clock has settled");
                }
                has_leapt = false;
                state.metrics.clock_leapt(0);
            }
        }
        tokio::select! {
            () = state.stopping.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}
