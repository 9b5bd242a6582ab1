//! What the default forecaster fitted: a base, jobs on top of it, and holidays that move both.

use crate::forecast::calendar::{Holidays, Local, shifted};
use crate::forecast::combine::{
    Combination, Ensemble, GRID, Place, Predictive, Quantiles, RandomWalk, Views, at_probability,
};
use crate::forecast::counts::CountModel;
use crate::forecast::prepare::Support;
use crate::forecast::recurring::Jobs;
use crate::forecast::{Accuracy, Forecast, ForecastError, Interval, Predict};
use crate::{Horizon, Level, Step};

/// A fitted [`AutoForecaster`](super::AutoForecaster).
#[derive(Debug, Clone)]
pub struct FittedForecast {
    seasons: Vec<Step>,
    model: String,
    accuracy: Accuracy,
    base: Base,
    /// Values that the base was fitted on.
    points: usize,
    rest: Rest,
    local: Option<Local>,
}

/// What goes on top of a base.
#[derive(Debug, Clone)]
pub(super) struct Rest {
    pub jobs: Jobs,
    /// The first step to come, as jobs count them.
    pub jobs_from: usize,
    pub holidays: Option<Holidays>,
    pub support: Support,
}

/// A series without its jobs.
#[derive(Debug, Clone)]
enum Base {
    Constant(f64),
    Counts(CountModel),
    Combined(Box<Combined>),
}

/// Base models combined, and quantiles around them.
#[derive(Debug, Clone)]
pub(super) struct Combined {
    pub y: Vec<f64>,
    pub filled: Vec<f64>,
    pub views: Views,
    pub ensemble: Ensemble,
    pub combination: Combination,
    pub predictive: Option<Predictive>,
    /// Of a history too short for rolling origins.
    pub walk: RandomWalk,
}

impl Combined {
    fn points(&self, steps: usize) -> Vec<f64> {
        self.combination.apply(&self.ensemble.forecasts(&self.views, self.views.len(), steps))
    }

    fn quantiles(&self, lead: usize, point: f64, work: &mut Vec<(f64, f64)>) -> Quantiles {
        match &self.predictive {
            Some(predictive) => predictive.quantiles(Place { y: &self.y, filled: &self.filled, lead, point }, work),
            None => GRID.map(|p| self.walk.quantile(point, lead, p)),
        }
    }
}

/// What is said of one step to come.
struct Ahead {
    point: f64,
    spread: Spread,
}

enum Spread {
    /// By the grid of probabilities.
    Grid(Box<Quantiles>),
    Counts(crate::forecast::counts::CountDistribution),
}

impl Ahead {
    fn quantile(&self, p: f64, support: Support) -> f64 {
        match &self.spread {
            Spread::Grid(quantiles) => support.held(at_probability(quantiles, p)),
            Spread::Counts(counts) => support.held(counts.quantile(p)),
        }
    }

    /// The interval that leaves `tail` on both sides, and holds the point.
    fn interval(&self, tail: f64, support: Support) -> (f64, f64) {
        let (low, high) = (self.quantile(tail, support), self.quantile(1.0 - tail, support));
        let middle = self.quantile(0.5, support);
        // Where the forecast lies at the end of the distribution, or beyond it, half of a tail is left on that side.
        let low = low.min(self.point - 0.5 * (middle - low).max(0.0));
        let high = high.max(self.point + 0.5 * (high - middle).max(0.0));
        let (low, high) = (support.rounded(support.held(low)), support.rounded(support.held(high)));
        // The expected count need not be whole, the ends around it are.
        (low.min(support.below(self.point)), high.max(support.above(self.point)))
    }
}

impl FittedForecast {
    pub(super) fn constant(seasons: Vec<Step>, value: f64, points: usize, rest: Rest) -> Self {
        let accuracy = Accuracy { origins: 0, mase: None, coverage_80: None, coverage_95: None };
        Self::new(seasons, "constant".to_owned(), accuracy, Base::Constant(value), points, rest)
    }

    /// `scale`: mean absolute error of the seasonal naive forecast, where there is one.
    pub(super) fn counts(
        seasons: Vec<Step>,
        counts: CountModel,
        points: usize,
        scale: Option<f64>,
        rest: Rest,
    ) -> Self {
        let (origins, error, narrow, wide) = counts.measured;
        let accuracy = Accuracy {
            origins,
            mase: scale.map(|scale| error / scale),
            coverage_80: Some(narrow),
            coverage_95: Some(wide),
        };
        Self::new(seasons, counts.name(), accuracy, Base::Counts(counts), points, rest)
    }

    pub(super) fn combined(
        seasons: Vec<Step>,
        model: String,
        accuracy: Accuracy,
        combined: Combined,
        rest: Rest,
    ) -> Self {
        let points = combined.y.len();
        Self::new(seasons, model, accuracy, Base::Combined(Box::new(combined)), points, rest)
    }

    fn new(seasons: Vec<Step>, mut model: String, accuracy: Accuracy, base: Base, points: usize, rest: Rest) -> Self {
        if !rest.jobs.periods().is_empty() {
            model.push_str("+jobs");
        }
        Self { seasons, model, accuracy, base, points, rest, local: None }
    }

    /// What was fitted to a series by local time, for the series itself.
    pub(super) fn by(self, local: Local) -> Self {
        Self { local: Some(local), ..self }
    }

    /// The next `steps` steps of the series that was fitted; `spread`: whether more than the points is asked for.
    fn ahead(&self, steps: usize, spread: bool) -> Vec<Ahead> {
        let mut work = Vec::new();
        let bases = match &self.base {
            Base::Constant(value) => vec![*value; steps],
            Base::Counts(counts) => (0..steps).map(|lead| counts.mean(lead)).collect(),
            Base::Combined(combined) => combined.points(steps),
        };
        let step = |(lead, point): (usize, f64)| {
            let jobs = self.rest.jobs.at(self.rest.jobs_from + lead);
            let due = point + jobs.iter().map(|job| job.point()).sum::<f64>();
            let moved = self.rest.holidays.as_ref().map_or(0.0, |h| h.shift(self.points + lead, due));
            let shown = self.rest.support.snapped(self.rest.support.held(due + moved));
            let grid = |mut quantiles: Quantiles| {
                for job in &jobs {
                    quantiles = job.added(&quantiles);
                }
                Spread::Grid(Box::new(shifted(quantiles, moved)))
            };
            let spread = match &self.base {
                _ if !spread => Spread::Grid(Box::new([shown; GRID.len()])),
                Base::Constant(value) => grid([*value; GRID.len()]),
                Base::Counts(counts) if jobs.is_empty() => Spread::Counts(counts.at(lead, moved)),
                Base::Counts(counts) => {
                    let counts = counts.at(lead, 0.0);
                    grid(GRID.map(|p| counts.quantile(p)))
                }
                Base::Combined(combined) => grid(combined.quantiles(lead, point, &mut work)),
            };
            Ahead { point: shown, spread }
        };
        bases.into_iter().enumerate().map(step).collect()
    }

    /// How many steps after the history, from 0, each of the next `horizon` steps lies by the clocks that are followed.
    fn leads(&self, horizon: Horizon) -> Vec<usize> {
        match &self.local {
            Some(local) => local.leads(horizon.steps()),
            None => (0..horizon.steps()).collect(),
        }
    }

    /// The quantile `p` in (0, 1) of each of the next `horizon` steps.
    ///
    /// # Errors
    /// [`ForecastError::OutOfRange`] when `p` is not inside (0, 1).
    pub fn quantile(&self, horizon: Horizon, p: f64) -> Result<Vec<f64>, ForecastError> {
        if !(p > 0.0 && p < 1.0) {
            return Err(ForecastError::OutOfRange { what: "quantile", value: p });
        }
        let leads = self.leads(horizon);
        let ahead = self.ahead(leads.iter().max().map_or(1, |longest| longest + 1), true);
        let support = self.rest.support;
        let at = |lead: usize| {
            let value = ahead[lead].quantile(p, support);
            // The median of a combination is the forecast, which need not be whole.
            let whole = (p - 0.5).abs() > 1e-9 || matches!(self.base, Base::Counts(_));
            if whole { support.rounded(value) } else { value }
        };
        Ok(leads.into_iter().map(at).collect())
    }

    /// Seasons in use, shortest first, with those with which jobs return.
    #[must_use]
    pub fn seasons(&self) -> &[Step] {
        &self.seasons
    }

    /// The base models that were combined.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// What rolling origins at the end of the history measured, steps with jobs left out.
    #[must_use]
    pub fn accuracy(&self) -> &Accuracy {
        &self.accuracy
    }
}

impl Predict for FittedForecast {
    /// Forecasts the next `horizon` steps with an interval for each of `levels`; never refused.
    ///
    /// A history that was never negative gets no negative forecast, one of whole numbers intervals with whole ends, and
    /// one that stays within a bound that it reaches, such as a ratio of 1, stays within it. Of sparse counts the point
    /// is the expected count, else the middle of the base models.
    fn predict(&self, horizon: Horizon, levels: &[Level]) -> Result<Forecast, ForecastError> {
        let leads = self.leads(horizon);
        let ahead = self.ahead(leads.iter().max().map_or(1, |longest| longest + 1), !levels.is_empty());
        let intervals = levels
            .iter()
            .map(|&level| {
                let tail = 0.5 * (1.0 - level.fraction());
                let ends = leads.iter().map(|&lead| ahead[lead].interval(tail, self.rest.support));
                let (lower, upper) = ends.unzip();
                Interval { level, lower, upper }
            })
            .collect();
        Ok(Forecast { point: leads.iter().map(|&lead| ahead[lead].point).collect(), intervals })
    }
}
