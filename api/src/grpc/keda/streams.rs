//! The two streams of the external scaler. Both send at once when they open, and end when the service stops, so that KEDA
//! opens them again.

use std::time::Duration;

use futures::{Stream, stream};
use tonic::Status;

use super::{
    calls::{is_active, metric_spec},
    message::{GetMetricSpecResponse, IsActiveResponse},
};
use crate::{access::Permit, http::AppState};

/// Interval between checks whether a workload is still active.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Sends the metric, and stays open: a metric of a workload does not change.
pub(super) fn metric_specs(
    state: AppState,
    permit: Permit,
) -> impl Stream<Item = Result<GetMetricSpecResponse, Status>> + Send + 'static {
    stream::unfold((state, permit, false), |(state, permit, is_sent)| async move {
        if is_sent {
            state.stopping.cancelled().await;
            return None;
        }
        Some((Ok(metric_spec()), (state, permit, true)))
    })
}

/// State of a stream of activity.
struct Watched {
    state: AppState,
    name: String,
    _permit: Permit,
    /// What was sent last.
    sent: Option<bool>,
    is_first: bool,
}

/// Sends whether the workload is active: at once, and when it changes. While no number is valid nothing is sent.
pub(super) fn activity(
    state: AppState,
    name: String,
    permit: Permit,
) -> impl Stream<Item = Result<IsActiveResponse, Status>> + Send + 'static {
    let watched = Watched { state, name, _permit: permit, sent: None, is_first: true };
    stream::unfold(watched, |mut watched| async move {
        loop {
            if !std::mem::take(&mut watched.is_first) {
                tokio::select! {
                    () = watched.state.stopping.cancelled() => return None,
                    () = tokio::time::sleep(CHECK_INTERVAL) => {}
                }
            }
            match is_active(&watched.state, &watched.name).await {
                Ok(found) if watched.sent != Some(found.result) => {
                    watched.sent = Some(found.result);
                    return Some((Ok(found), watched));
                }
                Ok(_) | Err(_) => {}
            }
        }
    })
}
