//! What one evaluation may cost, and how its caller stops it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::SignalError;

/// Stops a running evaluation from another thread; clones share one switch.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Makes every evaluation that holds a clone end with [`SignalError::Cancelled`].
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether [`Self::cancel`] was called.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn check(&self) -> Result<(), SignalError> {
        if self.is_cancelled() { Err(SignalError::Cancelled) } else { Ok(()) }
    }
}

/// What one evaluation may cost; the defaults are Prometheus'.
#[derive(Debug, Clone)]
pub struct EvalLimits {
    /// Samples that all selectors together may hold in memory at one time, that one intermediate result
    /// may hold, and that an answer may have. A range query that needs more is evaluated in parts.
    pub max_samples: usize,
    /// Steps of a range query.
    pub max_steps: usize,
    /// How old the newest sample of a series may be before the series counts as gone, in milliseconds.
    pub lookback_ms: i64,
    /// The step of a subquery that names none, in milliseconds.
    pub subquery_step_ms: i64,
    /// The switch by which the caller enforces a deadline.
    pub cancel: Cancel,
}

impl Default for EvalLimits {
    fn default() -> Self {
        Self {
            max_samples: 50_000_000,
            max_steps: 11_000,
            lookback_ms: 300_000,
            subquery_step_ms: 60_000,
            cancel: Cancel::default(),
        }
    }
}

impl EvalLimits {
    /// Whether an intermediate result may hold `cells` values, and the evaluation may go on.
    pub(super) fn check_cells(&self, cells: usize) -> Result<(), SignalError> {
        self.cancel.check()?;
        if cells > self.max_samples { Err(SignalError::TooManySamples { limit: self.max_samples }) } else { Ok(()) }
    }
}
