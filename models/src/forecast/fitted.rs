use super::calendar::{Holidays, Local, shifted};
use super::combine::{Combination, Ensemble, GRID, Place, Predictive, Quantiles, RandomWalk, Views, at_probability};
use super::prepare::Support;
use super::{Accuracy, Forecast, ForecastError, Interval};
use crate::{Horizon, Level, Step};

/// A fitted [`AutoForecaster`](super::AutoForecaster).
#[derive(Debug, Clone)]
pub struct FittedForecast {
    seasons: Vec<Step>,
    model: String,
    accuracy: Accuracy,
    kind: Kind,
    local: Option<Local>,
}

#[derive(Debug, Clone)]
enum Kind {
    Constant(f64),
    Fitted(Box<State>),
}

/// What a forecast is made from.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub y: Vec<f64>,
    pub filled: Vec<f64>,
    pub views: Views,
    pub ensemble: Ensemble,
    pub combination: Combination,
    pub predictive: Option<Predictive>,
    /// Of a history too short for rolling origins.
    pub walk: RandomWalk,
    pub support: Support,
    pub holidays: Option<Holidays>,
}

impl State {
    fn points(&self, horizon: usize) -> Vec<f64> {
        self.combination.apply(&self.ensemble.forecasts(&self.views, self.views.len(), horizon))
    }

    /// Points moved to those of a holiday where there is one, and held to what the series can be.
    fn shown(&self, points: &[f64]) -> Vec<f64> {
        points.iter().enumerate().map(|(lead, v)| self.support.held(v + self.shift(lead, *v))).collect()
    }

    fn shift(&self, lead: usize, point: f64) -> f64 {
        self.holidays.as_ref().map_or(0.0, |holidays| holidays.shift(self.y.len() + lead, point))
    }

    /// Quantiles by lead around the points foretold, holidays apart.
    fn quantiles(&self, points: &[f64]) -> Vec<Quantiles> {
        let mut work = Vec::new();
        points
            .iter()
            .enumerate()
            .map(|(lead, &point)| match &self.predictive {
                Some(predictive) => {
                    predictive.quantiles(Place { y: &self.y, filled: &self.filled, lead, point }, &mut work)
                }
                None => GRID.map(|p| self.walk.quantile(point, lead, p)),
            })
            .zip(points.iter().enumerate())
            .map(|(quantiles, (lead, &point))| shifted(quantiles, self.shift(lead, point)))
            .collect()
    }

    fn at(&self, quantiles: &Quantiles, p: f64) -> f64 {
        let value = self.support.held(at_probability(quantiles, p));
        // The median is the forecast, which need not be whole.
        if (p - 0.5).abs() < 1e-9 { value } else { self.support.rounded(value) }
    }
}

impl FittedForecast {
    pub(super) fn constant(value: f64, seasons: Vec<Step>) -> Self {
        let accuracy = Accuracy { origins: 0, mase: None, coverage_80: None, coverage_95: None };
        Self { seasons, model: "constant".to_owned(), accuracy, kind: Kind::Constant(value), local: None }
    }

    pub(super) fn new(seasons: Vec<Step>, model: String, accuracy: Accuracy, state: State) -> Self {
        Self { seasons, model, accuracy, kind: Kind::Fitted(Box::new(state)), local: None }
    }

    /// What was fitted to a series by local time, for the series itself.
    pub(super) fn by(self, local: Local) -> Self {
        Self { local: Some(local), ..self }
    }

    /// Forecasts the next `horizon` steps with an interval for each of `levels`.
    ///
    /// Shapes: `horizon` entries in the point forecast and in both ends of every interval. A history that was never
    /// negative gets no negative forecast, one of whole numbers intervals with whole ends, and one that stays within a
    /// bound that it reaches, such as a ratio of 1, stays within it.
    #[must_use]
    pub fn predict(&self, horizon: Horizon, levels: &[Level]) -> Forecast {
        let Some(local) = &self.local else { return self.course(horizon.steps(), levels) };
        let leads = local.leads(horizon.steps());
        let course = self.course(leads.iter().max().map_or(1, |longest| longest + 1), levels);
        let pick = |values: &[f64]| leads.iter().map(|&lead| values[lead]).collect();
        let picked = |interval: &Interval| Interval {
            level: interval.level,
            lower: pick(&interval.lower),
            upper: pick(&interval.upper),
        };
        Forecast { point: pick(&course.point), intervals: course.intervals.iter().map(picked).collect() }
    }

    /// The next `steps` steps of the series that was fitted.
    fn course(&self, steps: usize, levels: &[Level]) -> Forecast {
        match &self.kind {
            Kind::Constant(value) => Forecast {
                point: vec![*value; steps],
                intervals: levels
                    .iter()
                    .map(|&level| Interval { level, lower: vec![*value; steps], upper: vec![*value; steps] })
                    .collect(),
            },
            Kind::Fitted(state) => {
                let ordinary = state.points(steps);
                let quantiles = if levels.is_empty() { Vec::new() } else { state.quantiles(&ordinary) };
                let point = state.shown(&ordinary);
                let intervals = levels
                    .iter()
                    .map(|&level| {
                        let tail = 0.5 * (1.0 - level.fraction());
                        let ends = |p: f64| quantiles.iter().zip(&point).map(move |(q, &v)| (v, state.at(q, p)));
                        let lower = ends(tail).map(|(v, q)| q.min(v)).collect();
                        let upper = ends(1.0 - tail).map(|(v, q)| q.max(v)).collect();
                        Interval { level, lower, upper }
                    })
                    .collect();
                Forecast { point, intervals }
            }
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
        let leads: Vec<usize> = match &self.local {
            Some(local) => local.leads(horizon.steps()),
            None => (0..horizon.steps()).collect(),
        };
        let steps = leads.iter().max().map_or(1, |longest| longest + 1);
        Ok(match &self.kind {
            Kind::Constant(value) => vec![*value; horizon.steps()],
            Kind::Fitted(state) => {
                let quantiles = state.quantiles(&state.points(steps));
                leads.iter().map(|&lead| state.at(&quantiles[lead], p)).collect()
            }
        })
    }

    /// Seasons in use, shortest first.
    #[must_use]
    pub fn seasons(&self) -> &[Step] {
        &self.seasons
    }

    /// The base models that were combined.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// What rolling origins at the end of the history measured.
    #[must_use]
    pub fn accuracy(&self) -> &Accuracy {
        &self.accuracy
    }
}
