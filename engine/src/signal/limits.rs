//! Limits of one evaluation, and its cancellation from another thread.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::{Arena, Counts, Notes, SignalError};

/// Cancels a running evaluation from another thread. Clones share one flag.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Cancels every evaluation that has a clone; it returns [`SignalError::Cancelled`].
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether [`Self::cancel`] was called.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Returns [`SignalError::Cancelled`] after a cancellation.
    pub(super) fn check(&self) -> Result<(), SignalError> {
        if self.is_cancelled() { Err(SignalError::Cancelled) } else { Ok(()) }
    }
}

/// Limits and settings of one evaluation, and what it reports. The defaults are those of Prometheus.
#[derive(Debug, Clone)]
pub struct EvalLimits {
    /// Maximum number of samples of all selectors together, of one intermediate result, and of the result. A range
    /// query that needs more in memory is evaluated in parts.
    pub max_samples: usize,
    /// Number of samples above which a range query reads and computes its steps in parts, if its ranges are not much longer
    /// than that. It takes longer than at once.
    pub range_samples: usize,
    /// Number of values of an operand above which a reduction of many series, such as a sum, computes them in parts.
    pub part_values: usize,
    /// Maximum number of steps of a range query.
    pub max_steps: usize,
    /// Look-back in milliseconds: a series without a newer sample has no value.
    pub lookback_ms: i64,
    /// Step of a subquery without one, in milliseconds.
    pub subquery_step_ms: i64,
    /// Flag by which the caller enforces a deadline.
    pub cancel: Cancel,
    /// Whether metric names are dropped from the result only, as with the feature `promql-delayed-name-removal`.
    pub delays_names: bool,
    /// Receives remarks about the result.
    pub notes: Notes,
    /// Receives the numbers of samples.
    pub counts: Counts,
    /// Holds the histograms of the evaluation.
    pub arena: Arena,
}

impl Default for EvalLimits {
    fn default() -> Self {
        Self {
            max_samples: 50_000_000,
            range_samples: usize::MAX,
            part_values: 1 << 18,
            max_steps: 11_000,
            lookback_ms: 300_000,
            subquery_step_ms: 60_000,
            cancel: Cancel::default(),
            delays_names: false,
            notes: Notes::default(),
            counts: Counts::default(),
            arena: Arena::default(),
        }
    }
}

impl EvalLimits {
    /// Returns the limits of work that nobody waits for: a range query has up to 4 million samples in memory at a time, 64 MB,
    /// where it can.
    #[must_use]
    pub fn background() -> Self {
        Self { range_samples: 4_000_000, ..Self::default() }
    }

    /// Returns the limits with an empty arena, which every evaluation has for itself.
    pub(super) fn for_one_evaluation(&self) -> Self {
        Self { arena: Arena::with_limit(self.max_samples), ..self.clone() }
    }

    /// Checks the size of an intermediate result of `cells` values, and the cancellation.
    pub(super) fn check_cells(&self, cells: usize) -> Result<(), SignalError> {
        self.cancel.check()?;
        let cells = cells.saturating_add(self.arena.weight());
        self.counts.peak(cells);
        if cells > self.max_samples { Err(SignalError::TooManySamples { limit: self.max_samples }) } else { Ok(()) }
    }
}
