//! A grid of evenly spaced instants, and one signal's values on it.

use almanac_models::{Step, Timestamp};

use super::{LearnError, SignalSpec};
use crate::{
    series::SampleSource,
    signal::{EvalLimits, parse, range_dense},
};

/// A grid of points `step` apart, both ends included, its points at multiples of the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grid {
    pub start_ms: i64,
    pub end_ms: i64,
    pub step_ms: i64,
}

impl Grid {
    /// The last `points` points up to `now`.
    pub(super) fn until(now: Timestamp, step: Step, points: usize) -> Self {
        let step_ms = step.millis();
        let end_ms = now.millis().div_euclid(step_ms) * step_ms;
        let back = i64::try_from(points.saturating_sub(1)).unwrap_or(i64::MAX).saturating_mul(step_ms);
        Self { start_ms: end_ms.saturating_sub(back), end_ms, step_ms }
    }

    /// The points after `last` up to `now`; `None` when there is none yet.
    pub(super) fn after(last: i64, now: Timestamp, step: Step) -> Option<Self> {
        let step_ms = step.millis();
        let end_ms = now.millis().div_euclid(step_ms) * step_ms;
        let start_ms = (last.div_euclid(step_ms) + 1).saturating_mul(step_ms);
        (start_ms <= end_ms).then_some(Self { start_ms, end_ms, step_ms })
    }

    /// Number of points.
    pub(super) fn len(self) -> usize {
        usize::try_from((self.end_ms - self.start_ms) / self.step_ms + 1).unwrap_or(usize::MAX)
    }
}

/// Evaluates a signal over a grid: one value a point, NaN where there is none. Gaps of up to `carry_points` points take
/// the value before them.
pub(super) fn evaluate(
    source: &dyn SampleSource,
    expr: &str,
    grid: Grid,
    carry_points: u32,
) -> Result<Vec<f64>, LearnError> {
    let query = parse(expr)?;
    let limits = EvalLimits { max_steps: grid.len().max(EvalLimits::default().max_steps), ..EvalLimits::default() };
    let mut dense = range_dense(source, &query, grid.start_ms, grid.end_ms, grid.step_ms, &limits)?;
    let mut values = match dense.series.len() {
        0 => vec![f64::NAN; grid.len()],
        1 => dense.series.remove(0).values,
        count => return Err(LearnError::SeveralSeries { count }),
    };
    carry_forward(&mut values, carry_points);
    Ok(values)
}

/// Fills at most `most` points after a value with that value; an infinite value is a missing one.
fn carry_forward(values: &mut [f64], most: u32) {
    let (mut last, mut left) = (f64::NAN, 0);
    for value in values {
        if value.is_finite() {
            (last, left) = (*value, most);
        } else if left > 0 {
            (*value, left) = (last, left - 1);
        } else {
            *value = f64::NAN;
        }
    }
}

/// Signals that share a step, so that they share a grid.
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
