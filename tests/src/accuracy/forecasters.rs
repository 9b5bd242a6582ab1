//! The measured forecasters: ours as they are called, and the naive ones for comparison.

use std::collections::BTreeMap;

use almanac_models::{
    Horizon, Level, Step,
    forecast::{AutoForecaster, Ets, Fit, Forecast, Interval, Mstl, OnlineForecaster, OnlineOptions, Predict},
    stats::quantile_sorted,
};

use super::{
    grid::{DAY_MS, steps},
    scorers::naive2,
};

/// Largest number of past errors from which the quantiles of a naive forecast are computed.
const ERRORS: usize = 500;

/// Forecaster with its name in the tables.
#[derive(Debug, Clone, Copy)]
pub struct Forecaster {
    /// Name in the tables.
    pub name: &'static str,
    /// Forecasts the next steps with intervals at the given levels.
    pub run: fn(&History<'_>, Horizon, &[Level]) -> Result<Forecast, String>,
}

/// Input of a forecaster.
#[derive(Debug, Clone, Copy)]
pub struct History<'a> {
    /// Values, NaN where one is missing.
    pub y: &'a [f64],
    /// Distance between values.
    pub step: Step,
}

impl History<'_> {
    fn day(&self) -> usize {
        steps(DAY_MS, self.step)
    }
}

/// Default forecaster, as `almanac forecast` calls it.
pub const DEFAULT: Forecaster = Forecaster { name: "almanac (default)", run: auto };
/// Seasonal naive forecast with a season of a day.
pub const SEASONAL_NAIVE: Forecaster = Forecaster { name: "seasonal naive", run: seasonal_naive };
/// Naive forecast: the last value.
pub const NAIVE: Forecaster = Forecaster { name: "naive", run: last_value };

/// Every public forecaster and the naive ones: the rows of the M4 table.
pub const ALL: [Forecaster; 9] = [
    DEFAULT,
    Forecaster { name: "almanac, day and week given", run: with_known_seasons },
    Forecaster { name: "almanac online", run: online },
    Forecaster { name: "Mstl(day, week)", run: mstl_week },
    Forecaster { name: "Mstl(day)", run: mstl_day },
    Forecaster { name: "Ets", run: ets },
    SEASONAL_NAIVE,
    Forecaster { name: "Naive 2", run: second_naive },
    NAIVE,
];

/// Forecasters in the tables of load traces, where each is fitted at every origin.
pub const ON_LOADS: [Forecaster; 3] = [DEFAULT, SEASONAL_NAIVE, NAIVE];

fn auto(history: &History<'_>, horizon: Horizon, levels: &[Level]) -> Result<Forecast, String> {
    let fitted = AutoForecaster::new(history.step).with_horizon(horizon).fit(history.y).map_err(|e| e.to_string())?;
    fitted.predict(horizon, levels).map_err(|e| e.to_string())
}

fn with_known_seasons(history: &History<'_>, horizon: Horizon, levels: &[Level]) -> Result<Forecast, String> {
    let seasons = [DAY_MS, 7 * DAY_MS].into_iter().filter_map(|ms| Step::from_millis(ms).ok()).collect();
    let forecaster = AutoForecaster::new(history.step).with_horizon(horizon).with_seasons(seasons);
    forecaster.fit(history.y).and_then(|fitted| fitted.predict(horizon, levels)).map_err(|e| e.to_string())
}

fn online(history: &History<'_>, horizon: Horizon, levels: &[Level]) -> Result<Forecast, String> {
    let mut online = OnlineForecaster::new(OnlineOptions::detecting(Some(history.step), horizon.steps()));
    history.y.iter().for_each(|value| online.push(*value));
    asked(&online, horizon, levels).ok_or_else(|| "not warm".to_owned())
}

/// Returns the present forecast of an online forecaster; `None` before it is warm.
#[must_use]
pub fn asked(online: &OnlineForecaster, horizon: Horizon, levels: &[Level]) -> Option<Forecast> {
    let point = (1..=horizon.steps()).map(|lead| online.point(lead)).collect::<Option<Vec<f64>>>()?;
    let ends = |p: f64| (1..=horizon.steps()).map(|lead| online.quantile(lead, p)).collect::<Option<Vec<f64>>>();
    let interval = |level: &Level| {
        let tail = 0.5 * (1.0 - level.fraction());
        Some(Interval { level: *level, lower: ends(tail)?, upper: ends(1.0 - tail)? })
    };
    // An interval is left out until the forecaster has errors to compute it from.
    let intervals = levels.iter().filter_map(interval).collect();
    Some(Forecast { point, intervals })
}

fn ets(history: &History<'_>, horizon: Horizon, levels: &[Level]) -> Result<Forecast, String> {
    let fitted = Ets.fit(history.y).map_err(|e| e.to_string())?;
    fitted.predict(horizon, levels).or_else(|_| fitted.predict(horizon, &[])).map_err(|e| e.to_string())
}

fn mstl_day(history: &History<'_>, horizon: Horizon, levels: &[Level]) -> Result<Forecast, String> {
    mstl(history, vec![history.day()], horizon, levels)
}

fn mstl_week(history: &History<'_>, horizon: Horizon, levels: &[Level]) -> Result<Forecast, String> {
    mstl(history, vec![history.day(), 7 * history.day()], horizon, levels)
}

fn mstl(h: &History<'_>, periods: Vec<usize>, horizon: Horizon, levels: &[Level]) -> Result<Forecast, String> {
    let fitted = Mstl::new(periods).fit(h.y).map_err(|e| e.to_string())?;
    fitted.predict(horizon, levels).or_else(|_| fitted.predict(horizon, &[])).map_err(|e| e.to_string())
}

fn second_naive(history: &History<'_>, horizon: Horizon, _levels: &[Level]) -> Result<Forecast, String> {
    let point = naive2::naive2(history.y, history.day(), horizon.steps());
    Ok(Forecast { point, intervals: Vec::new() })
}

fn last_value(history: &History<'_>, horizon: Horizon, levels: &[Level]) -> Result<Forecast, String> {
    repeated(history.y, 1, horizon, levels)
}

fn seasonal_naive(history: &History<'_>, horizon: Horizon, levels: &[Level]) -> Result<Forecast, String> {
    repeated(history.y, history.day(), horizon, levels)
}

/// Repeats the last `period` values. Quantiles are those of its own past errors at the same distance, at most
/// [`ERRORS`] of them. Beyond eight steps errors are computed for every eighth lead only (see [`kept_lead`]).
fn repeated(y: &[f64], period: usize, horizon: Horizon, levels: &[Level]) -> Result<Forecast, String> {
    let filled = carried(y).ok_or("no value")?;
    let period = if period < filled.len() { period } else { 1 };
    let n = filled.len();
    let point: Vec<f64> = (0..horizon.steps()).map(|k| filled[n - period + k % period]).collect();
    let mut errors: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    let mut ends = |k: usize, p: f64| {
        let distance = kept_lead(k / period + 1) * period;
        let sorted = errors.entry(distance).or_insert_with(|| past_errors(y, distance));
        quantile_sorted(sorted, p).unwrap_or(0.0)
    };
    let mut course = |p: f64| -> Vec<f64> { (0..point.len()).map(|k| point[k] + ends(k, p)).collect() };
    let intervals = levels
        .iter()
        .map(|level| {
            let tail = 0.5 * (1.0 - level.fraction());
            Interval { level: *level, lower: course(tail), upper: course(1.0 - tail) }
        })
        .collect();
    Ok(Forecast { point, intervals })
}

/// Returns the smallest lead with computed errors that is not below `lead`.
fn kept_lead(lead: usize) -> usize {
    let mut kept = 1;
    while kept < lead {
        kept += (kept / 8).max(1);
    }
    kept
}

/// Returns sorted differences of values `distance` apart, evenly thinned.
fn past_errors(y: &[f64], distance: usize) -> Vec<f64> {
    let every = y.len().saturating_sub(distance).div_ceil(ERRORS).max(1);
    // From the end, so that the newest difference is included.
    let ends = (distance..y.len()).rev().step_by(every);
    let mut errors: Vec<f64> = ends.map(|t| y[t] - y[t - distance]).filter(|error| error.is_finite()).collect();
    errors.sort_unstable_by(f64::total_cmp);
    errors
}

/// Replaces missing values by the value before them; `None` without any value.
fn carried(y: &[f64]) -> Option<Vec<f64>> {
    let mut last = *y.iter().find(|value| value.is_finite())?;
    let step = |value: &f64| {
        if value.is_finite() {
            last = *value;
        }
        last
    };
    Some(y.iter().map(step).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_forecaster_gives_the_horizon() {
        let step = Step::from_millis(3_600_000).unwrap();
        let noise = |t: usize| ((t * 7_919 + t * t * 31) % 101) as f64 / 10.0;
        let wave = |t: usize| 100.0 + 40.0 * (t as f64 / 24.0 * std::f64::consts::TAU).sin() + noise(t);
        let y: Vec<f64> = (0..700).map(wave).collect();
        let levels = [Level::from_percent(80.0).unwrap()];
        for model in ALL {
            let forecast = (model.run)(&History { y: &y, step }, Horizon::try_new(30).unwrap(), &levels).unwrap();
            assert!(forecast.point.len() == 30 && forecast.point.iter().all(|v| v.is_finite()), "{}", model.name);
            assert!(forecast.intervals.iter().all(|i| i.lower.iter().zip(&i.upper).all(|(l, u)| l <= u)));
        }
    }

    #[test]
    fn naive_quantiles_are_those_of_past_errors() {
        // Each period adds 2: the error of the seasonal naive forecast is 2 one period ahead and 4 two periods ahead.
        let y: Vec<f64> = (0..200).map(|t| [5.0, 1.0, 7.0, 2.0][t % 4] + 2.0 * (t / 4) as f64).collect();
        let level = [Level::from_percent(80.0).unwrap()];
        let forecast = repeated(&y, 4, Horizon::try_new(8).unwrap(), &level).unwrap();
        let expected: Vec<f64> = (0..8).map(|k| y[196 + k % 4] + 2.0 * (k / 4 + 1) as f64).collect();
        assert_eq!(forecast.point[5].to_bits(), y[197].to_bits());
        assert_eq!((&forecast.intervals[0].lower, &forecast.intervals[0].upper), (&expected, &expected));
        assert!(repeated(&[f64::NAN], 4, Horizon::try_new(1).unwrap(), &level).is_err());
        assert_eq!(
            repeated(&[f64::NAN, 3.0, f64::NAN], 4, Horizon::try_new(1).unwrap(), &[]).unwrap().point,
            vec![3.0]
        );
    }
}
