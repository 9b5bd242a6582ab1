use std::ops::Range;

use super::calendar::{Holidays, Local, without};
use super::combine::Views;
use super::fit::Fit;
use super::prepare::{Support, check, fill_gaps};
use super::{FittedForecast, ForecastError};
use crate::seasons::SeasonDetector;
use crate::units::UtcOffsets;
use crate::{Horizon, Step, Timestamp};

/// Points of history that a fit looks at, unless four of the longest season are more.
const MAX_POINTS: usize = 20_000;
/// Finite values without which nothing is forecast.
const MIN_POINTS: usize = 3;
const DAY_AND_WEEK: [i64; 2] = [86_400_000, 604_800_000];

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
    holidays: Vec<Range<usize>>,
    clocks: Option<(UtcOffsets, Timestamp)>,
}

impl AutoForecaster {
    /// A forecaster of series whose points lie `step` apart; seasons are detected.
    #[must_use]
    pub fn new(step: Step) -> Self {
        Self { step, seasons: None, horizon: None, holidays: Vec::new(), clocks: None }
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

    /// Says which steps lie on a holiday: ranges counted from the start of the series that will be fitted, past ones
    /// and, from its length on, ones to come.
    ///
    /// Past holidays are not taught to the ordinary pattern. One to come departs from it as past ones did on average,
    /// by phase of the day; for want of a past one it follows the weekday whose values are lowest.
    ///
    /// ```
    /// use almanac_models::{Horizon, Step, forecast::AutoForecaster};
    /// let y: Vec<f64> = (0..24 * 21).map(|t| if t / 24 % 7 == 6 { 20.0 } else { 100.0 + f64::from(t % 24) }).collect();
    /// let tomorrow = y.len()..y.len() + 24;
    /// let fitted = AutoForecaster::new(Step::from_millis(3_600_000)?).with_holidays(vec![tomorrow]).fit(&y)?;
    /// assert!((fitted.predict(Horizon::try_new(24)?, &[]).point[12] - 20.0).abs() < 1.0);
    /// # Ok::<(), almanac_models::forecast::ForecastError>(())
    /// ```
    #[must_use]
    pub fn with_holidays(mut self, ranges: Vec<Range<usize>>) -> Self {
        self.holidays = ranges;
        self
    }

    /// Follows the clocks of a place, so that days and weeks keep their pattern across daylight saving; `start`: when
    /// the first value of the series that will be fitted was measured.
    #[must_use]
    pub fn with_clocks(mut self, offsets: UtcOffsets, start: Timestamp) -> Self {
        self.clocks = Some((offsets, start));
        self
    }

    /// Fits the series `y`: evenly spaced, oldest first, NaN where a value is missing.
    ///
    /// # Errors
    /// [`ForecastError::TooShort`] below three finite values, [`ForecastError::Infinite`],
    /// [`ForecastError::TooLarge`], [`ForecastError::Season`] for a given season that does not fit the step.
    pub fn fit(&self, y: &[f64]) -> Result<FittedForecast, ForecastError> {
        check(y)?;
        if let Some((offsets, start)) = &self.clocks {
            let local = Local::new(offsets, *start, self.step, y.len());
            let by_place = Self { holidays: local.ranges(&self.holidays), clocks: None, ..self.clone() };
            return by_place.fit(&local.series(y)).map(|fitted| fitted.by(local));
        }
        let seen = y;
        let ordinary = without(seen, &self.holidays);
        let y = &ordinary[..];
        let finite = y.iter().filter(|v| v.is_finite()).count();
        if finite < MIN_POINTS {
            return Err(ForecastError::TooShort { points: finite, needed: MIN_POINTS });
        }
        let first = y.iter().position(|v| v.is_finite()).unwrap_or(0);
        let y = &y[first..];
        let seasons = self.season_lengths(y)?;
        let longest = seasons.last().copied().unwrap_or(0);
        let y = &y[y.len().saturating_sub(MAX_POINTS.max(4 * longest))..];
        let cut = seen.len() - y.len();
        let mut filled = fill_gaps(y, &seasons);
        // What was seen decides: a gap filled by the seasons around it may leave the bounds that nothing ever left.
        let support = Support::of(&seen[cut..]);
        filled.iter_mut().for_each(|v| *v = support.held(*v));
        let named = seasons
            .iter()
            .filter_map(|&m| Step::from_millis(self.step.millis() * i64::try_from(m).ok()?).ok())
            .collect();
        let Some(views) = Views::new(&filled, support) else {
            return Ok(FittedForecast::constant(filled[0], named));
        };
        let horizon = self.horizon.map_or(longest.clamp(48, 1_440), Horizon::steps);
        let cycles = self.cycles(&seasons, y.len());
        let holidays = self.holidays(&seen[cut..], &filled, cut);
        let fit = Fit { y, filled: &filled, views: &views, seasons: &seasons, cycles: &cycles, support, holidays };
        Ok(fit.run(horizon, named))
    }

    /// The seasons, and a day and a week that are too few yet to be found, or too faint: forecasts from rolling origins
    /// say whether they are any good.
    fn cycles(&self, seasons: &[usize], n: usize) -> Vec<usize> {
        let mut cycles = seasons.to_vec();
        if self.seasons.is_none() {
            let steps = |millis: i64| usize::try_from(millis / self.step.millis()).ok();
            let whole = DAY_AND_WEEK.iter().filter(|millis| **millis % self.step.millis() == 0);
            cycles.extend(whole.filter_map(|m| steps(*m)).filter(|m| *m >= 2 && n > m + m / 4 && !seasons.contains(m)));
        }
        cycles
    }

    /// What holidays do to the values `seen` from step `cut` on, which without them had been `filled`.
    fn holidays(&self, seen: &[f64], filled: &[f64], cut: usize) -> Option<Holidays> {
        let moved = self.holidays.iter().filter(|r| r.end > cut);
        let ranges: Vec<Range<usize>> = moved.map(|r| r.start.saturating_sub(cut)..r.end - cut).collect();
        let half = self.step.millis() / 2;
        let day = usize::try_from(DAY_AND_WEEK[0].saturating_add(half) / self.step.millis()).unwrap_or(1).max(1);
        (!ranges.is_empty()).then(|| Holidays::new(seen, filled, &ranges, day))
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
