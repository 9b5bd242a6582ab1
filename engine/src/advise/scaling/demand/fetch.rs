use almanac_models::Timestamp;

use super::{DemandHistory, ScalingError, WorkloadSpec};
use crate::{
    signal::{self, EvalLimits},
    store::Store,
};

/// What is known of a workload: its demand, and replicas and CPU at the same instants where they are had.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkloadHistory {
    /// The workload's own demand at every step.
    pub demand: DemandHistory,
    /// Demand for each further resource at every step of the demand, in the order of the specification; NaN where unknown.
    pub resources: Vec<Vec<f64>>,
    /// Replicas ready at every step of the demand; NaN where unknown.
    pub replicas: Option<Vec<f64>>,
    /// Mean CPU use of a replica, as a share of its limit, at every step of the demand; NaN where unknown.
    pub cpu: Option<Vec<f64>>,
    /// Time that an answer takes at every step of the demand; NaN where unknown.
    pub latency: Option<Vec<f64>>,
}

/// Reads the history of a workload up to `now`.
///
/// Steps lie on multiples of the step, so that two readings agree where they overlap. The history begins with
/// the first demand there is, for whichever resource; steps without one are missing values.
///
/// # Errors
/// [`ScalingError::Signal`], [`ScalingError::NotOneSeries`], [`ScalingError::TooShort`].
pub fn fetch(store: &Store, spec: &WorkloadSpec, now: Timestamp) -> Result<WorkloadHistory, ScalingError> {
    let points = |expr: &str| one_series(store, expr, spec.step_ms, spec.history_ms, now);
    let demand = points(&spec.demand)?;
    let others = spec.resources.iter().map(|resource| points(&resource.demand));
    let others = others.collect::<Result<Vec<_>, _>>()?;
    let all = || others.iter().chain([&demand]);
    let first = all().filter_map(|points| points.first()).map(|point| point.0).min();
    let last = all().filter_map(|points| points.last()).map(|point| point.0).max();
    let Some((first_ms, last_ms)) = first.zip(last) else {
        return Err(ScalingError::TooShort { points: 0, needed: 2 });
    };
    let timestamps = grid(first_ms, last_ms, spec.step_ms);
    let values = align(&demand, &timestamps);
    let resources = others.iter().map(|points| usable(points, &timestamps)).collect();
    let beside = |expr: &Option<String>| -> Result<Option<Vec<f64>>, ScalingError> {
        let Some(expr) = expr else { return Ok(None) };
        Ok(Some(align(&points(expr)?, &timestamps)))
    };
    Ok(WorkloadHistory {
        replicas: beside(&spec.replicas)?,
        cpu: beside(&spec.cpu)?,
        latency: beside(&spec.latency)?,
        resources,
        demand: DemandHistory::try_new(timestamps, values)?,
    })
}

/// What an expression gives over a history up to `now`, from its first value to its last; none with fewer than two steps.
///
/// # Errors
/// As [`fetch`].
pub(in crate::advise) fn one_history(
    store: &Store,
    expr: &str,
    step_ms: i64,
    history_ms: i64,
    now: Timestamp,
) -> Result<Option<DemandHistory>, ScalingError> {
    let points = one_series(store, expr, step_ms, history_ms, now)?;
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Ok(None) };
    let timestamps = grid(first.0, last.0, step_ms);
    if timestamps.len() < 2 {
        return Ok(None);
    }
    let values = align(&points, &timestamps);
    DemandHistory::try_new(timestamps, values).map(Some)
}

fn grid(first_ms: i64, last_ms: i64, step_ms: i64) -> Vec<i64> {
    let step_ms = step_ms.max(1);
    std::iter::successors(Some(first_ms), |at_ms| Some(at_ms + step_ms)).take_while(|at_ms| *at_ms <= last_ms).collect()
}

/// The values at `timestamps`; below zero or without bound is a fault of the expression at that instant: missing.
fn usable(points: &[(i64, f64)], timestamps: &[i64]) -> Vec<f64> {
    let usable = |value: f64| if value >= 0.0 && value.is_finite() { value } else { f64::NAN };
    align(points, timestamps).into_iter().map(usable).collect()
}

/// The points that an expression gives over a history up to `now`, at multiples of the step; none when it gives nothing.
///
/// # Errors
/// [`ScalingError::Signal`], [`ScalingError::NotOneSeries`].
fn one_series(
    store: &Store,
    expr: &str,
    step_ms: i64,
    history_ms: i64,
    now: Timestamp,
) -> Result<Vec<(i64, f64)>, ScalingError> {
    let failed = |source| ScalingError::Signal { expr: expr.to_owned(), source };
    let query = signal::parse(expr).map_err(failed)?;
    let step_ms = step_ms.max(1);
    let end_ms = now.millis().div_euclid(step_ms) * step_ms;
    let start_ms = end_ms - (history_ms / step_ms) * step_ms;
    let max_steps = usize::try_from(history_ms / step_ms).unwrap_or(usize::MAX).saturating_add(1);
    let limits = EvalLimits { max_steps, ..EvalLimits::default() };
    let series = signal::range(store, &query, start_ms, end_ms, step_ms, &limits).map_err(failed)?;
    match series.as_slice() {
        [] => Ok(Vec::new()),
        [one] => Ok(one.timestamps.iter().copied().zip(one.values.iter().copied()).collect()),
        many => Err(ScalingError::NotOneSeries { expr: expr.to_owned(), series: many.len() }),
    }
}

/// The value that an expression has at `now`; none when it gives nothing.
///
/// # Errors
/// As [`one_series`].
pub(in crate::advise) fn one_value(store: &Store, expr: &str, now: Timestamp) -> Result<Option<f64>, ScalingError> {
    let failed = |source| ScalingError::Signal { expr: expr.to_owned(), source };
    let query = signal::parse(expr).map_err(failed)?;
    let values = match signal::instant(store, &query, now.millis(), &EvalLimits::default()).map_err(failed)? {
        signal::Value::Scalar(value) => vec![value],
        signal::Value::Vector(samples) => samples.into_iter().map(|sample| sample.value).collect(),
        signal::Value::Matrix(_) | signal::Value::String(_) => Vec::new(),
    };
    match values.as_slice() {
        [] => Ok(None),
        [value] => Ok(Some(*value)),
        many => Err(ScalingError::NotOneSeries { expr: expr.to_owned(), series: many.len() }),
    }
}

/// The values at `timestamps`; NaN where there is none.
fn align(points: &[(i64, f64)], timestamps: &[i64]) -> Vec<f64> {
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
