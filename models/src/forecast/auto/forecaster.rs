//! The default forecaster: its options, and the preparation of a series before the fit.

use std::ops::Range;

use super::fit::PreparedSeries;
use super::fitted::{Adjustments, FittedForecast};
use crate::forecast::calendar::{Holidays, LocalSeries, without};
use crate::forecast::combine::TransformedHistories;
use crate::forecast::counts::CountModel;
use crate::forecast::prepare::{Alignment, Lengths, Support, alignment, check, fill_gaps};
use crate::forecast::recurring::{Cycle, Jobs, find};
use crate::forecast::{Fit, ForecastError, naive_scale};
use crate::seasons::SeasonDetector;
use crate::units::UtcOffsets;
use crate::{Horizon, Step, Timestamp};

/// Maximum number of points of history in a fit, unless four of the longest season are more.
const MAX_POINTS: usize = 20_000;
/// Minimum number of finite values.
const MIN_POINTS: usize = 3;
/// Longest step at which jobs are searched.
const LONGEST_JOB_STEP_MS: i64 = 1_800_000;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const WEEK_MS: i64 = 7 * DAY_MS;
/// Average month and year of the Julian calendar, for calendar steps.
const MONTH_MS: i64 = YEAR_MS / 12;
const YEAR_MS: i64 = 31_557_600_000;

/// The default forecaster: several base models, weighted by their errors from rolling origins, with intervals
/// calibrated at each lead.
///
/// ```
/// use almanac_models::{Horizon, Level, Step, forecast::{AutoForecaster, Fit, Predict}};
/// let hour = Step::from_millis(3_600_000)?;
/// let day = Step::from_millis(86_400_000)?;
/// let y: Vec<f64> = (0..24 * 14).map(|t| 100.0 + 50.0 * (f64::from(t) / 24.0 * std::f64::consts::TAU).sin()).collect();
/// let fitted = AutoForecaster::new(hour).with_seasons(vec![day]).fit(&y)?;
/// let forecast = fitted.predict(Horizon::try_new(24)?, &[Level::from_percent(80.0)?])?;
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
    /// Creates a forecaster for series with the given step between points. Seasons are detected.
    #[must_use]
    pub fn new(step: Step) -> Self {
        Self { step, seasons: None, horizon: None, holidays: Vec::new(), clocks: None }
    }

    /// Uses these seasons instead of detecting them; an empty list means no season.
    #[must_use]
    pub fn with_seasons(mut self, seasons: Vec<Step>) -> Self {
        self.seasons = Some(seasons);
        self
    }

    /// Calibrates intervals up to this horizon (default: the longest season, at least 48 steps, at most 1,440).
    /// At longer leads they widen by extrapolation.
    #[must_use]
    pub fn with_horizon(mut self, horizon: Horizon) -> Self {
        self.horizon = Some(horizon);
        self
    }

    /// Sets the holidays as ranges of steps, counted from the start of the series to fit. Ranges from its length on are
    /// future holidays.
    ///
    /// Past holidays are excluded from training. A future holiday is forecast with the mean departure of past holidays,
    /// by phase of the day. Without a past holiday it is forecast like the weekday with the lowest values.
    ///
    /// ```
    /// use almanac_models::{Horizon, Step, forecast::{AutoForecaster, Fit, Predict}};
    /// let y: Vec<f64> = (0..24 * 21).map(|t| if t / 24 % 7 == 6 { 20.0 } else { 100.0 + f64::from(t % 24) }).collect();
    /// let tomorrow = y.len()..y.len() + 24;
    /// let fitted = AutoForecaster::new(Step::from_millis(3_600_000)?).with_holidays(vec![tomorrow]).fit(&y)?;
    /// assert!((fitted.predict(Horizon::try_new(24)?, &[])?.point[12] - 20.0).abs() < 1.0);
    /// # Ok::<(), almanac_models::forecast::ForecastError>(())
    /// ```
    #[must_use]
    pub fn with_holidays(mut self, ranges: Vec<Range<usize>>) -> Self {
        self.holidays = ranges;
        self
    }

    /// Fits in local time, so that days and weeks keep their pattern across daylight saving; `start`: time of the first
    /// value of the series to fit.
    #[must_use]
    pub fn with_clocks(mut self, offsets: UtcOffsets, start: Timestamp) -> Self {
        self.clocks = Some((offsets, start));
        self
    }

    /// Fits an evenly spaced series, without daylight saving.
    fn fit_plain(&self, seen: &[f64]) -> Result<FittedForecast, ForecastError> {
        let ordinary = without(seen, &self.holidays);
        let finite = ordinary.iter().filter(|v| v.is_finite()).count();
        if finite < MIN_POINTS {
            return Err(ForecastError::TooShort { points: finite, needed: MIN_POINTS });
        }
        let first = ordinary.iter().position(|v| v.is_finite()).unwrap_or(0);
        let support = Support::of(&seen[first..]);
        let mut y = ordinary[first..].to_vec();
        // Mask jobs first: they would hide seasons and count as noise.
        let jobs = mask_jobs(&mut y, find(&ordinary[first..], &self.job_cycles(), support.is_count()));
        let mut seasons = self.season_lengths(&y)?;
        let dropped = y.len().saturating_sub(MAX_POINTS.max(4 * seasons.last().copied().unwrap_or(0)));
        let mut history =
            TrainingWindow { y: y.split_off(dropped), seen: seen[first + dropped..].to_vec(), start: dropped };
        let mut filled = fill_gaps(&history.y, &seasons);
        let aligned = self.alignment(&filled, &seasons, support);
        if support.is_count() {
            // The count model estimates a mean: history from another level would bias it.
            let present = history.since(aligned.as_ref().map_or(0, |aligned| aligned.since));
            if let Some(counts) =
                CountModel::fit(&present.y, &self.cycles(&seasons, present.y.len()), self.horizon(&seasons))
            {
                return Ok(self.count_forecast(counts, &present, &seasons, jobs, first));
            }
        }
        if let Some(aligned) = aligned {
            history.align(&aligned);
            seasons = self.season_lengths(&history.y)?;
            filled = fill_gaps(&history.y, &seasons);
        }
        // Filling a gap from neighbouring seasons may exceed the bounds of the observed values.
        filled.iter_mut().for_each(|v| *v = support.clamp(*v));
        let TrainingWindow { y, seen, start } = &history;
        let reported = self.reported_seasons(&seasons, &jobs);
        let holidays = self.holidays(seen, &with_jobs(&filled, &jobs, *start), first + start);
        let adjustments = Adjustments { jobs, jobs_from: start + y.len(), holidays, support };
        let Some(histories) = TransformedHistories::new(&filled, support) else {
            return Ok(FittedForecast::constant(reported, filled[0], y.len(), adjustments));
        };
        let cycles = self.cycles(&seasons, y.len());
        let fit =
            PreparedSeries { y, filled: &filled, histories: &histories, seasons: &seasons, cycles: &cycles, support };
        Ok(fit.fit(self.horizon(&seasons), reported, adjustments))
    }

    /// Returns the number of steps up to which intervals are calibrated.
    fn horizon(&self, seasons: &[usize]) -> usize {
        self.horizon.map_or(seasons.last().copied().unwrap_or(0).clamp(48, 1_440), Horizon::steps)
    }

    /// Returns the seasons in use, including the cycles of jobs.
    fn reported_seasons(&self, seasons: &[usize], jobs: &Jobs) -> Vec<Step> {
        let mut all = seasons.to_vec();
        all.extend(jobs.periods());
        all.sort_unstable();
        all.dedup();
        let length = |m: usize| Step::from_millis(self.step.millis() * i64::try_from(m).ok()?).ok();
        all.into_iter().filter_map(length).collect()
    }

    /// Wraps a count model with jobs and holidays.
    fn count_forecast(
        &self,
        counts: CountModel,
        present: &TrainingWindow,
        seasons: &[usize],
        jobs: Jobs,
        first: usize,
    ) -> FittedForecast {
        let support = Support::of(&present.seen);
        let filled = fill_gaps(&present.y, seasons);
        let expected = with_jobs(&filled, &jobs, present.start);
        let holidays = self.holidays(&present.seen, &expected, first + present.start);
        let scale = naive_scale(&present.y, seasons.first().copied().unwrap_or(1));
        let reported = self.reported_seasons(seasons, &jobs);
        let adjustments = Adjustments { jobs, jobs_from: present.start + present.y.len(), holidays, support };
        FittedForecast::counts(reported, counts, present.y.len(), scale, adjustments)
    }

    /// Returns the alignment of older values to the present level, if the level shifted; `None` if the aligned series
    /// would be constant.
    fn alignment(&self, filled: &[f64], seasons: &[usize], support: Support) -> Option<Alignment> {
        let fits = seasons.iter().copied().filter(|m| filled.len() >= 3 * m);
        let day = self.to_steps(DAY_MS).filter(|day| *day >= 2);
        let lengths = Lengths { cycle: fits.max().unwrap_or(0), day, counts: support.is_count() };
        let found = alignment(filled, lengths)?;
        let aligned = found.apply(filled);
        aligned.iter().any(|v| (v - aligned[0]).abs() > 1e-9 * aligned[0].abs()).then_some(found)
    }

    /// Converts milliseconds to steps; `None` unless they are a whole number of steps.
    fn to_steps(&self, millis: i64) -> Option<usize> {
        (millis % self.step.millis() == 0).then(|| usize::try_from(millis / self.step.millis()).ok())?
    }

    /// Returns the seasons plus a day, a week and, for monthly steps, a year: the history may be too short or too noisy
    /// to detect these. Rolling origins measure whether they help.
    fn cycles(&self, seasons: &[usize], n: usize) -> Vec<usize> {
        let mut cycles = seasons.to_vec();
        if self.seasons.is_none() {
            let whole =
                [DAY_MS, WEEK_MS, YEAR_MS].into_iter().filter(|ms| *ms < YEAR_MS || self.step.millis() >= MONTH_MS);
            let whole = whole.filter_map(|ms| self.to_steps(ms));
            cycles.extend(whole.filter(|m| *m >= 2 && n > m + m / 4 && !seasons.contains(m)));
        }
        cycles
    }

    /// Returns the cycles at which jobs may recur: hours, days and weeks, or the given seasons.
    fn job_cycles(&self) -> Vec<Cycle> {
        let given: Vec<i64> = match &self.seasons {
            Some(seasons) => seasons.iter().map(|season| season.millis()).collect(),
            None => vec![HOUR_MS, DAY_MS, WEEK_MS],
        };
        // At longer steps a job is a phase of the day, which the ordinary models represent.
        let given = given.into_iter().filter(|_| self.step.millis() <= LONGEST_JOB_STEP_MS);
        let cycle = |ms: i64| {
            let period = self.to_steps(ms)?;
            // The longest job (an hour in a day, minutes in an hour) must fill less than half of the running median.
            let window_ms = if ms <= DAY_MS { ms / 8 } else { DAY_MS / 4 };
            let window_ms = if ms <= HOUR_MS { ms / 4 } else { window_ms };
            let window = usize::try_from(window_ms / self.step.millis()).ok()?;
            Some(Cycle { period, window, kinds: if ms == DAY_MS { 7 } else { 1 } })
        };
        let mut cycles: Vec<Cycle> = given.filter_map(cycle).collect();
        cycles.sort_unstable_by_key(|cycle| cycle.period);
        cycles
    }

    /// Fits the effect of holidays on the values `seen`, relative to the `ordinary` expectation. Both start at step
    /// `cut` of the series.
    fn holidays(&self, seen: &[f64], ordinary: &[f64], cut: usize) -> Option<Holidays> {
        let moved = self.holidays.iter().filter(|r| r.end > cut);
        let ranges: Vec<Range<usize>> = moved.map(|r| r.start.saturating_sub(cut)..r.end - cut).collect();
        let half = self.step.millis() / 2;
        let day = usize::try_from(DAY_MS.saturating_add(half) / self.step.millis()).unwrap_or(1).max(1);
        (!ranges.is_empty()).then(|| Holidays::new(seen, ordinary, &ranges, day))
    }

    /// Returns the length of a year for steps of a month or a quarter, when the years of `y` are similar.
    fn year(&self, y: &[f64]) -> Option<usize> {
        let year = self.to_steps(YEAR_MS).filter(|m| *m >= 2 && self.step.millis() >= MONTH_MS && y.len() >= 2 * m)?;
        is_periodic(y, year).then_some(year)
    }

    /// Returns the given or detected season lengths in steps, shortest first.
    fn season_lengths(&self, y: &[f64]) -> Result<Vec<usize>, ForecastError> {
        let Some(given) = &self.seasons else {
            let found = SeasonDetector::default().with_step(self.step).detect(y);
            let mut lengths: Vec<usize> = found.iter().map(|s| s.period).collect();
            lengths.extend(self.year(y).filter(|year| !lengths.contains(year)));
            lengths.sort_unstable();
            return Ok(lengths);
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

impl Fit for AutoForecaster {
    type Fitted = FittedForecast;

    /// Fits the series `y`: evenly spaced, oldest first, NaN where a value is missing.
    ///
    /// # Errors
    /// [`ForecastError::TooShort`] below three finite values, [`ForecastError::Infinite`],
    /// [`ForecastError::TooLarge`], [`ForecastError::Season`] for a given season that does not fit the step.
    fn fit(&self, y: &[f64]) -> Result<FittedForecast, ForecastError> {
        check(y)?;
        let Some((offsets, start)) = &self.clocks else { return self.fit_plain(y) };
        // Fit in local time; the fitted model maps its leads back.
        let local = LocalSeries::new(offsets, *start, self.step, y.len());
        let by_place = Self { holidays: local.ranges(&self.holidays), clocks: None, ..self.clone() };
        by_place.fit_plain(&local.series(y)).map(|fitted| fitted.in_local_time(local))
    }
}

/// The part of a series that a model is fitted on.
struct TrainingWindow {
    /// NaN at holidays and jobs.
    y: Vec<f64>,
    /// The observed values, holidays and jobs included.
    seen: Vec<f64>,
    /// First step, in the step count of the jobs.
    start: usize,
}

impl TrainingWindow {
    fn since(&self, step: usize) -> Self {
        Self { y: self.y[step..].to_vec(), seen: self.seen[step..].to_vec(), start: self.start + step }
    }

    fn align(&mut self, to: &Alignment) {
        self.y = to.apply(&self.y);
        self.seen = to.apply(&self.seen);
    }
}

/// Sets the steps of `y` at which jobs are due to NaN, unless fewer than [`MIN_POINTS`] values would be left.
fn mask_jobs(y: &mut [f64], jobs: Jobs) -> Jobs {
    let due: Vec<bool> = (0..y.len()).map(|t| jobs.holds(t)).collect();
    if y.iter().zip(&due).filter(|(v, due)| v.is_finite() && !**due).count() < MIN_POINTS {
        return Jobs::default();
    }
    y.iter_mut().zip(&due).filter(|(_, due)| **due).for_each(|(v, _)| *v = f64::NAN);
    jobs
}

/// Adds the median effect of jobs to each step of `filled`, which starts at the jobs' step `start`.
fn with_jobs(filled: &[f64], jobs: &Jobs, start: usize) -> Vec<f64> {
    let added = |t: usize| jobs.at(start + t).iter().map(|job| job.point()).sum::<f64>();
    filled.iter().enumerate().map(|(t, v)| v + added(t)).collect()
}

/// Returns whether departures from the mean of a cycle are correlated with those one cycle later, at a significance of
/// about 2 %.
fn is_periodic(y: &[f64], cycle: usize) -> bool {
    let filled = fill_gaps(y, &[]);
    let n = filled.len();
    let mean = |t: usize| {
        let start = t.saturating_sub(cycle / 2).min(n - cycle);
        filled[start..start + cycle].iter().sum::<f64>() / cycle as f64
    };
    let rest: Vec<f64> = (0..n).map(|t| filled[t] - mean(t)).collect();
    let (mut product, mut square) = (0.0, 0.0);
    for (a, b) in rest.iter().zip(&rest[cycle..]) {
        product += a * b;
        square += 0.5 * (a * a + b * b);
    }
    square > 0.0 && product / square > 2.0 / ((n - cycle) as f64).sqrt()
}
