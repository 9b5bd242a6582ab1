//! Losses of quantile forecasts, added up over the origins of a series.

use almanac_models::{
    Level,
    backtest::mase,
    forecast::{Forecast, Interval},
};

/// Levels in percent of the central intervals whose ends, with the point, are the quantiles 0.1 to 0.9, and of the one at
/// 95 %.
pub const LEVELS: [f64; 5] = [20.0, 40.0, 60.0, 80.0, 95.0];

/// Sums over the forecasts of one series.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Losses {
    /// Twice the quantile loss, summed over values and the quantiles 0.1 to 0.9.
    quantile: f64,
    /// Sum of |value|.
    size: f64,
    n_values: f64,
    inside_80: f64,
    inside_95: f64,
    scaled_errors: Vec<f64>,
}

impl Losses {
    /// Adds a forecast of `actual` (NaN where a value is missing) with intervals at [`LEVELS`] (an interval that is not
    /// there counts as none: no width, nothing inside); MASE is scaled by the naive forecast `period` steps apart in
    /// `history`.
    pub fn add(&mut self, forecast: &Forecast, actual: &[f64], history: &[f64], period: usize) {
        self.scaled_errors.extend(mase(actual, &forecast.point, history, period));
        let interval = |percent: f64| Level::from_percent(percent).ok().and_then(|level| forecast.interval(level));
        for (k, &value) in actual.iter().enumerate().filter(|(_, value)| value.is_finite()) {
            let point = forecast.point.get(k).copied().unwrap_or(f64::NAN);
            self.size += value.abs();
            self.n_values += 1.0;
            self.quantile += 2.0 * pinball(value, point, 0.5);
            for percent in [20.0, 40.0, 60.0, 80.0] {
                let (lower, upper) = ends(interval(percent), k, point);
                let tail = 0.5 - percent / 200.0;
                self.quantile += 2.0 * (pinball(value, lower, tail) + pinball(value, upper, 1.0 - tail));
            }
            let inside = |percent: f64| {
                let (lower, upper) = ends(interval(percent), k, f64::NAN);
                f64::from(u8::from((lower..=upper).contains(&value)))
            };
            self.inside_80 += inside(80.0);
            self.inside_95 += inside(95.0);
        }
    }

    /// Mean absolute scaled error, mean over the origins; `None` when no history had a scale.
    #[must_use]
    pub fn mase(&self) -> Option<f64> {
        almanac_models::stats::mean(&self.scaled_errors)
    }

    /// Weighted quantile loss: twice the quantile loss over the sum of sizes, mean over the nine quantiles; `None` when
    /// all values are nil.
    ///
    /// # Reference
    /// Gasthaus et al. (2019), Probabilistic forecasting with spline quantile function RNNs.
    #[must_use]
    pub fn weighted_quantile_loss(&self) -> Option<f64> {
        (self.size > 0.0).then(|| self.quantile / 9.0 / self.size)
    }

    /// Share of values inside the intervals at 80 and at 95 %; `None` without a value.
    #[must_use]
    pub fn coverage(&self) -> Option<(f64, f64)> {
        (self.n_values > 0.0).then(|| (self.inside_80 / self.n_values, self.inside_95 / self.n_values))
    }
}

fn ends(interval: Option<&Interval>, k: usize, otherwise: f64) -> (f64, f64) {
    interval.map_or((otherwise, otherwise), |interval| (interval.lower[k], interval.upper[k]))
}

fn pinball(value: f64, quantile: f64, p: f64) -> f64 {
    if value >= quantile { p * (value - quantile) } else { (1.0 - p) * (quantile - value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: the value 10, and quantiles 1, 2, … 9 for 0.1, 0.2, … 0.9: 2 Σ p (10 − 10 p) = 20 (4.5 − 2.85) = 33, over
    /// nine quantiles and a size of 10.
    #[test]
    fn by_hand() {
        let mut intervals: Vec<Interval> = [20.0, 40.0, 60.0, 80.0]
            .into_iter()
            .map(|percent| Interval {
                level: Level::from_percent(percent).unwrap(),
                lower: vec![5.0 - percent / 20.0; 2],
                upper: vec![5.0 + percent / 20.0; 2],
            })
            .collect();
        intervals.push(Interval {
            level: Level::from_percent(95.0).unwrap(),
            lower: vec![0.0; 2],
            upper: vec![10.0; 2],
        });
        let forecast = Forecast { point: vec![5.0; 2], intervals };
        let mut losses = Losses::default();
        losses.add(&forecast, &[10.0, f64::NAN], &[1.0, 3.0, 5.0], 1);
        assert!((losses.weighted_quantile_loss().unwrap() - 33.0 / 90.0).abs() < 1e-12);
        assert_eq!(losses.coverage(), Some((0.0, 1.0)));
        assert!((losses.mase().unwrap() - 2.5).abs() < 1e-12);
        // A second value inside of all intervals, at the point: 2 Σ over pairs of 2 · p · distance.
        losses.add(&forecast, &[5.0], &[4.0, 4.0], 1);
        let pairs: f64 = (1..=4).map(|k| 2.0 * 2.0 * f64::from(k) * (0.5 - f64::from(k) / 10.0)).sum();
        assert!((losses.weighted_quantile_loss().unwrap() - (33.0 + pairs) / 9.0 / 15.0).abs() < 1e-12);
        assert_eq!(losses.coverage(), Some((0.5, 1.0)));
        assert!((losses.mase().unwrap() - 2.5).abs() < 1e-12);
        assert_eq!(Losses::default().coverage(), None);
    }
}
