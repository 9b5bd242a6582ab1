//! One fit of the default forecaster: rolling origins, base models, their weights and the predictive distribution.

use super::fitted::{Adjustments, Combined, FittedForecast};
use crate::Step;
use crate::forecast::Accuracy;
use crate::forecast::combine::{
    Combination, Ensemble, ExpertHistory, MemberSelection, OriginForecasts, OriginLayout, OriginOutcome, Periods,
    PhaseSpread, Predictive, RandomWalk, RefitMode, TransformedHistories, anchors, origins, roll,
};
use crate::forecast::prepare::{Support, naive_scale};

/// A series prepared for a fit.
pub(super) struct PreparedSeries<'a> {
    /// NaN where missing: errors are measured on observed values only.
    pub y: &'a [f64],
    /// `y` with its gaps filled.
    pub filled: &'a [f64],
    pub histories: &'a TransformedHistories,
    pub seasons: &'a [usize],
    /// Seasons, plus days and weeks that may be seasons.
    pub cycles: &'a [usize],
    pub support: Support,
}

impl PreparedSeries<'_> {
    /// Fits the series. `reported`: seasons to report; `adjustments`: what is applied on top of the fitted base.
    pub(super) fn fit(self, horizon: usize, reported: Vec<Step>, adjustments: Adjustments) -> FittedForecast {
        let n = self.histories.len();
        let cycle = self.cycle();
        let layout = layout(horizon.min(n / 4).max(1), cycle);
        // Two weeks of data leave no room for origins with a week held out: the next shorter season then sets them.
        // Without any origin, intervals would be those of a random walk, which is many times too wide.
        let lengths = self.seasons.iter().rev().copied().chain([0]);
        let at = lengths.map(|season| origins(n, season, layout)).find(|at| !at.is_empty()).unwrap_or_default();
        let periods = Periods { seasons: self.seasons, cycles: self.cycles, cycle };
        let (rolled, before) = roll(self.histories, &at, periods, layout, self.support);
        // Measure before the final fit: the ensemble of the last origin provides its initial smoothing weights.
        let ensemble = {
            let known = before.as_ref().map(|ensemble| (ensemble, RefitMode::Refine));
            Ensemble::fit(self.histories, n, periods, layout.horizon, self.support, MemberSelection::Full, known)
        };
        let combination = Combination::fit(&rolled, self.y).unwrap_or_else(|| Combination::equal(ensemble.len()));
        let courses: Vec<Vec<f64>> = rolled.iter().map(|origin| combination.apply(&origin.courses)).collect();
        let outcomes: Vec<OriginOutcome> = rolled
            .iter()
            .zip(&courses)
            .map(|(origin, course)| OriginOutcome {
                at: origin.at,
                course,
                actual: &self.y[origin.at..origin.at + course.len()],
            })
            .collect();
        let spreads: Vec<PhaseSpread> =
            self.histories.z.iter().map(|z| PhaseSpread::fit(z, cycle.unwrap_or(0))).collect();
        let history = ExpertHistory {
            y: self.y,
            filled: self.filled,
            periods,
            transforms: &self.histories.transforms,
            spreads: &spreads,
            half_step: self.support.half_step(),
        };
        let (predictive, coverage) = match Predictive::fit(history, &outcomes) {
            Some((predictive, coverage)) => (Some(predictive), coverage),
            None => (None, None),
        };
        let transform = self.histories.transforms[self.histories.transforms.len() - 1];
        let last_z = &self.histories.z[self.histories.z.len() - 1];
        let accuracy = Accuracy {
            origins: rolled.len(),
            mase: self.mase(&rolled, &courses),
            coverage_80: coverage.map(|c| c.0),
            coverage_95: coverage.map(|c| c.1),
        };
        let model = format!("combination({})", ensemble.names(self.histories).join(","));
        let combined = Combined {
            y: self.y.to_vec(),
            filled: self.filled.to_vec(),
            histories: self.histories.clone(),
            ensemble,
            combination,
            predictive,
            walk: RandomWalk::from_changes(transform, last_z),
        };
        FittedForecast::combined(reported, model, accuracy, combined, adjustments)
    }

    /// Returns the cycle over which values change least.
    fn cycle(&self) -> Option<usize> {
        let change = |m: usize| naive_scale(self.y, m).unwrap_or(f64::INFINITY);
        let whole = self.cycles.iter().copied().filter(|m| self.y.len() >= 2 * m);
        whole.min_by(|a, b| change(*a).total_cmp(&change(*b)))
    }

    /// Returns the mean absolute error at all origins divided by that of the seasonal naive forecast in the history.
    fn mase(&self, rolled: &[OriginForecasts], courses: &[Vec<f64>]) -> Option<f64> {
        let scale = naive_scale(self.y, self.seasons.first().copied().unwrap_or(1))?;
        let (mut sum, mut count) = (0.0, 0.0);
        for (origin, course) in rolled.iter().zip(courses) {
            for (p, a) in course.iter().zip(&self.y[origin.at..]) {
                if a.is_finite() {
                    sum += (a - p).abs();
                    count += 1.0;
                }
            }
        }
        (count > 0.0).then(|| sum / count / scale)
    }
}

/// Returns where errors are measured: over seven of the best cycle, a week of days, so that quiet and busy days are
/// both covered. Tried values: `docs/tuning/forecast.md`.
fn layout(horizon: usize, cycle: Option<usize>) -> OriginLayout {
    let span = cycle.map_or(1_000, |m| 7 * m);
    // Short courses cost little, so more origins are affordable.
    let origins = (960 / anchors(horizon).len().max(1)).clamp(24, 48);
    OriginLayout { horizon, refits: 4, origins, span }
}
