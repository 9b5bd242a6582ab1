//! Who runs fits: threads of this process by default, another executor where one is brought.

use super::{FitError, FitJob, FitResult, run_pool};

/// Runs fits.
///
/// Jobs and results are plain data with serde, so that an executor may send them to another process.
pub trait FitExecutor: std::fmt::Debug + Send + Sync {
    /// Runs every job; `done` gets the index and the outcome of each, on the caller's thread, in any order, once a job.
    fn execute(&self, jobs: &[FitJob], done: &mut dyn FnMut(usize, Result<FitResult, FitError>));
}

/// Runs fits on threads of this process.
#[derive(Debug, Clone, Copy)]
pub struct ThreadExecutor {
    threads: usize,
}

impl ThreadExecutor {
    /// At most `threads` fits at the same time; at least one.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self { threads: threads.max(1) }
    }
}

impl FitExecutor for ThreadExecutor {
    fn execute(&self, jobs: &[FitJob], done: &mut dyn FnMut(usize, Result<FitResult, FitError>)) {
        run_pool(self.threads, jobs, FitJob::run, |idx, outcome| {
            done(idx, outcome.unwrap_or_else(|| Err(FitError::Lost { signal: jobs[idx].spec.name.clone() })));
        });
    }
}
