//! Evaluates an expression on the store, over a history or at one instant.

use almanac_models::Timestamp;

use super::{DemandHistory, HistoryError};
use crate::{
    signal::{self, EvalLimits},
    store::Store,
};

/// Evaluates an expression over a history up to `now`, from its first value to its last. None with fewer than two
/// steps.
///
/// Steps are multiples of `step_ms`, so that overlapping reads agree.
///
/// # Errors
/// [`HistoryError::Signal`], [`HistoryError::NotOneSeries`].
pub fn one_history(
    store: &Store,
    expr: &str,
    step_ms: i64,
    history_ms: i64,
    now: Timestamp,
) -> Result<Option<DemandHistory>, HistoryError> {
    let points = one_series(store, expr, step_ms, history_ms, now)?;
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Ok(None) };
    let timestamps = grid(first.0, last.0, step_ms);
    if timestamps.len() < 2 {
        return Ok(None);
    }
    let values = align(&points, &timestamps);
    DemandHistory::try_new(timestamps, values).map(Some)
}

/// Evaluates an expression at `now`. None when the result is empty.
///
/// # Errors
/// As [`one_history`].
pub fn one_value(store: &Store, expr: &str, now: Timestamp) -> Result<Option<f64>, HistoryError> {
    let failed = |source| HistoryError::Signal { expr: expr.to_owned(), source };
    let query = signal::parse(expr).map_err(failed)?;
    let values = match signal::instant(store, &query, now.millis(), &EvalLimits::default()).map_err(failed)? {
        signal::Value::Scalar(value) => vec![value],
        signal::Value::Vector(samples) => {
            samples.into_iter().filter(|sample| sample.histogram.is_none()).map(|sample| sample.value).collect()
        }
        signal::Value::Matrix(_) | signal::Value::String(_) => Vec::new(),
    };
    match values.as_slice() {
        [] => Ok(None),
        [value] => Ok(Some(*value)),
        many => Err(HistoryError::NotOneSeries { expr: expr.to_owned(), series: many.len() }),
    }
}

/// Evaluates an expression over a history up to `now`, at multiples of `step_ms`: pairs of epoch milliseconds and
/// value. Empty when the result is empty.
///
/// # Errors
/// As [`one_history`].
pub(in crate::advise) fn one_series(
    store: &Store,
    expr: &str,
    step_ms: i64,
    history_ms: i64,
    now: Timestamp,
) -> Result<Vec<(i64, f64)>, HistoryError> {
    let failed = |source| HistoryError::Signal { expr: expr.to_owned(), source };
    let query = signal::parse(expr).map_err(failed)?;
    let step_ms = step_ms.max(1);
    let end_ms = now.millis().div_euclid(step_ms) * step_ms;
    let start_ms = end_ms - (history_ms / step_ms) * step_ms;
    let max_steps = usize::try_from(history_ms / step_ms).unwrap_or(usize::MAX).saturating_add(1);
    let limits = EvalLimits { max_steps, ..EvalLimits::background() };
    let mut series = signal::range(store, &query, start_ms, end_ms, step_ms, &limits).map_err(failed)?;
    // A history is one of numbers.
    series.retain(|one| !one.timestamps.is_empty());
    match series.as_slice() {
        [] => Ok(Vec::new()),
        [one] => Ok(one.timestamps.iter().copied().zip(one.values.iter().copied()).collect()),
        many => Err(HistoryError::NotOneSeries { expr: expr.to_owned(), series: many.len() }),
    }
}

/// Returns the instants from `first_ms` to `last_ms` at distance `step_ms`.
pub(in crate::advise) fn grid(first_ms: i64, last_ms: i64, step_ms: i64) -> Vec<i64> {
    let step_ms = step_ms.max(1);
    std::iter::successors(Some(first_ms), |at_ms| Some(at_ms + step_ms)).take_while(|at_ms| *at_ms <= last_ms).collect()
}

/// Returns the values at `timestamps`, NaN where there is none. A negative or infinite value is an error of the
/// expression at that instant and becomes NaN.
pub(in crate::advise) fn usable(points: &[(i64, f64)], timestamps: &[i64]) -> Vec<f64> {
    let usable = |value: f64| if value >= 0.0 && value.is_finite() { value } else { f64::NAN };
    align(points, timestamps).into_iter().map(usable).collect()
}

/// Returns the values at `timestamps`, NaN where there is none.
pub(in crate::advise) fn align(points: &[(i64, f64)], timestamps: &[i64]) -> Vec<f64> {
    let at = |timestamp: &i64| {
        let found = points.binary_search_by_key(timestamp, |&(at_ms, _)| at_ms);
        found.map_or(f64::NAN, |idx| points[idx].1)
    };
    timestamps.iter().map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::align;

    #[test]
    fn steps_without_a_point_are_missing() {
        let aligned = align(&[(10, 1.0), (30, 3.0)], &[0, 10, 20, 30]);
        assert_eq!(aligned.iter().map(|v| v.is_nan()).collect::<Vec<_>>(), [true, false, true, false]);
        assert_eq!((aligned[1], aligned[3]), (1.0, 3.0));
    }
}
