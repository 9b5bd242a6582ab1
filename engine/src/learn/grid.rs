//! Evenly spaced evaluation times of a signal, and the values of a signal at them. Used by the learner and by `across`.

use almanac_models::{Step, Timestamp};

use super::{LearnError, SignalSpec};
use crate::{
    series::SampleSource,
    signal::{EvalLimits, parse, range_dense},
};

/// Evaluation times of a signal: multiples of `step_ms` from `start_ms` to `end_ms`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SignalGrid {
    pub start_ms: i64,
    pub end_ms: i64,
    pub step_ms: i64,
}

impl SignalGrid {
    /// Returns the last `points` times up to `now`.
    pub(super) fn until(now: Timestamp, step: Step, points: usize) -> Self {
        let step_ms = step.millis();
        let end_ms = now.millis().div_euclid(step_ms) * step_ms;
        let length_ms = i64::try_from(points.saturating_sub(1)).unwrap_or(i64::MAX).saturating_mul(step_ms);
        Self { start_ms: end_ms.saturating_sub(length_ms), end_ms, step_ms }
    }

    /// Returns the times after `last` (epoch milliseconds) up to `now`; `None` if there is none yet.
    pub(super) fn after(last: i64, now: Timestamp, step: Step) -> Option<Self> {
        let step_ms = step.millis();
        let end_ms = now.millis().div_euclid(step_ms) * step_ms;
        let start_ms = (last.div_euclid(step_ms) + 1).saturating_mul(step_ms);
        (start_ms <= end_ms).then_some(Self { start_ms, end_ms, step_ms })
    }

    /// Returns the number of times.
    pub(super) fn len(self) -> usize {
        usize::try_from((self.end_ms - self.start_ms) / self.step_ms + 1).unwrap_or(usize::MAX)
    }
}

/// Evaluates the expression of a signal: one value for each time of the grid, NaN where the series has no value.
///
/// The last value is carried forward into a gap for at most `carry_points` points.
///
/// # Errors
/// [`LearnError::Signal`], [`LearnError::SeveralSeries`].
pub(super) fn evaluate(
    source: &dyn SampleSource,
    expr: &str,
    grid: SignalGrid,
    carry_points: u32,
) -> Result<Vec<f64>, LearnError> {
    let query = parse(expr)?;
    // The history of a fit may be longer than the default limit of a range query.
    let limits = EvalLimits::background();
    let limits = EvalLimits { max_steps: grid.len().max(limits.max_steps), ..limits };
    let mut dense = range_dense(source, &query, grid.start_ms, grid.end_ms, grid.step_ms, &limits)?;
    let mut values = match dense.series.len() {
        0 => vec![f64::NAN; grid.len()],
        1 => dense.series.remove(0).values,
        count => return Err(LearnError::SeveralSeries { count }),
    };
    carry_forward(&mut values, carry_points);
    Ok(values)
}

/// Fills at most `max_points` points after each finite value with it. Infinite values count as missing.
fn carry_forward(values: &mut [f64], max_points: u32) {
    let (mut last, mut left) = (f64::NAN, 0);
    for value in values {
        if value.is_finite() {
            (last, left) = (*value, max_points);
        } else if left > 0 {
            (*value, left) = (last, left - 1);
        } else {
            *value = f64::NAN;
        }
    }
}

/// Groups signals by step, because signals with the same step share a grid.
pub(super) fn by_step<'a>(specs: &[&'a SignalSpec]) -> Vec<(Step, Vec<&'a SignalSpec>)> {
    let mut groups: Vec<(Step, Vec<&SignalSpec>)> = Vec::new();
    for spec in specs {
        match groups.iter_mut().find(|(step, _)| *step == spec.step) {
            Some((_, group)) => group.push(spec),
            None => groups.push((spec.step, vec![spec])),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_gaps_are_filled() {
        let nan = f64::NAN;
        let mut values = [nan, 1.0, nan, nan, nan, 2.0, f64::INFINITY, 3.0, nan];
        carry_forward(&mut values, 2);
        let filled: Vec<Option<f64>> = values.iter().map(|v| v.is_finite().then_some(*v)).collect();
        let expected = [None, Some(1.0), Some(1.0), Some(1.0), None, Some(2.0), Some(2.0), Some(3.0), Some(3.0)];
        assert_eq!(filled, expected);
        let mut values = [1.0, nan];
        carry_forward(&mut values, 0);
        assert!(values[1].is_nan());
    }
}
