use std::{
    error::Error,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use crate::{chain, http::AppState};

/// What a run of a task may fail with; logged, never fatal.
pub(super) type TaskError = Box<dyn Error + Send + Sync>;

/// One run of a task.
pub(super) type Work = Box<dyn FnMut(&AppState) -> Result<(), TaskError> + Send>;

/// Work of the service's own, done again and again on a thread that may block.
pub(super) struct Task {
    /// Its name in logs and metrics.
    pub(super) name: &'static str,
    /// Time from the start of the service to the first run.
    pub(super) first: Duration,
    /// Time from the end of one run to the start of the next.
    pub(super) every: Duration,
    /// One run.
    pub(super) work: Work,
}

/// Runs a task until the service ends.
pub(super) async fn keep_running(state: AppState, mut task: Task) {
    let mut wait = task.first;
    loop {
        tokio::select! {
            () = state.stopping.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = task.every;
        let (started, shared) = (Instant::now(), state.clone());
        let run = tokio::task::spawn_blocking(move || {
            // A panic is a failed run like any other; the next one begins with whatever the last one left.
            let result = catch_unwind(AssertUnwindSafe(|| (task.work)(&shared)));
            (task, result)
        });
        let (back, result) = match run.await {
            Ok(ended) => ended,
            // Only at the runtime's end.
            Err(_) => return,
        };
        task = back;
        let (seconds, name) = (started.elapsed().as_secs_f64(), task.name);
        match &result {
            Ok(Ok(())) => tracing::debug!(task = name, seconds, "done"),
            Ok(Err(error)) if !state.stopping.is_cancelled() => {
                tracing::warn!(task = name, seconds, error = %chain(error.as_ref()), "failed; it will be tried again");
            }
            Ok(Err(_)) => {}
            Err(_) => tracing::error!(task = name, seconds, "panicked; it will be tried again"),
        }
        state.metrics.task(name, seconds, !matches!(result, Ok(Ok(()))));
    }
}
