//! Signals on one grid: evaluated, then laid side by side in one frame, short gaps carried forward.

use almanac_models::{Step, Timestamp};
use polars::prelude::{Column, DataFrame, DataFrameJoinOps, FillNullStrategy};

use super::{LearnError, SignalSpec};
use crate::{
    series::SampleSource,
    signal::{EvalLimits, parse, range},
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

    fn timestamps(self) -> Vec<i64> {
        let mut out = Vec::new();
        let mut at = self.start_ms;
        while at <= self.end_ms {
            out.push(at);
            at += self.step_ms;
        }
        out
    }
}

/// One signal's points: ascending timestamps in milliseconds, finite values.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Points {
    pub timestamps: Vec<i64>,
    pub values: Vec<f64>,
}

/// Evaluates a signal over a grid; steps without a finite value are left out.
pub(super) fn evaluate(source: &dyn SampleSource, expr: &str, grid: Grid) -> Result<Points, LearnError> {
    let query = parse(expr)?;
    let steps = usize::try_from((grid.end_ms - grid.start_ms) / grid.step_ms + 1).unwrap_or(usize::MAX);
    let limits = EvalLimits { max_steps: steps.max(EvalLimits::default().max_steps), ..EvalLimits::default() };
    let series = range(source, &query, grid.start_ms, grid.end_ms, grid.step_ms, &limits)?;
    if series.len() > 1 {
        return Err(LearnError::SeveralSeries { count: series.len() });
    }
    let mut points = Points::default();
    for one in series {
        for (t, v) in one.timestamps.into_iter().zip(one.values) {
            if v.is_finite() {
                points.timestamps.push(t);
                points.values.push(v);
            }
        }
    }
    Ok(points)
}

/// Lays signals of one grid side by side: a column a signal, a row a step from the grid's start, gaps of up to `carry`
/// steps filled with the value before, longer ones NaN.
pub(super) fn align(grid: Grid, signals: &[Points], carry: u32) -> Result<Vec<Vec<f64>>, LearnError> {
    let mut wide = DataFrame::new_infer_height(vec![Column::new("t".into(), grid.timestamps())])?;
    for (i, points) in signals.iter().enumerate() {
        let column = DataFrame::new_infer_height(vec![
            Column::new("t".into(), &points.timestamps),
            Column::new(format!("s{i}").into(), &points.values),
        ])?;
        wide = wide.left_join(&column, ["t"], ["t"])?;
    }
    if carry > 0 {
        wide = wide.fill_null(FillNullStrategy::Forward(Some(carry)))?;
    }
    (0..signals.len())
        .map(|i| {
            let column = wide.column(&format!("s{i}"))?.f64()?;
            Ok(column.iter().map(|v| v.unwrap_or(f64::NAN)).collect())
        })
        .collect()
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
