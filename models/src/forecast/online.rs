//! A causal forecaster that is updated with one value at a time. It uses no value later than the last push.

use std::collections::VecDeque;

use super::calendar::LocalClock;
use super::combine::{
    Ensemble, LeadErrors, MemberSelection, MemberState, Periods, TransformedHistories, median_course,
};
use super::prepare::{Support, fill_gaps};
use super::{Forecast, ForecastError, Interval, Predict};
use crate::seasons::SeasonDetector;
use crate::units::UtcOffsets;
use crate::{Horizon, Level, Step, Timestamp};

/// Options of an [`OnlineForecaster`]; all durations are in steps.
#[derive(Debug, Clone, PartialEq)]
pub struct OnlineOptions {
    /// Season lengths in steps; `None`: detected while the history grows.
    pub seasons: Option<Vec<usize>>,
    /// Distance between points, for the detection of days and weeks.
    pub step: Option<Step>,
    /// Number of points of history in a refit.
    pub window: usize,
    /// Steps between refits of a long history. A short history is refitted whenever it has grown by a quarter.
    pub refit_every: usize,
    /// Steps before the first fit, at least 10.
    pub warm_after: usize,
    /// The longest supported lead in steps.
    pub max_lead: usize,
    /// Number of past errors kept per lead for its quantiles, thinned so that they span several times the lead.
    pub errors_kept: usize,
}

impl OnlineOptions {
    /// Options for leads of 1 to `max_lead` steps with the given season lengths in steps (empty: no season).
    #[must_use]
    pub fn new(seasons: Vec<usize>, max_lead: usize) -> Self {
        let longest = seasons.iter().copied().max().unwrap_or(0);
        Self {
            seasons: Some(seasons),
            window: (4 * longest).clamp(2_000, 60_000),
            refit_every: (longest / 7).clamp(60, 1_440),
            ..Self::detecting(None, max_lead)
        }
    }

    /// Options for leads of 1 to `max_lead` steps with detected seasons; `step` allows days and weeks to be recognised.
    #[must_use]
    pub fn detecting(step: Option<Step>, max_lead: usize) -> Self {
        let max_lead = max_lead.max(1);
        Self { seasons: None, step, window: 40_320, refit_every: 1_440, warm_after: 60, max_lead, errors_kept: 2_000 }
    }
}

/// A causal forecaster for replays and for decisions at each step: `push` a value, then read quantiles at given
/// leads. It refits at intervals on a bounded window; between refits a step costs O(`max_lead`).
///
/// ```
/// use almanac_models::forecast::{OnlineForecaster, OnlineOptions};
/// let mut online = OnlineForecaster::new(OnlineOptions::new(vec![24], 3));
/// for t in 0..24 * 10 {
///     online.push(100.0 + 50.0 * (f64::from(t) / 24.0 * std::f64::consts::TAU).sin());
/// }
/// let upper = online.quantile(1, 0.95).unwrap();
/// assert!(upper > 90.0 && upper < 130.0);
/// ```
#[derive(Debug, Clone)]
pub struct OnlineForecaster {
    options: OnlineOptions,
    /// Pushed values, NaN where missing, at most `window` of them after a refit.
    history: Vec<f64>,
    pushed: usize,
    seasons: Vec<usize>,
    detected_at: usize,
    fitted_at: usize,
    fit: Option<OnlineFit>,
    /// Forecast courses of the last `max_lead` steps, newest last.
    courses: VecDeque<Vec<f64>>,
    /// Values of the last `max_lead` steps, newest last.
    recent: VecDeque<f64>,
    /// Errors at selected leads, in ascending order; quantiles at other leads are interpolated.
    leads: Vec<LeadErrors>,
    /// Errors of the largest value over a whole course.
    peak: LeadErrors,
    clock: Option<LocalClock>,
}

/// The current fit and the state of its members.
#[derive(Debug, Clone)]
struct OnlineFit {
    histories: TransformedHistories,
    ensemble: Ensemble,
    states: Vec<MemberState>,
}

impl OnlineForecaster {
    /// Creates a forecaster without any values.
    #[must_use]
    pub fn new(options: OnlineOptions) -> Self {
        let mut leads = Vec::new();
        let mut lead = 1;
        while lead < options.max_lead {
            leads.push(LeadErrors::new(lead, options.errors_kept));
            lead += (lead / 8).max(1);
        }
        leads.push(LeadErrors::new(options.max_lead, options.errors_kept));
        let mut seasons = options.seasons.clone().unwrap_or_default();
        seasons.retain(|&m| m >= 2);
        seasons.sort_unstable();
        seasons.dedup();
        Self {
            peak: LeadErrors::new(options.max_lead, options.errors_kept),
            options,
            history: Vec::new(),
            pushed: 0,
            seasons,
            detected_at: 0,
            fitted_at: 0,
            fit: None,
            courses: VecDeque::new(),
            recent: VecDeque::new(),
            leads,
            clock: None,
        }
    }

    /// Works in local time, so that days and weeks keep their pattern across daylight saving; `start`: time of the
    /// first value to be pushed, `step`: distance between values. Call before the first push.
    ///
    /// The second pass of a repeated hour is not learned. Leads count pushed values. Where a clock change moves a lead
    /// beyond `max_lead`, the nearest available lead is used.
    #[must_use]
    pub fn with_clocks(mut self, offsets: UtcOffsets, start: Timestamp, step: Step) -> Self {
        self.clock = Some(LocalClock::new(offsets, start, step));
        self
    }

    /// Adds the value of the next step. NaN, infinite values and values beyond ±1e150 count as missing.
    pub fn push(&mut self, value: f64) {
        let skipped = match &mut self.clock {
            None => Some(0),
            Some(clock) => clock.tick(),
        };
        let Some(skipped) = skipped else { return };
        // An hour that the clocks skip is a gap.
        (0..skipped).for_each(|_| self.take(f64::NAN));
        self.take(value);
    }

    /// Adds the next value in local time.
    fn take(&mut self, value: f64) {
        let value = if value.abs() <= 1e150 { value } else { f64::NAN };
        // Before the model is updated: errors are those of earlier forecasts.
        self.learn_errors(value);
        self.history.push(value);
        self.pushed += 1;
        if let Some(fit) = &mut self.fit {
            // A missing value is replaced by its forecast.
            let stand_in = self.courses.back().and_then(|course| course.first().copied());
            fit.push(if value.is_finite() { value } else { stand_in.unwrap_or(0.0) });
        }
        let since = self.pushed - self.fitted_at;
        let due = if self.fit.is_some() {
            since >= self.options.refit_every.min((self.fitted_at / 4).max(30))
        } else {
            self.pushed >= self.options.warm_after.max(10) && since >= 10
        };
        if due {
            self.refit();
        }
        let max_lead = self.options.max_lead;
        let course = self.fit.as_ref().map_or_else(Vec::new, |fit| fit.course(max_lead));
        self.courses.push_back(course);
        if self.courses.len() > max_lead {
            self.courses.pop_front();
        }
    }

    /// Adds the errors of earlier forecasts of `value` at each tracked lead and of the maximum over a course.
    fn learn_errors(&mut self, value: f64) {
        let max_lead = self.options.max_lead;
        self.recent.push_back(value);
        if self.recent.len() > max_lead {
            self.recent.pop_front();
        }
        let Some(fit) = &self.fit else { return };
        let transforms = &fit.histories.transforms;
        let made = self.courses.len();
        if value.is_finite() {
            for errors in &mut self.leads {
                let lead = errors.lead();
                if let Some(point) = made.checked_sub(lead).and_then(|i| self.courses[i].get(lead - 1)) {
                    errors.push(transforms, *point, value);
                }
            }
        }
        // All values of the oldest course have now been observed.
        if made == max_lead && self.recent.iter().all(|v| v.is_finite()) {
            let highest = |v: &mut dyn Iterator<Item = f64>| v.fold(f64::NEG_INFINITY, f64::max);
            let point = highest(&mut self.courses[0].iter().copied());
            if point.is_finite() {
                self.peak.push(transforms, point, highest(&mut self.recent.iter().copied()));
            }
        }
    }

    /// Refits on the newest `window` values and re-detects seasons when the history has grown by half.
    fn refit(&mut self) {
        self.fitted_at = self.pushed;
        let window = self.options.window.max(16);
        if self.history.len() > window {
            self.history.drain(..self.history.len() - window);
        }
        if self.options.seasons.is_none() && self.pushed >= self.detected_at + (self.detected_at / 2).max(60) {
            self.detected_at = self.pushed;
            let detector = SeasonDetector::default();
            let detector = match self.options.step {
                Some(step) => detector.with_step(step),
                None => detector,
            };
            self.seasons = detector.detect(&self.history).iter().map(|s| s.period).collect();
        }
        let Some(first) = self.history.iter().position(|v| v.is_finite()) else { return };
        let y = fill_gaps(&self.history[first..], &self.seasons);
        let support = Support::of(&y);
        let Some(histories) = TransformedHistories::new(&y, support) else { return };
        let horizon = self.options.max_lead;
        let periods = Periods { seasons: &self.seasons, cycles: &[], cycle: None };
        let ensemble = Ensemble::fit(&histories, y.len(), periods, horizon, support, MemberSelection::Light, None);
        let states = ensemble.states(&histories);
        // Errors are kept in transformed units: convert them to those of the new fit.
        self.leads.iter_mut().for_each(|errors| errors.rescale(&histories.transforms));
        self.peak.rescale(&histories.transforms);
        self.fit = Some(OnlineFit { histories, ensemble, states });
    }

    /// Point forecast `lead` steps after the last push; `None` before the first fit or beyond `max_lead`.
    #[must_use]
    pub fn point(&self, lead: usize) -> Option<f64> {
        self.courses.back()?.get(self.local_lead(lead)?.checked_sub(1)?).copied()
    }

    /// Converts a lead to local time; `None` outside `1..=max_lead`.
    fn local_lead(&self, lead: usize) -> Option<usize> {
        let known = (1..=self.options.max_lead).contains(&lead);
        known.then(|| self.clock.as_ref().map_or(lead, |clock| clock.lead(lead, self.options.max_lead)))
    }

    /// Quantile `p` of the value `lead` steps after the last push, from recent errors at that lead; `None` before
    /// enough errors are known, beyond `max_lead`, or for `p` outside (0, 1).
    #[must_use]
    pub fn quantile(&self, lead: usize, p: f64) -> Option<f64> {
        let point = self.point(lead)?;
        let lead = self.local_lead(lead)?;
        let transforms = &self.fit.as_ref()?.histories.transforms;
        if !(p > 0.0 && p < 1.0) {
            return None;
        }
        let after = self.leads.partition_point(|errors| errors.lead() < lead).min(self.leads.len() - 1);
        let upper = &self.leads[after];
        let mut value = upper.quantile(transforms, point, p)?;
        if upper.lead() > lead && after > 0 {
            let lower = &self.leads[after - 1];
            let share = (lead - lower.lead()) as f64 / (upper.lead() - lower.lead()) as f64;
            value = lower.quantile(transforms, point, p)? * (1.0 - share) + value * share;
        }
        Some(self.bounded(value))
    }

    /// Quantile `p` of the largest value over all leads `1..=max_lead` after the last push: the capacity needed over a
    /// whole start-up window; `None` as in [`Self::quantile`].
    #[must_use]
    pub fn quantile_of_max(&self, p: f64) -> Option<f64> {
        let course = self.courses.back()?;
        let transforms = &self.fit.as_ref()?.histories.transforms;
        let point = course.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if !(point.is_finite() && p > 0.0 && p < 1.0) {
            return None;
        }
        self.peak.quantile(transforms, point, p).map(|value| self.bounded(value))
    }

    /// Clamps a value to the support of the series.
    fn bounded(&self, value: f64) -> f64 {
        self.fit.as_ref().map_or(value, |fit| fit.ensemble.support().clamp(value))
    }

    /// Share of recent values that did not exceed the quantile `p` predicted for them `lead` steps ahead; `None` with
    /// too few values or for a lead without tracked errors (above 16, tracked leads are about an eighth apart).
    ///
    /// # Errors
    /// [`ForecastError::OutOfRange`] for a lead above `max_lead` or a `p` outside (0, 1).
    pub fn measured_coverage(&self, lead: usize, p: f64) -> Result<Option<f64>, ForecastError> {
        if !(p > 0.0 && p < 1.0) {
            return Err(ForecastError::OutOfRange { what: "quantile", value: p });
        }
        if lead == 0 || lead > self.options.max_lead {
            return Err(ForecastError::OutOfRange { what: "lead", value: lead as f64 });
        }
        Ok(self.leads.iter().find(|errors| errors.lead() == lead).and_then(|errors| errors.coverage(p)))
    }

    /// As [`Self::measured_coverage`], for the quantile of [`Self::quantile_of_max`].
    #[must_use]
    pub fn measured_coverage_of_max(&self, p: f64) -> Option<f64> {
        self.peak.coverage(p)
    }

    /// Seasons in use, in steps, shortest first.
    #[must_use]
    pub fn seasons(&self) -> &[usize] {
        &self.seasons
    }
}

impl Predict for OnlineForecaster {
    /// Forecasts the next `horizon` steps after the last push, with intervals from recent errors at each lead.
    ///
    /// # Errors
    /// [`ForecastError::OutOfRange`] for a horizon above `max_lead`, [`ForecastError::NotWarm`] before the
    /// first fit and, if levels are requested, before enough errors are known.
    ///
    /// ```
    /// use almanac_models::{Horizon, Level, forecast::{OnlineForecaster, OnlineOptions, Predict}};
    /// let mut online = OnlineForecaster::new(OnlineOptions::new(vec![24], 3));
    /// (0..240).for_each(|t| online.push(f64::from(t % 24)));
    /// let forecast = online.predict(Horizon::try_new(3)?, &[Level::from_percent(80.0)?])?;
    /// assert!((forecast.point[2] - 2.0).abs() < 2.0);
    /// # Ok::<(), almanac_models::forecast::ForecastError>(())
    /// ```
    fn predict(&self, horizon: Horizon, levels: &[Level]) -> Result<Forecast, ForecastError> {
        let steps = horizon.steps();
        if steps > self.options.max_lead {
            return Err(ForecastError::OutOfRange { what: "horizon", value: steps as f64 });
        }
        let course = |at: &dyn Fn(usize) -> Option<f64>| -> Result<Vec<f64>, ForecastError> {
            (1..=steps).map(at).collect::<Option<_>>().ok_or(ForecastError::NotWarm)
        };
        let point = course(&|lead| self.point(lead))?;
        let interval = |level: &Level| {
            let tail = 0.5 * (1.0 - level.fraction());
            // The interval must contain the point, which may lie outside the quantiles after a run of errors to one
            // side.
            let lower = course(&|lead| Some(self.quantile(lead, tail)?.min(point[lead - 1])))?;
            let upper = course(&|lead| Some(self.quantile(lead, 1.0 - tail)?.max(point[lead - 1])))?;
            Ok(Interval { level: *level, lower, upper })
        };
        let intervals = levels.iter().map(interval).collect::<Result<_, ForecastError>>()?;
        Ok(Forecast { point, intervals })
    }
}

impl OnlineFit {
    fn push(&mut self, value: f64) {
        self.histories.push(value);
        self.ensemble.update(&self.histories, &mut self.states);
    }

    fn course(&self, horizon: usize) -> Vec<f64> {
        median_course(&self.ensemble.forecasts_at(&self.histories, &self.states, horizon))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn daily(t: usize) -> f64 {
        100.0 + 50.0 * (t as f64 / 24.0 * std::f64::consts::TAU).sin() + ((t * 7_919) % 13) as f64
    }

    #[test]
    fn quantiles_hold_what_they_promise() {
        let mut online = OnlineForecaster::new(OnlineOptions::new(vec![24], 6));
        let mut below = 0.0;
        let mut asked = 0.0;
        for t in 0..24 * 60 {
            if t > 24 * 20 {
                let upper = online.quantile(1, 0.9).unwrap();
                asked += 1.0;
                below += f64::from(u8::from(daily(t) <= upper));
            }
            online.push(daily(t));
        }
        let share: f64 = below / asked;
        assert!((share - 0.9).abs() < 0.04, "{share}");
        assert!((online.measured_coverage(1, 0.9).unwrap().unwrap() - 0.9).abs() < 0.04);
        assert!(online.quantile_of_max(0.9).unwrap() >= online.point(1).unwrap());
        assert_eq!(online.quantile(7, 0.9), None);
        assert_eq!(online.quantile(0, 0.9), None);
        assert!(online.measured_coverage(7, 0.9).is_err());
    }

    #[test]
    fn the_future_does_not_reach_back() {
        let mut a = OnlineForecaster::new(OnlineOptions::detecting(None, 4));
        let mut b = a.clone();
        for t in 0..500 {
            a.push(daily(t));
            b.push(daily(t));
            assert_eq!(a.quantile(3, 0.8), b.quantile(3, 0.8), "step {t}");
        }
        b.push(1e9);
        assert_ne!(a.point(1), b.point(1));
    }

    #[test]
    fn missing_and_constant_values_are_survived() {
        let mut online = OnlineForecaster::new(OnlineOptions::detecting(None, 2));
        for t in 0..400 {
            online.push(match t % 5 {
                0 => f64::NAN,
                1 => f64::INFINITY,
                _ => 7.0,
            });
        }
        for t in 0..400 {
            online.push(if t % 9 == 0 { f64::NAN } else { daily(t) });
        }
        assert!(online.point(2).unwrap().is_finite());
    }
}
