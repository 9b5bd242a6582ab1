//! Runs one background task on schedule, on a thread that may block; failures are logged and counted.

use std::{
    error::Error,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use crate::{chain, http::AppState};

/// Error of a run; logged, never fatal.
pub(super) type TaskError = Box<dyn Error + Send + Sync>;

/// The function that performs one run.
pub(super) type Work = Box<dyn FnMut(&AppState) -> Result<(), TaskError> + Send>;

/// A background task and its schedule.
pub(super) struct Task {
    /// Name in logs and metrics.
    pub(super) name: &'static str,
    /// Time from the start of the service to the first run.
    pub(super) first: Duration,
    /// Time from the end of one run to the start of the next.
    pub(super) every: Duration,
    /// Performs one run.
    pub(super) work: Work,
}

/// Runs a task on its schedule until the service shuts down.
pub(super) async fn run_on_schedule(state: AppState, mut task: Task) {
    let mut wait = task.first;
    loop {
        tokio::select! {
            () = state.stopping.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = task.every;
        let (started, shared) = (Instant::now(), state.clone());
        let run = tokio::task::spawn_blocking(move || {
            // A panic counts as a failed run; the next run starts from the state that it left.
            let result = catch_unwind(AssertUnwindSafe(|| (task.work)(&shared)));
            (task, result)
        });
        let (back, result) = match run.await {
            Ok(ended) => ended,
            // The runtime is shutting down: a panic was caught above.
            Err(_) => return,
        };
        task = back;
        let (seconds, name) = (started.elapsed().as_secs_f64(), task.name);
        match &result {
            Ok(Ok(())) => tracing::debug!(task = name, seconds, "task done"),
            Ok(Err(error)) if !state.stopping.is_cancelled() => {
                tracing::warn!(task = name, seconds, error = %chain(error.as_ref()), "task failed; it runs again on schedule");
            }
            // Errors during the shutdown are expected.
            Ok(Err(_)) => {}
            Err(_) => tracing::error!(task = name, seconds, "task panicked; it runs again on schedule"),
        }
        state.metrics.task(name, seconds, !matches!(result, Ok(Ok(()))));
    }
}
