//! Runs one background task on schedule, on a thread that may block; failures are logged and counted, and a task that
//! ends by a panic is started again.

use std::{
    any::Any,
    error::Error,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use almanac_models::Timestamp;
use futures::FutureExt;
use parking_lot::Mutex;

use crate::{chain, http::AppState};

/// Error of a run; logged, never fatal.
pub(super) type TaskError = Box<dyn Error + Send + Sync>;

/// The function that performs one run at a time that is certain.
pub(super) type Work = Box<dyn FnMut(&AppState, Timestamp) -> Result<(), TaskError> + Send>;

/// Time after a panic until the task is started again; it doubles up to the longest.
const RESTART_FIRST: Duration = Duration::from_secs(1);
const RESTART_LONGEST: Duration = Duration::from_secs(60);
/// Time until the next attempt of a run while the clock is in doubt.
const LEAP_WAIT: Duration = Duration::from_secs(5);

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

/// Runs what `start` returns until it ends or the service shuts down; starts it again after a panic.
pub(super) async fn kept_running<F: Future<Output = ()>>(
    state: AppState,
    name: &'static str,
    mut start: impl FnMut() -> F,
) {
    let mut wait = RESTART_FIRST;
    loop {
        let started = Instant::now();
        let Err(panic) = AssertUnwindSafe(start()).catch_unwind().await else { return };
        state.metrics.task_panicked(name);
        tracing::error!(task = name, reason = reason(panic.as_ref()), "task ended by a panic; it is started again");
        if started.elapsed() > RESTART_LONGEST {
            wait = RESTART_FIRST;
        }
        tokio::select! {
            () = state.stopping.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = (wait * 2).min(RESTART_LONGEST);
    }
}

/// Returns the message of a panic.
fn reason(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// Runs a task on its schedule until the service shuts down.
pub(super) async fn run_on_schedule(state: AppState, task: Task) {
    let Task { name, first, every, work } = task;
    // Kept outside of the loop that may panic.
    let work = Arc::new(Mutex::new(work));
    let mut wait = first;
    kept_running(state.clone(), name, move || {
        let (state, work) = (state.clone(), Arc::clone(&work));
        let first = std::mem::replace(&mut wait, every);
        run_until_stopped(state, name, first, every, work)
    })
    .await;
}

async fn run_until_stopped(
    state: AppState,
    name: &'static str,
    first: Duration,
    every: Duration,
    work: Arc<Mutex<Work>>,
) {
    let mut wait = first;
    loop {
        tokio::select! {
            () = state.stopping.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        let now = match state.steady_now() {
            Ok(now) => now,
            Err(_) => {
                wait = LEAP_WAIT.min(every);
                continue;
            }
        };
        wait = every;
        let (started, shared, work) = (Instant::now(), state.clone(), Arc::clone(&work));
        let run = tokio::task::spawn_blocking(move || {
            // The next run starts from the state that a panic left.
            catch_unwind(AssertUnwindSafe(|| (work.lock())(&shared, now)))
        });
        // An error: the runtime is shutting down, since a panic was caught above.
        let Ok(result) = run.await else { return };
        let seconds = started.elapsed().as_secs_f64();
        match &result {
            Ok(Ok(())) => tracing::debug!(task = name, seconds, "task done"),
            Ok(Err(error)) if !state.stopping.is_cancelled() => {
                tracing::warn!(task = name, seconds, error = %chain(error.as_ref()), "task failed; it runs again on schedule");
            }
            // Errors during the shutdown are expected.
            Ok(Err(_)) => {}
            Err(panic) => {
                state.metrics.task_panicked(name);
                let reason = reason(panic.as_ref());
                tracing::error!(task = name, seconds, reason, "task panicked; it runs again on schedule");
            }
        }
        state.metrics.task(name, seconds, !matches!(result, Ok(Ok(()))));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

    use almanac_engine::store::{Store, StoreOptions};

    use super::*;
    use crate::{
        config::Config,
        http::{Clock, now},
    };

    /// Returns the state of a service on a new store.
    fn state(folder: &tempfile::TempDir) -> AppState {
        let store = Store::open(&folder.path().join("a.duckdb"), StoreOptions::default()).unwrap();
        AppState::new(store, Config::default()).unwrap()
    }

    #[tokio::test]
    async fn what_ends_by_a_panic_is_started_again() {
        let folder = tempfile::tempdir().unwrap();
        let starts = AtomicU32::new(0);
        kept_running(state(&folder), "test", || {
            let n = starts.fetch_add(1, Ordering::SeqCst);
            async move { assert!(n >= 1, "start {n}") }
        })
        .await;
        assert_eq!(starts.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn nothing_runs_while_the_clock_is_a_month_fast() {
        let folder = tempfile::tempdir().unwrap();
        let ahead_ms = Arc::new(AtomicI64::new(0));
        let offset = Arc::clone(&ahead_ms);
        let clock = Clock::from_fn(move || now().plus_millis(offset.load(Ordering::SeqCst)));
        let state = AppState { clock, ..state(&folder) };
        assert!(state.steady_now().is_ok());
        ahead_ms.store(30 * 86_400_000, Ordering::SeqCst);
        let latest = now().plus_millis(86_400_000);
        let (stopping, clock_is_back) = (state.stopping.clone(), Arc::clone(&ahead_ms));
        let every = Duration::from_millis(1);
        let work: Work = Box::new(move |_, now| {
            assert!(now < latest, "the run has the wrong time");
            assert_eq!(clock_is_back.load(Ordering::SeqCst), 0, "a run while the clock was fast");
            stopping.cancel();
            Ok(())
        });
        let back = Arc::clone(&ahead_ms);
        let task = run_on_schedule(state.clone(), Task { name: "test", first: every, every, work });
        let restore = async {
            // Many attempts fall into this time.
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert!(state.steady_now().is_err());
            back.store(0, Ordering::SeqCst);
        };
        tokio::join!(task, restore);
        assert!(state.stopping.is_cancelled());
    }

    #[tokio::test]
    async fn a_run_that_panics_is_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let state = state(&folder);
        let (stopping, mut runs) = (state.stopping.clone(), 0);
        let every = Duration::from_millis(1);
        let work: Work = Box::new(move |_, _| {
            runs += 1;
            if runs == 3 {
                stopping.cancel();
            }
            assert!(runs >= 3, "run {runs}");
            Ok(())
        });
        run_on_schedule(state.clone(), Task { name: "test", first: every, every, work }).await;
        assert!(state.stopping.is_cancelled());
    }
}
