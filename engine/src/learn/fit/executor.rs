//! Executors of fits: the trait, and the default that uses threads of this process.

use super::{FitError, FitJob, FitResult, run_pool};

/// Runs fits.
///
/// Jobs and results are serialisable, so that an executor can send them to another process.
pub trait FitExecutor: std::fmt::Debug + Send + Sync {
    /// Runs every job and calls `done` once for each, with its index and its outcome, on the caller's thread and in any
    /// order.
    fn execute(&self, jobs: &[FitJob], done: &mut dyn FnMut(usize, Result<FitResult, FitError>));
}

/// Runs fits on threads of this process.
#[derive(Debug, Clone, Copy)]
pub struct ThreadExecutor {
    threads: usize,
}

impl ThreadExecutor {
    /// Creates an executor that runs at most `threads` fits at the same time, at least one.
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
