//! The fitted default forecaster: a base, recurring jobs added to it, and holidays that shift the sum.

use crate::forecast::calendar::{Holidays, LocalSeries, shifted};
use crate::forecast::combine::{
    Combination, Ensemble, PROBABILITIES, Predictive, QuantileQuery, Quantiles, RandomWalk, TransformedHistories,
    quantile_at,
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
    base: FittedBase,
    /// Number of values that the base was fitted on.
    points: usize,
    adjustments: Adjustments,
    local: Option<LocalSeries>,
}

/// What is applied on top of a base.
#[derive(Debug, Clone)]
pub(super) struct Adjustments {
    pub jobs: Jobs,
    /// First step after the history, in the step count of the jobs.
    pub jobs_from: usize,
    pub holidays: Option<Holidays>,
    pub support: Support,
}

/// The fitted model of the series without its jobs.
#[derive(Debug, Clone)]
enum FittedBase {
    Constant(f64),
    Counts(CountModel),
    Combined(Box<Combined>),
}

/// Combined base models with the distribution around their forecast.
#[derive(Debug, Clone)]
pub(super) struct Combined {
    pub y: Vec<f64>,
    pub filled: Vec<f64>,
    pub histories: TransformedHistories,
    pub ensemble: Ensemble,
    pub combination: Combination,
    pub predictive: Option<Predictive>,
    /// Intervals when the history is too short for rolling origins.
    pub walk: RandomWalk,
}

impl Combined {
    fn points(&self, steps: usize) -> Vec<f64> {
        self.combination.apply(&self.ensemble.forecasts(&self.histories, self.histories.len(), steps))
    }

    fn quantiles(&self, lead: usize, point: f64, work: &mut Vec<(f64, f64)>) -> Quantiles {
        match &self.predictive {
            Some(predictive) => {
                predictive.quantiles(QuantileQuery { y: &self.y, filled: &self.filled, lead, point }, work)
            }
            None => PROBABILITIES.map(|p| self.walk.quantile(point, lead, p)),
        }
    }
}

/// The forecast of one step.
struct StepForecast {
    point: f64,
    spread: StepDistribution,
}

/// The distribution of one step.
enum StepDistribution {
    /// Quantiles at the grid of probabilities.
    Quantiles(Box<Quantiles>),
    Counts(crate::forecast::counts::CountDistribution),
}

impl StepForecast {
    fn quantile(&self, p: f64, support: Support) -> f64 {
        match &self.spread {
            StepDistribution::Quantiles(quantiles) => support.clamp(quantile_at(quantiles, p)),
            StepDistribution::Counts(counts) => support.clamp(counts.quantile(p)),
        }
    }

    /// Returns the interval that leaves the probability `tail` on each side and contains the point.
    fn interval(&self, tail: f64, support: Support) -> (f64, f64) {
        let (low, high) = (self.quantile(tail, support), self.quantile(1.0 - tail, support));
        let middle = self.quantile(0.5, support);
        // Where the point lies at or beyond an end of the distribution, keep half of the tail's width on that side.
        let low = low.min(self.point - 0.5 * (middle - low).max(0.0));
        let high = high.max(self.point + 0.5 * (high - middle).max(0.0));
        let (low, high) = (support.rounded(support.clamp(low)), support.rounded(support.clamp(high)));
        // The expected count need not be whole; the ends of the interval are.
        (low.min(support.floor(self.point)), high.max(support.ceil(self.point)))
    }
}

impl FittedForecast {
    pub(super) fn constant(seasons: Vec<Step>, value: f64, points: usize, adjustments: Adjustments) -> Self {
        let accuracy = Accuracy { origins: 0, mase: None, coverage_80: None, coverage_95: None };
        Self::new(seasons, "constant".to_owned(), accuracy, FittedBase::Constant(value), points, adjustments)
    }

    /// `scale`: mean absolute error of the seasonal naive forecast, if it exists.
    pub(super) fn counts(
        seasons: Vec<Step>,
        counts: CountModel,
        points: usize,
        scale: Option<f64>,
        adjustments: Adjustments,
    ) -> Self {
        let (origins, error, narrow, wide) = counts.measured;
        let accuracy = Accuracy {
            origins,
            mase: scale.map(|scale| error / scale),
            coverage_80: Some(narrow),
            coverage_95: Some(wide),
        };
        Self::new(seasons, counts.name(), accuracy, FittedBase::Counts(counts), points, adjustments)
    }

    pub(super) fn combined(
        seasons: Vec<Step>,
        model: String,
        accuracy: Accuracy,
        combined: Combined,
        adjustments: Adjustments,
    ) -> Self {
        let points = combined.y.len();
        Self::new(seasons, model, accuracy, FittedBase::Combined(Box::new(combined)), points, adjustments)
    }

    fn new(
        seasons: Vec<Step>,
        mut model: String,
        accuracy: Accuracy,
        base: FittedBase,
        points: usize,
        adjustments: Adjustments,
    ) -> Self {
        if !adjustments.jobs.periods().is_empty() {
            model.push_str("+jobs");
        }
        Self { seasons, model, accuracy, base, points, adjustments, local: None }
    }

    /// Turns a model that was fitted in local time into one that forecasts the original series.
    pub(super) fn in_local_time(self, local: LocalSeries) -> Self {
        Self { local: Some(local), ..self }
    }

    /// Returns the forecasts of the next `steps` steps of the fitted series; `spread`: whether distributions are
    /// needed.
    fn step_forecasts(&self, steps: usize, spread: bool) -> Vec<StepForecast> {
        let mut work = Vec::new();
        let bases = match &self.base {
            FittedBase::Constant(value) => vec![*value; steps],
            FittedBase::Counts(counts) => (0..steps).map(|lead| counts.mean(lead)).collect(),
            FittedBase::Combined(combined) => combined.points(steps),
        };
        let step = |(lead, point): (usize, f64)| {
            let jobs = self.adjustments.jobs.at(self.adjustments.jobs_from + lead);
            // The order matters: jobs are added before the holiday shift, which may replace the whole value.
            let due = point + jobs.iter().map(|job| job.point()).sum::<f64>();
            let holiday_shift = self.adjustments.holidays.as_ref().map_or(0.0, |h| h.shift(self.points + lead, due));
            let clamped = self.adjustments.support.snap(self.adjustments.support.clamp(due + holiday_shift));
            let grid = |mut quantiles: Quantiles| {
                for job in &jobs {
                    quantiles = job.added(&quantiles);
                }
                StepDistribution::Quantiles(Box::new(shifted(quantiles, holiday_shift)))
            };
            let spread = match &self.base {
                _ if !spread => StepDistribution::Quantiles(Box::new([clamped; PROBABILITIES.len()])),
                FittedBase::Constant(value) => grid([*value; PROBABILITIES.len()]),
                FittedBase::Counts(counts) if jobs.is_empty() => {
                    StepDistribution::Counts(counts.at(lead, holiday_shift))
                }
                FittedBase::Counts(counts) => {
                    let counts = counts.at(lead, 0.0);
                    grid(PROBABILITIES.map(|p| counts.quantile(p)))
                }
                FittedBase::Combined(combined) => grid(combined.quantiles(lead, point, &mut work)),
            };
            StepForecast { point: clamped, spread }
        };
        bases.into_iter().enumerate().map(step).collect()
    }

    /// Returns the lead, from 0, of each of the next `horizon` steps in local time.
    fn leads(&self, horizon: Horizon) -> Vec<usize> {
        match &self.local {
            Some(local) => local.leads(horizon.steps()),
            None => (0..horizon.steps()).collect(),
        }
    }

    /// Returns the quantile `p` in (0, 1) of each of the next `horizon` steps.
    ///
    /// # Errors
    /// [`ForecastError::OutOfRange`] for `p` outside (0, 1).
    pub fn quantile(&self, horizon: Horizon, p: f64) -> Result<Vec<f64>, ForecastError> {
        if !(p > 0.0 && p < 1.0) {
            return Err(ForecastError::OutOfRange { what: "quantile", value: p });
        }
        let leads = self.leads(horizon);
        let ahead = self.step_forecasts(leads.iter().max().map_or(1, |longest| longest + 1), true);
        let support = self.adjustments.support;
        let at = |lead: usize| {
            let value = ahead[lead].quantile(p, support);
            // The median of a combination is the forecast, which need not be whole.
            let whole = (p - 0.5).abs() > 1e-9 || matches!(self.base, FittedBase::Counts(_));
            if whole { support.rounded(value) } else { value }
        };
        Ok(leads.into_iter().map(at).collect())
    }

    /// Seasons in use, shortest first, including the cycles of jobs.
    #[must_use]
    pub fn seasons(&self) -> &[Step] {
        &self.seasons
    }

    /// Names of the base models in the combination.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Accuracy from rolling origins at the end of the history, without the steps of jobs.
    #[must_use]
    pub fn accuracy(&self) -> &Accuracy {
        &self.accuracy
    }
}

impl Predict for FittedForecast {
    /// Forecasts the next `horizon` steps with an interval for each of `levels`. Never fails.
    ///
    /// A history without negative values gets no negative forecast. A history of whole numbers gets intervals with
    /// whole ends. A history that reaches a bound and never exceeds it, such as a ratio of 1, gets forecasts within the
    /// bound. The point is the expected count for sparse counts, otherwise the interquartile mean of the base models.
    fn predict(&self, horizon: Horizon, levels: &[Level]) -> Result<Forecast, ForecastError> {
        let leads = self.leads(horizon);
        let ahead = self.step_forecasts(leads.iter().max().map_or(1, |longest| longest + 1), !levels.is_empty());
        let intervals = levels
            .iter()
            .map(|&level| {
                let tail = 0.5 * (1.0 - level.fraction());
                let ends = leads.iter().map(|&lead| ahead[lead].interval(tail, self.adjustments.support));
                let (lower, upper) = ends.unzip();
                Interval { level, lower, upper }
            })
            .collect();
        Ok(Forecast { point: leads.iter().map(|&lead| ahead[lead].point).collect(), intervals })
    }
}
