use super::base::naive_scale;
use super::combine::{Calibration, Ensemble, Errors, Layout, Origin, Views, median_course, origins, roll};
use super::prepare::{Space, check, fill_gaps};
use super::{Accuracy, Forecast, ForecastError, Interval};
use crate::seasons::SeasonDetector;
use crate::{Horizon, Level, Step};

/// Points of history that a fit looks at, unless four of the longest season are more.
const MAX_POINTS: usize = 20_000;
/// Finite values without which nothing is forecast.
const MIN_POINTS: usize = 3;

/// The default forecaster: several base models, combined as they did from rolling origins, with
/// conformal intervals of the right horizon.
///
/// ```
/// use almanac_models::{Horizon, Level, Step, forecast::AutoForecaster};
/// let hour = Step::from_millis(3_600_000)?;
/// let day = Step::from_millis(86_400_000)?;
/// let y: Vec<f64> = (0..24 * 14).map(|t| 100.0 + 50.0 * (f64::from(t) / 24.0 * std::f64::consts::TAU).sin()).collect();
/// let fitted = AutoForecaster::new(hour).with_seasons(vec![day]).fit(&y)?;
/// let forecast = fitted.predict(Horizon::try_new(24)?, &[Level::from_percent(80.0)?]);
/// assert!((forecast.point[5] - 150.0).abs() < 5.0);
/// # Ok::<(), almanac_models::forecast::ForecastError>(())
/// ```
#[derive(Debug, Clone)]
pub struct AutoForecaster {
    step: Step,
    seasons: Option<Vec<Step>>,
    horizon: Option<Horizon>,
}

impl AutoForecaster {
    /// A forecaster of series whose points lie `step` apart; seasons are detected.
    #[must_use]
    pub fn new(step: Step) -> Self {
        Self { step, seasons: None, horizon: None }
    }

    /// Takes these seasons instead of detecting them; an empty list says that there is none.
    #[must_use]
    pub fn with_seasons(mut self, seasons: Vec<Step>) -> Self {
        self.seasons = Some(seasons);
        self
    }

    /// Calibrates intervals up to this horizon (default: the longest season, at least 48 steps, at most 1,440).
    /// Further ahead they widen by extrapolation.
    #[must_use]
    pub fn with_horizon(mut self, horizon: Horizon) -> Self {
        self.horizon = Some(horizon);
        self
    }

    /// Fits the series `y`: evenly spaced, oldest first, NaN where a value is missing.
    ///
    /// # Errors
    /// [`ForecastError::TooShort`] below three finite values, [`ForecastError::Infinite`],
    /// [`ForecastError::TooLarge`], [`ForecastError::Season`] for a given season that does not fit the step.
    pub fn fit(&self, y: &[f64]) -> Result<FittedForecast, ForecastError> {
        let finite = check(y)?;
        if finite < MIN_POINTS {
            return Err(ForecastError::TooShort { points: finite, needed: MIN_POINTS });
        }
        let first = y.iter().position(|v| v.is_finite()).unwrap_or(0);
        let y = &y[first..];
        let seasons = self.season_lengths(y)?;
        let longest = seasons.last().copied().unwrap_or(0);
        let y = &y[y.len().saturating_sub(MAX_POINTS.max(4 * longest))..];
        let mut filled = fill_gaps(y, &seasons);
        // What was seen decides: a gap filled by the seasons around it may fall below zero where nothing ever did.
        let non_negative = y.iter().all(|&v| v.is_nan() || v >= 0.0);
        if non_negative {
            filled.iter_mut().for_each(|v| *v = v.max(0.0));
        }
        let named = seasons
            .iter()
            .filter_map(|&m| Step::from_millis(self.step.millis() * i64::try_from(m).ok()?).ok())
            .collect();
        let Some(views) = Views::new(&filled) else {
            return Ok(FittedForecast::constant(filled[0], named));
        };
        let horizon = self.horizon.map_or(longest.clamp(48, 1_440), Horizon::steps);
        let fit = Fit { y, views: &views, seasons: &seasons, non_negative };
        Ok(fit.run(horizon, named))
    }

    fn season_lengths(&self, y: &[f64]) -> Result<Vec<usize>, ForecastError> {
        let Some(given) = &self.seasons else {
            return Ok(SeasonDetector::default().with_step(self.step).detect(y).iter().map(|s| s.period).collect());
        };
        let mut lengths = Vec::with_capacity(given.len());
        for season in given {
            let (season_ms, step_ms) = (season.millis(), self.step.millis());
            let steps = season_ms / step_ms;
            if season_ms % step_ms != 0 || steps < 2 {
                return Err(ForecastError::Season { season_ms, step_ms });
            }
            lengths.push(usize::try_from(steps).map_err(|_| ForecastError::Season { season_ms, step_ms })?);
        }
        lengths.sort_unstable();
        lengths.dedup();
        Ok(lengths)
    }
}

/// One fit under way.
struct Fit<'a> {
    /// With gaps, to measure on what was really seen.
    y: &'a [f64],
    views: &'a Views,
    seasons: &'a [usize],
    non_negative: bool,
}

impl Fit<'_> {
    fn run(&self, horizon: usize, named: Vec<Step>) -> FittedForecast {
        let n = self.views.len();
        let layout = Layout { horizon: horizon.min(n / 4).max(1), refits: 4, origins: 24 };
        // Two weeks are too short to roll with a week held back: then the next shorter season says where origins lie.
        // Without any, intervals would be those of a random walk, many times too wide.
        let lengths = self.seasons.iter().rev().copied().chain([0]);
        let at = lengths.map(|season| origins(n, season, layout)).find(|at| !at.is_empty()).unwrap_or_default();
        let rolled = roll(self.views, &at, self.seasons, layout, self.non_negative);
        let ensemble = Ensemble::fit(self.views, n, self.seasons, layout.horizon, self.non_negative);
        let space = self.views.spaces[self.views.spaces.len() - 1];
        let errors = self.errors(&rolled, space);
        let scale = naive_scale(self.y, self.seasons.first().copied().unwrap_or(1));
        let accuracy = self.measure(&rolled, &errors, space, scale);
        let calibration = Calibration::new(space, &errors)
            .unwrap_or_else(|| Calibration::from_changes(space, &self.views.z[self.views.z.len() - 1]));
        let model = format!("median({})", ensemble.names(self.views).join(","));
        FittedForecast {
            seasons: named,
            model,
            accuracy,
            kind: Kind::Fitted(Box::new(State {
                views: self.views.clone(),
                ensemble,
                calibration,
                non_negative: self.non_negative,
            })),
        }
    }

    fn errors(&self, rolled: &[Origin], space: Space) -> Vec<Errors> {
        rolled
            .iter()
            .map(|origin| {
                let course = median_course(&origin.courses);
                let truth = &self.y[origin.at..];
                course.iter().zip(truth).map(|(p, a)| space.forward(*a) - space.forward(*p)).collect()
            })
            .collect()
    }

    /// Coverage on each half of the origins by intervals calibrated on the other, MASE on all.
    fn measure(&self, rolled: &[Origin], errors: &[Errors], space: Space, scale: Option<f64>) -> Accuracy {
        let half = rolled.len() / 2;
        let mut inside = [0.0; 2];
        let mut counted = 0.0;
        for (learn, test) in [(0..half, half..rolled.len()), (half..rolled.len(), 0..half)] {
            let Some(calibration) = Calibration::new(space, &errors[learn]) else { continue };
            for origin in &rolled[test] {
                let course = median_course(&origin.courses);
                for (lead, (&point, &actual)) in course.iter().zip(&self.y[origin.at..]).enumerate() {
                    if actual.is_nan() {
                        continue;
                    }
                    counted += 1.0;
                    for (count, p) in inside.iter_mut().zip([0.1, 0.025]) {
                        let lower = calibration.quantile(point, lead, p);
                        let upper = calibration.quantile(point, lead, 1.0 - p);
                        *count += f64::from(u8::from((lower..=upper).contains(&actual)));
                    }
                }
            }
        }
        let (mut sum, mut count) = (0.0, 0.0);
        for origin in rolled {
            for (p, a) in median_course(&origin.courses).iter().zip(&self.y[origin.at..]) {
                if a.is_finite() {
                    sum += (a - p).abs();
                    count += 1.0;
                }
            }
        }
        let share = |k: usize| (counted > 0.0).then(|| inside[k] / counted);
        Accuracy {
            origins: rolled.len(),
            mase: scale.filter(|_| count > 0.0).map(|scale| sum / count / scale),
            coverage_80: share(0),
            coverage_95: share(1),
        }
    }
}

/// A fitted [`AutoForecaster`].
#[derive(Debug, Clone)]
pub struct FittedForecast {
    seasons: Vec<Step>,
    model: String,
    accuracy: Accuracy,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Constant(f64),
    Fitted(Box<State>),
}

#[derive(Debug, Clone)]
struct State {
    views: Views,
    ensemble: Ensemble,
    calibration: Calibration,
    non_negative: bool,
}

impl State {
    fn points(&self, horizon: usize) -> Vec<f64> {
        median_course(&self.ensemble.forecasts(&self.views, self.views.len(), horizon))
    }

    fn quantile(&self, point: f64, lead: usize, p: f64) -> f64 {
        let value = self.calibration.quantile(point, lead, p);
        if self.non_negative { value.max(0.0) } else { value }
    }
}

impl FittedForecast {
    fn constant(value: f64, seasons: Vec<Step>) -> Self {
        let accuracy = Accuracy { origins: 0, mase: None, coverage_80: None, coverage_95: None };
        Self { seasons, model: "constant".to_owned(), accuracy, kind: Kind::Constant(value) }
    }

    /// Forecasts the next `horizon` steps with an interval for each of `levels`.
    ///
    /// Shapes: `horizon` entries in the point forecast and in both ends of every interval. A history that was never
    /// negative gets no negative forecast.
    #[must_use]
    pub fn predict(&self, horizon: Horizon, levels: &[Level]) -> Forecast {
        let steps = horizon.steps();
        match &self.kind {
            Kind::Constant(value) => Forecast {
                point: vec![*value; steps],
                intervals: levels
                    .iter()
                    .map(|&level| Interval { level, lower: vec![*value; steps], upper: vec![*value; steps] })
                    .collect(),
            },
            Kind::Fitted(state) => {
                let point = state.points(steps);
                let intervals = levels
                    .iter()
                    .map(|&level| {
                        let tail = 0.5 * (1.0 - level.fraction());
                        let ends =
                            |p: f64| point.iter().enumerate().map(move |(lead, &v)| (v, state.quantile(v, lead, p)));
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
        Ok(match &self.kind {
            Kind::Constant(value) => vec![*value; horizon.steps()],
            Kind::Fitted(state) => {
                state.points(horizon.steps()).iter().enumerate().map(|(lead, &v)| state.quantile(v, lead, p)).collect()
            }
        })
    }

    /// The seasons that the model uses, shortest first.
    #[must_use]
    pub fn seasons(&self) -> &[Step] {
        &self.seasons
    }

    /// The name of what was fitted, such as `median(ar,profile,snaive)`.
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
