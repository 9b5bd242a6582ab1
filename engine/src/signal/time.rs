//! The time at which a selector reads: the evaluation time, changed by `@` and `offset`.

use super::{EvalLimits, frame::StepGrid};

/// A fixed time (`@`) that replaces the evaluation time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// The start of the whole query.
    Start,
    /// The end of the whole query.
    End,
    /// Epoch milliseconds.
    Time(i64),
}

/// A modifier that changes how a selector reads at the ends of its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extension {
    /// The ends have the value of the newest sample at or before them.
    Anchored,
    /// The ends have values that are interpolated between neighbouring samples.
    Smoothed,
}

impl Extension {
    /// Returns the modifier as written.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Anchored => "anchored",
            Self::Smoothed => "smoothed",
        }
    }
}

/// The modifiers `@` and `offset` of a selector or subquery. `@` is applied first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct TimeShift {
    pub(super) at: Option<At>,
    /// Offset in milliseconds: positive into the past, negative into the future.
    pub(super) offset_ms: i64,
}

/// Times and intervals that are the same in all parts of a query.
#[derive(Debug, Clone, Copy)]
pub(super) struct QueryTimes {
    /// Start of the whole query, for `@ start()`.
    pub(super) start_ms: i64,
    /// End of the whole query, for `@ end()`.
    pub(super) end_ms: i64,
    pub(super) lookback_ms: i64,
    pub(super) subquery_step_ms: i64,
}

impl QueryTimes {
    pub(super) fn new(grid: &StepGrid, limits: &EvalLimits) -> Self {
        Self {
            start_ms: grid.start_ms,
            end_ms: grid.last(),
            lookback_ms: limits.lookback_ms,
            subquery_step_ms: limits.subquery_step_ms,
        }
    }

    /// Returns the time at which a selector reads if the expression is evaluated at `time_ms`.
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
