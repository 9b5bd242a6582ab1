//! The default forecaster: what a caller may tell it, and how a series is prepared before it is fitted.

use std::ops::Range;

use super::fit::Prepared;
use super::fitted::{FittedForecast, Rest};
use crate::forecast::calendar::{Holidays, Local, without};
use crate::forecast::combine::Views;
use crate::forecast::counts::CountModel;
use crate::forecast::prepare::{Alignment, Lengths, Support, alignment, check, fill_gaps};
use crate::forecast::recurring::{Cycle, Jobs, find};
use crate::forecast::{Fit, ForecastError, naive_scale};
use crate::seasons::SeasonDetector;
use crate::units::UtcOffsets;
use crate::{Horizon, Step, Timestamp};

/// Points of history that a fit looks at, unless four of the longest season are more.
const MAX_POINTS: usize = 20_000;
/// Finite values without which nothing is forecast.
const MIN_POINTS: usize = 3;
/// Step above which no jobs are looked for.
const LONGEST_JOB_STEP_MS: i64 = 1_800_000;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const WEEK_MS: i64 = 7 * DAY_MS;
/// A month, a twelfth of a year, and a year of the Julian calendar: what steps by the calendar are on average.
const MONTH_MS: i64 = YEAR_MS / 12;
const YEAR_MS: i64 = 31_557_600_000;

/// The default forecaster: several base models, combined as they did from rolling origins, with
/// conformal intervals of the right horizon.
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

    /// Follows the clocks of a place, so that days and weeks keep their pattern across daylight saving; `start`: when
    /// the first value of the series that will be fitted was measured.
    #[must_use]
    pub fn with_clocks(mut self, offsets: UtcOffsets, start: Timestamp) -> Self {
        self.clocks = Some((offsets, start));
        self
    }

    /// Fits a series by one clock.
    fn fit_plain(&self, seen: &[f64]) -> Result<FittedForecast, ForecastError> {
        let ordinary = without(seen, &self.holidays);
        let finite = ordinary.iter().filter(|v| v.is_finite()).count();
        if finite < MIN_POINTS {
            return Err(ForecastError::TooShort { points: finite, needed: MIN_POINTS });
        }
        let first = ordinary.iter().position(|v| v.is_finite()).unwrap_or(0);
        let support = Support::of(&seen[first..]);
        let mut y = ordinary[first..].to_vec();
        // Jobs first: the few steps that they take would hide seasons and count as noise.
        let jobs = take_out(&mut y, find(&ordinary[first..], &self.job_cycles(), support.counts()));
        let mut seasons = self.season_lengths(&y)?;
        let dropped = y.len().saturating_sub(MAX_POINTS.max(4 * seasons.last().copied().unwrap_or(0)));
        let mut history = History { y: y.split_off(dropped), seen: seen[first + dropped..].to_vec(), start: dropped };
        let mut filled = fill_gaps(&history.y, &seasons);
        let aligned = self.alignment(&filled, &seasons, support);
        if support.counts() {
            // A mean needs no history of another level.
            let present = history.since(aligned.as_ref().map_or(0, |aligned| aligned.since));
            if let Some(counts) =
                CountModel::fit(&present.y, &self.cycles(&seasons, present.y.len()), self.horizon(&seasons))
            {
                return Ok(self.of_counts(counts, &present, &seasons, jobs, first));
            }
        }
        if let Some(aligned) = aligned {
            history.align(&aligned);
            seasons = self.season_lengths(&history.y)?;
            filled = fill_gaps(&history.y, &seasons);
        }
        // What was seen decides: a gap filled by the seasons around it may leave the bounds that nothing ever left.
        filled.iter_mut().for_each(|v| *v = support.held(*v));
        let History { y, seen, start } = &history;
        let named = self.named(&seasons, &jobs);
        let holidays = self.holidays(seen, &with_jobs(&filled, &jobs, *start), first + start);
        let rest = Rest { jobs, jobs_from: start + y.len(), holidays, support };
        let Some(views) = Views::new(&filled, support) else {
            return Ok(FittedForecast::constant(named, filled[0], y.len(), rest));
        };
        let cycles = self.cycles(&seasons, y.len());
        let fit = Prepared { y, filled: &filled, views: &views, seasons: &seasons, cycles: &cycles, support };
        Ok(fit.run(self.horizon(&seasons), named, rest))
    }

    /// Steps up to which intervals are calibrated.
    fn horizon(&self, seasons: &[usize]) -> usize {
        self.horizon.map_or(seasons.last().copied().unwrap_or(0).clamp(48, 1_440), Horizon::steps)
    }

    /// The seasons in use, those with which jobs return among them.
    fn named(&self, seasons: &[usize], jobs: &Jobs) -> Vec<Step> {
        let mut all = seasons.to_vec();
        all.extend(jobs.periods());
        all.sort_unstable();
        all.dedup();
        let length = |m: usize| Step::from_millis(self.step.millis() * i64::try_from(m).ok()?).ok();
        all.into_iter().filter_map(length).collect()
    }

    fn of_counts(
        &self,
        counts: CountModel,
        present: &History,
        seasons: &[usize],
        jobs: Jobs,
        first: usize,
    ) -> FittedForecast {
        let support = Support::of(&present.seen);
        let filled = fill_gaps(&present.y, seasons);
        let expected = with_jobs(&filled, &jobs, present.start);
        let holidays = self.holidays(&present.seen, &expected, first + present.start);
        let scale = naive_scale(&present.y, seasons.first().copied().unwrap_or(1));
        let named = self.named(seasons, &jobs);
        let rest = Rest { jobs, jobs_from: present.start + present.y.len(), holidays, support };
        FittedForecast::counts(named, counts, present.y.len(), scale, rest)
    }

    /// How older values become those of the present level, where that is another; a series that would be constant then
    /// is left as it is.
    fn alignment(&self, filled: &[f64], seasons: &[usize], support: Support) -> Option<Alignment> {
        let fits = seasons.iter().copied().filter(|m| filled.len() >= 3 * m);
        let day = self.whole(DAY_MS).filter(|day| *day >= 2);
        let lengths = Lengths { cycle: fits.max().unwrap_or(0), day, counts: support.counts() };
        let found = alignment(filled, lengths)?;
        let aligned = found.apply(filled);
        aligned.iter().any(|v| (v - aligned[0]).abs() > 1e-9 * aligned[0].abs()).then_some(found)
    }

    /// So many milliseconds in steps, where they are a whole number of them.
    fn whole(&self, millis: i64) -> Option<usize> {
        (millis % self.step.millis() == 0).then(|| usize::try_from(millis / self.step.millis()).ok())?
    }

    /// The seasons, and a day and a week, or of months a year, that are too few yet to be found, or too faint: forecasts
    /// from rolling origins say whether they are any good.
    fn cycles(&self, seasons: &[usize], n: usize) -> Vec<usize> {
        let mut cycles = seasons.to_vec();
        if self.seasons.is_none() {
            let whole =
                [DAY_MS, WEEK_MS, YEAR_MS].into_iter().filter(|ms| *ms < YEAR_MS || self.step.millis() >= MONTH_MS);
            let whole = whole.filter_map(|ms| self.whole(ms));
            cycles.extend(whole.filter(|m| *m >= 2 && n > m + m / 4 && !seasons.contains(m)));
        }
        cycles
    }

    /// Cycles with which jobs may return: hours, days and weeks, or the seasons that were given.
    fn job_cycles(&self) -> Vec<Cycle> {
        let given: Vec<i64> = match &self.seasons {
            Some(seasons) => seasons.iter().map(|season| season.millis()).collect(),
            None => vec![HOUR_MS, DAY_MS, WEEK_MS],
        };
        // At longer steps a job is a phase of the day that the ordinary models see.
        let given = given.into_iter().filter(|_| self.step.millis() <= LONGEST_JOB_STEP_MS);
        let cycle = |ms: i64| {
            let period = self.whole(ms)?;
            // A job of an hour within a day, of minutes within an hour, must not fill half of the running median.
            let window_ms = if ms <= DAY_MS { ms / 8 } else { DAY_MS / 4 };
            let window_ms = if ms <= HOUR_MS { ms / 4 } else { window_ms };
            let window = usize::try_from(window_ms / self.step.millis()).ok()?;
            Some(Cycle { period, window, kinds: if ms == DAY_MS { 7 } else { 1 } })
        };
        let mut cycles: Vec<Cycle> = given.filter_map(cycle).collect();
        cycles.sort_unstable_by_key(|cycle| cycle.period);
        cycles
    }

    /// What holidays do to the values `seen` from step `cut` on, where `ordinary` ones would have been expected.
    fn holidays(&self, seen: &[f64], ordinary: &[f64], cut: usize) -> Option<Holidays> {
        let moved = self.holidays.iter().filter(|r| r.end > cut);
        let ranges: Vec<Range<usize>> = moved.map(|r| r.start.saturating_sub(cut)..r.end - cut).collect();
        let half = self.step.millis() / 2;
        let day = usize::try_from(DAY_MS.saturating_add(half) / self.step.millis()).unwrap_or(1).max(1);
        (!ranges.is_empty()).then(|| Holidays::new(seen, ordinary, &ranges, day))
    }

    /// A year in steps of a month or a quarter, when the years of `y` are alike.
    fn year(&self, y: &[f64]) -> Option<usize> {
        let year = self.whole(YEAR_MS).filter(|m| *m >= 2 && self.step.millis() >= MONTH_MS && y.len() >= 2 * m)?;
        alike(y, year).then_some(year)
    }

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
        let local = Local::new(offsets, *start, self.step, y.len());
        let by_place = Self { holidays: local.ranges(&self.holidays), clocks: None, ..self.clone() };
        by_place.fit_plain(&local.series(y)).map(|fitted| fitted.by(local))
    }
}

/// The part of a series that a model is fitted on.
struct History {
    /// Holidays and jobs left out.
    y: Vec<f64>,
    /// With them.
    seen: Vec<f64>,
    /// Its first step, as jobs count them.
    start: usize,
}

impl History {
    fn since(&self, step: usize) -> Self {
        Self { y: self.y[step..].to_vec(), seen: self.seen[step..].to_vec(), start: self.start + step }
    }

    fn align(&mut self, to: &Alignment) {
        self.y = to.apply(&self.y);
        self.seen = to.apply(&self.seen);
    }
}

/// Leaves out of `y` the steps at which jobs are due, unless hardly anything would be left.
fn take_out(y: &mut [f64], jobs: Jobs) -> Jobs {
    let held: Vec<bool> = (0..y.len()).map(|t| jobs.holds(t)).collect();
    if y.iter().zip(&held).filter(|(v, held)| v.is_finite() && !**held).count() < MIN_POINTS {
        return Jobs::default();
    }
    y.iter_mut().zip(&held).filter(|(_, held)| **held).for_each(|(v, _)| *v = f64::NAN);
    jobs
}

/// What is expected of each step, jobs included; the first step is the jobs' step `start`.
fn with_jobs(filled: &[f64], jobs: &Jobs, start: usize) -> Vec<f64> {
    let added = |t: usize| jobs.at(start + t).iter().map(|job| job.point()).sum::<f64>();
    filled.iter().enumerate().map(|(t, v)| v + added(t)).collect()
}

/// Whether what departs from the mean of a cycle repeats a cycle later: with a correlation that one series in fifty of
/// noise would have.
fn alike(y: &[f64], cycle: usize) -> bool {
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
