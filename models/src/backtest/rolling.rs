//! Backtests from rolling origins over one series.

use super::measures::{coverage, mase, smape};
use crate::forecast::Forecast;
use crate::{Horizon, Level};

/// Rolling origins over one series: at each, a forecaster gets the values before it and is scored on the values after
/// it.
///
/// ```
/// use almanac_models::{Horizon, backtest::Backtest, forecast::Forecast};
/// let y: Vec<f64> = (0..200).map(|t| f64::from(t % 10)).collect();
/// let backtest = Backtest::new(Horizon::try_new(10)?, 10, 100);
/// let scores = backtest.run(&y, 10, |history, horizon| {
///     let last = &history[history.len() - 10..];
///     Some(Forecast { point: last[..horizon.steps()].to_vec(), intervals: vec![] })
/// });
/// assert_eq!(scores.origins, 10);
/// assert_eq!(scores.smape, Some(0.0));
/// # Ok::<(), almanac_models::UnitError>(())
/// ```
///
/// # Reference
/// Tashman (2000), Out-of-sample tests of forecasting accuracy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backtest {
    horizon: Horizon,
    every: usize,
    least_history: usize,
}

/// Results of a backtest, as means over its origins; `None` without a finite pair.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scores {
    /// Number of origins with a forecast.
    pub origins: usize,
    /// Number of origins without one.
    pub refused: usize,
    /// Mean sMAPE in percent.
    pub smape: Option<f64>,
    /// Mean MASE.
    pub mase: Option<f64>,
    /// Share of values inside the interval of each level.
    pub coverage: Vec<(Level, f64)>,
}

impl Backtest {
    /// Returns origins `every` steps apart (at least one), from `least_history` values on, while a whole `horizon`
    /// follows.
    #[must_use]
    pub fn new(horizon: Horizon, every: usize, least_history: usize) -> Self {
        Self { horizon, every: every.max(1), least_history: least_history.max(1) }
    }

    /// Runs `forecaster` at each origin of `y` (NaN where a value is missing); MASE is scaled by `period` steps.
    pub fn run(
        &self,
        y: &[f64],
        period: usize,
        mut forecaster: impl FnMut(&[f64], Horizon) -> Option<Forecast>,
    ) -> Scores {
        let steps = self.horizon.steps();
        let mut scores = Scores::default();
        let (mut smapes, mut mases) = (Vec::new(), Vec::new());
        let mut inside: Vec<(Level, Vec<f64>)> = Vec::new();
        let mut at = self.least_history;
        while at + steps <= y.len() {
            let (history, actual) = (&y[..at], &y[at..at + steps]);
            at += self.every;
            let Some(forecast) = forecaster(history, self.horizon) else {
                scores.refused += 1;
                continue;
            };
            scores.origins += 1;
            smapes.extend(smape(actual, &forecast.point));
            mases.extend(mase(actual, &forecast.point, history, period));
            for (level, share) in forecast.intervals.iter().filter_map(|interval| coverage(actual, interval)) {
                match inside.iter_mut().find(|(known, _)| *known == level) {
                    Some((_, shares)) => shares.push(share),
                    None => inside.push((level, vec![share])),
                }
            }
        }
        scores.smape = crate::stats::mean(&smapes);
        scores.mase = crate::stats::mean(&mases);
        scores.coverage =
            inside.into_iter().filter_map(|(level, shares)| Some((level, crate::stats::mean(&shares)?))).collect();
        scores
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Step;
    use crate::forecast::{AutoForecaster, Fit, Predict};

    #[test]
    fn the_default_forecaster_beats_the_seasonal_naive() {
        let noise = |t: usize| ((t * 7_919 + t * t * 31) % 101) as f64 / 25.0;
        let y: Vec<f64> =
            (0..480).map(|t| 50.0 + 20.0 * (t as f64 / 24.0 * std::f64::consts::TAU).sin() + noise(t)).collect();
        let hour = Step::from_millis(3_600_000).unwrap();
        let level = Level::from_percent(80.0).unwrap();
        let backtest = Backtest::new(Horizon::try_new(24).unwrap(), 24, 336);
        let scores = backtest.run(&y, 24, |history, horizon| {
            AutoForecaster::new(hour).with_horizon(horizon).fit(history).and_then(|f| f.predict(horizon, &[level])).ok()
        });
        assert_eq!((scores.origins, scores.refused), (6, 0));
        assert!(scores.mase.unwrap() < 0.9, "{scores:?}");
        assert!((scores.coverage[0].1 - 0.8).abs() < 0.15, "{scores:?}");
    }

    #[test]
    fn origins_without_a_forecast_are_counted() {
        let backtest = Backtest::new(Horizon::try_new(5).unwrap(), 1, 1);
        let scores = backtest.run(&[1.0; 20], 1, |_, _| None);
        assert_eq!((scores.origins, scores.refused, scores.mase), (0, 15, None));
    }
}
