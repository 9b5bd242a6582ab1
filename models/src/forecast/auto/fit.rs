//! One fit of the default forecaster under way: base models, rolling origins, weights, distribution.

use super::fitted::{Combined, FittedForecast, Rest};
use crate::Step;
use crate::forecast::Accuracy;
use crate::forecast::base::naive_scale;
use crate::forecast::combine::{
    Again, Combination, Ensemble, History, Layout, Members, Origin, Outcome, Periods, PhaseSpread, Predictive,
    RandomWalk, Views, anchors, origins, roll,
};
use crate::forecast::prepare::Support;

/// A series as a fit looks at it.
pub(super) struct Prepared<'a> {
    /// With gaps, to measure on what was really seen.
    pub y: &'a [f64],
    /// Without.
    pub filled: &'a [f64],
    pub views: &'a Views,
    pub seasons: &'a [usize],
    /// Seasons, and days and weeks that may be some.
    pub cycles: &'a [usize],
    pub support: Support,
}

impl Prepared<'_> {
    pub(super) fn run(self, horizon: usize, named: Vec<Step>, rest: Rest) -> FittedForecast {
        let n = self.views.len();
        let cycle = self.cycle();
        let layout = layout(horizon.min(n / 4).max(1), cycle);
        // Two weeks are too short to roll with a week held back: then the next shorter season says where origins lie.
        // Without any, intervals would be those of a random walk, many times too wide.
        let lengths = self.seasons.iter().rev().copied().chain([0]);
        let at = lengths.map(|season| origins(n, season, layout)).find(|at| !at.is_empty()).unwrap_or_default();
        let periods = Periods { seasons: self.seasons, cycles: self.cycles, cycle };
        let (rolled, before) = roll(self.views, &at, periods, layout, self.support);
        let ensemble = {
            let known = before.as_ref().map(|ensemble| (ensemble, Again::Refine));
            Ensemble::fit(self.views, n, periods, layout.horizon, self.support, Members::Full, known)
        };
        let combination = Combination::fit(&rolled, self.y).unwrap_or_else(|| Combination::equal(ensemble.len()));
        let courses: Vec<Vec<f64>> = rolled.iter().map(|origin| combination.apply(&origin.courses)).collect();
        let outcomes: Vec<Outcome> = rolled
            .iter()
            .zip(&courses)
            .map(|(origin, course)| Outcome {
                at: origin.at,
                course,
                actual: &self.y[origin.at..origin.at + course.len()],
            })
            .collect();
        let spreads: Vec<PhaseSpread> = self.views.z.iter().map(|z| PhaseSpread::fit(z, cycle.unwrap_or(0))).collect();
        let history = History {
            y: self.y,
            filled: self.filled,
            periods,
            spaces: &self.views.spaces,
            spreads: &spreads,
            half_step: self.support.half_step(),
        };
        let (predictive, coverage) = match Predictive::fit(history, &outcomes) {
            Some((predictive, coverage)) => (Some(predictive), coverage),
            None => (None, None),
        };
        let space = self.views.spaces[self.views.spaces.len() - 1];
        let last_view = &self.views.z[self.views.z.len() - 1];
        let accuracy = Accuracy {
            origins: rolled.len(),
            mase: self.mase(&rolled, &courses),
            coverage_80: coverage.map(|c| c.0),
            coverage_95: coverage.map(|c| c.1),
        };
        let model = format!("combination({})", ensemble.names(self.views).join(","));
        let combined = Combined {
            y: self.y.to_vec(),
            filled: self.filled.to_vec(),
            views: self.views.clone(),
            ensemble,
            combination,
            predictive,
            walk: RandomWalk::from_changes(space, last_view),
        };
        FittedForecast::combined(named, model, accuracy, combined, rest)
    }

    /// The cycle over which values change least.
    fn cycle(&self) -> Option<usize> {
        let change = |m: usize| naive_scale(self.y, m).unwrap_or(f64::INFINITY);
        let whole = self.cycles.iter().copied().filter(|m| self.y.len() >= 2 * m);
        whole.min_by(|a, b| change(*a).total_cmp(&change(*b)))
    }

    /// Mean absolute error at all origins over that of the seasonal naive forecast in the history.
    fn mase(&self, rolled: &[Origin], courses: &[Vec<f64>]) -> Option<f64> {
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

/// Where errors are measured. Seven of the best cycle, a week of days, since what a couple of quiet days missed says
/// nothing of a busy one: on machines with bursts the 95 % interval of an hour held 89 % with two days, 94 % with seven.
fn layout(horizon: usize, cycle: Option<usize>) -> Layout {
    let span = cycle.map_or(1_000, |m| 7 * m);
    // Short courses cost little, so there are more of them; 72 say no more than 48.
    let origins = (960 / anchors(horizon).len().max(1)).clamp(24, 48);
    Layout { horizon, refits: 4, origins, span }
}
