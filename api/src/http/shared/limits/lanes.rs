//! Lanes: each kind of work has its own bounded number of threads, so that light requests do not wait for heavy ones.

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::ApiError;

/// The kind of a request's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Replicas for autoscalers, readiness, and the service's own metrics.
    Vital,
    /// Recommendations, and rows of small tables.
    Light,
    /// Labels and series by selectors, whose patterns may take seconds.
    Labels,
    /// Evaluations of expressions, and samples.
    Heavy,
    /// Samples and events from senders.
    Ingest,
    /// Bodies of imports that are written to disk.
    Spool,
    /// Imports of files.
    Import,
    /// Deletions.
    Delete,
    /// Backups.
    Backup,
    /// Compactions.
    Compact,
    /// Learning cycles.
    Learn,
}

impl Lane {
    const ALL: [Self; 11] = [
        Self::Vital,
        Self::Light,
        Self::Labels,
        Self::Heavy,
        Self::Ingest,
        Self::Spool,
        Self::Import,
        Self::Delete,
        Self::Backup,
        Self::Compact,
        Self::Learn,
    ];

    /// Returns how many requests work at once, and how long a further one waits.
    fn bounds(self, processors: usize) -> (usize, Duration) {
        let seconds = Duration::from_secs;
        match self {
            Self::Vital => (8, seconds(10)),
            Self::Light => (2 * processors.max(4), seconds(10)),
            Self::Labels => (processors.max(2), seconds(30)),
            // A dashboard evaluates some dozens of expressions one after the other.
            Self::Heavy => (processors.max(2), seconds(60)),
            Self::Ingest => (2 * processors.max(2), seconds(10)),
            Self::Spool => (8, seconds(0)),
            Self::Import => (2, seconds(60)),
            Self::Delete => (1, seconds(30)),
            Self::Backup | Self::Compact | Self::Learn => (1, seconds(0)),
        }
    }

    /// Returns the error for a request that found no place in time.
    fn busy(self) -> ApiError {
        let refused = |status, code, message: &str, retry_s| {
            ApiError::new(status, code, message).retry_after(Duration::from_secs(retry_s))
        };
        match self {
            Self::Ingest | Self::Spool | Self::Import => refused(
                StatusCode::TOO_MANY_REQUESTS,
                "busy",
                "the service takes no more data at the moment; repeat the request after the time in Retry-After",
                2,
            ),
            Self::Backup => refused(
                StatusCode::CONFLICT,
                "backup_running",
                "a backup that was requested before is still being made; repeat the request when it has ended",
                10,
            ),
            Self::Compact => refused(
                StatusCode::CONFLICT,
                "compaction_running",
                "a compaction that was requested before is still running; repeat the request when it has ended",
                10,
            ),
            Self::Learn => refused(
                StatusCode::CONFLICT,
                "cycle_running",
                "a learning cycle that was requested before is still running; repeat the request when it has ended",
                10,
            ),
            Self::Vital | Self::Light | Self::Labels | Self::Heavy | Self::Delete => refused(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "too many requests are waiting; repeat the request after the time in Retry-After",
                2,
            ),
        }
    }
}

/// The lanes of a service. Clones share them.
#[derive(Debug, Clone)]
pub struct Lanes(Arc<Vec<LaneState>>);

#[derive(Debug)]
struct LaneState {
    places: Arc<Semaphore>,
    wait: Duration,
}

impl Default for Lanes {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        let lane = |lane: Lane| {
            let (places, wait) = lane.bounds(processors);
            LaneState { places: Arc::new(Semaphore::new(places)), wait }
        };
        Self(Arc::new(Lane::ALL.map(lane).into()))
    }
}

impl Lanes {
    /// Waits for a place in a lane; it is free again when the returned permit is dropped.
    ///
    /// # Errors
    /// 429, 503 or 409 when there is no place in time.
    pub async fn enter(&self, lane: Lane) -> Result<OwnedSemaphorePermit, ApiError> {
        let state = &self.0[lane as usize];
        let places = Arc::clone(&state.places);
        if state.wait.is_zero() {
            return places.try_acquire_owned().map_err(|_| lane.busy());
        }
        match tokio::time::timeout(state.wait, places.acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(lane.busy()),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_full_lane_does_not_affect_others() {
        let lanes = Lanes::default();
        let mut held = Vec::new();
        let (places, _) = Lane::Heavy.bounds(std::thread::available_parallelism().map_or(2, usize::from));
        for _ in 0..places {
            held.push(lanes.enter(Lane::Heavy).await.unwrap());
        }
        assert!(lanes.enter(Lane::Heavy).now_or_never().is_none(), "a further request waits");
        let error = Lane::Heavy.busy();
        assert_eq!((error.status(), error.code()), (StatusCode::SERVICE_UNAVAILABLE, "busy"));
        drop(lanes.enter(Lane::Vital).await.unwrap());
        drop(lanes.enter(Lane::Light).await.unwrap());
        held.pop();
        drop(lanes.enter(Lane::Heavy).await.unwrap());
    }

    #[tokio::test]
    async fn one_compaction_runs_at_a_time() {
        let lanes = Lanes::default();
        let running = lanes.enter(Lane::Compact).await.unwrap();
        let error = lanes.enter(Lane::Compact).await.unwrap_err();
        assert_eq!((error.status(), error.code()), (StatusCode::CONFLICT, "compaction_running"));
        drop(running);
        drop(lanes.enter(Lane::Compact).await.unwrap());
    }
}
