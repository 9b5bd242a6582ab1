use super::{EvalLimits, Query, RangeSeries, SignalError, Value};
use crate::series::SampleSource;

/// Evaluates an expression at one time, in epoch milliseconds.
///
/// # Errors
/// [`SignalError`]: limits passed, ambiguous matching, the source failed.
pub fn instant(
    source: &dyn SampleSource,
    query: &Query,
    time_ms: i64,
    limits: &EvalLimits,
) -> Result<Value, SignalError> {
    let _ = (source, query, time_ms, limits);
    Err(SignalError::Unsupported { what: "evaluation (not yet built)".to_owned() })
}

/// Evaluates an expression at every step from `start_ms` to at most `end_ms`.
///
/// # Errors
/// [`SignalError`]: limits passed, ambiguous matching, the source failed.
pub fn range(
    source: &dyn SampleSource,
    query: &Query,
    start_ms: i64,
    end_ms: i64,
    step_ms: i64,
    limits: &EvalLimits,
) -> Result<Vec<RangeSeries>, SignalError> {
    let _ = (source, query, start_ms, end_ms, step_ms, limits);
    Err(SignalError::Unsupported { what: "evaluation (not yet built)".to_owned() })
}
