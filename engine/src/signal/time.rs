//! Which time a selector looks at: `@`, `offset`, and the start and end of the whole query.

use super::{EvalLimits, frame::Grid};

/// A fixed time in place of the evaluation time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// The start of the whole query.
    Start,
    /// The end of the whole query.
    End,
    /// Epoch milliseconds.
    Time(i64),
}

/// Which time a selector or subquery looks at: `@`, then `offset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct TimeShift {
    pub(super) at: Option<At>,
    /// Milliseconds into the past; negative into the future.
    pub(super) offset_ms: i64,
}

/// The times that hold for one whole query.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    /// Start of the whole query, which `@ start()` names.
    pub(super) start_ms: i64,
    /// End of the whole query, which `@ end()` names.
    pub(super) end_ms: i64,
    pub(super) lookback_ms: i64,
    pub(super) subquery_step_ms: i64,
}

impl Clock {
    pub(super) fn new(grid: &Grid, limits: &EvalLimits) -> Self {
        Self {
            start_ms: grid.start_ms,
            end_ms: grid.last(),
            lookback_ms: limits.lookback_ms,
            subquery_step_ms: limits.subquery_step_ms,
        }
    }

    /// The time that a selector looks at when the expression is evaluated at `time_ms`.
    pub(super) fn shifted(&self, shift: TimeShift, time_ms: i64) -> i64 {
        let time_ms = match shift.at {
            None => time_ms,
            Some(At::Start) => self.start_ms,
            Some(At::End) => self.end_ms,
            Some(At::Time(fixed_ms)) => fixed_ms,
        };
        time_ms.saturating_sub(shift.offset_ms)
    }
}
