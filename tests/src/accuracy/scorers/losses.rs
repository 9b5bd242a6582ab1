//! Losses of quantile forecasts, summed over the origins of a series.

use almanac_models::{
    Level,
    backtest::mase,
    forecast::{Forecast, Interval},
};

/// Levels of central intervals in percent. The ends of the first four and the point are the quantiles 0.1 to 0.9.
pub const LEVELS: [f64; 5] = [20.0, 40.0, 60.0, 80.0, 95.0];

/// Sums over the forecasts of one series.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Losses {
    /// Twice the quantile loss, summed over values and the quantiles 0.1 to 0.9.
    quantile: f64,
    /// Sum of the absolute values.
    size: f64,
    n_values: f64,
    inside_80: f64,
    inside_95: f64,
    scaled_errors: Vec<f64>,
    /// Number of values of each forecast, and of those inside its intervals at 80 and at 95 %.
    forecasts: Vec<[f64; 3]>,
}

impl Losses {
    /// Adds a forecast of `actual` (NaN where a value is missing) with intervals at [`LEVELS`]. A missing interval
    /// counts as one of no width with no value inside. MASE is scaled by the seasonal naive forecast of `period` steps
    /// in `history`.
    pub fn add(&mut self, forecast: &Forecast, actual: &[f64], history: &[f64], period: usize) {
        self.scaled_errors.extend(mase(actual, &forecast.point, history, period));
        let mut counts = [0.0; 3];
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
            for (count, more) in counts.iter_mut().zip([1.0, inside(80.0), inside(95.0)]) {
                *count += more;
            }
        }
        self.inside_80 += counts[1];
        self.inside_95 += counts[2];
        self.forecasts.push(counts);
    }

    /// Returns the mean absolute scaled error, averaged over the origins; `None` when no history had a scale.
    #[must_use]
    pub fn mase(&self) -> Option<f64> {
        almanac_models::stats::mean(&self.scaled_errors)
    }

    /// Returns the weighted quantile loss: twice the quantile loss over the sum of absolute values, averaged over the
    /// nine quantiles; `None` when all values are zero.
    ///
    /// # Reference
    /// Gasthaus et al. (2019), Probabilistic forecasting with spline quantile function RNNs.
    #[must_use]
    pub fn weighted_quantile_loss(&self) -> Option<f64> {
        (self.size > 0.0).then(|| self.quantile / 9.0 / self.size)
    }

    /// Returns the shares of values inside the intervals at 80 and at 95 %; `None` without a value.
    #[must_use]
    pub fn coverage(&self) -> Option<(f64, f64)> {
        (self.n_values > 0.0).then(|| (self.inside_80 / self.n_values, self.inside_95 / self.n_values))
    }
}

impl Losses {
    /// Returns the standard errors of the two shares from the variation between blocks of neighbouring forecasts.
    /// Origins are `origins_apart` steps apart; a block is as long as `horizon` plus `day`, since errors within a day
    /// are correlated. `None` with fewer than two blocks.
    #[must_use]
    pub fn coverage_errors(&self, origins_apart: f64, horizon: usize, day: usize) -> Option<(f64, f64)> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of forecasts")]
        let length = ((horizon + day) as f64 / origins_apart.max(1.0)).ceil() as usize;
        let blocks: Vec<[f64; 3]> = self
            .forecasts
            .chunks(length.max(1))
            .map(|block| block.iter().fold([0.0; 3], |sum, one| [sum[0] + one[0], sum[1] + one[1], sum[2] + one[2]]))
            .collect();
        let (inside_80, inside_95) = self.coverage()?;
        let error = |which: usize, share: f64| {
            let squares: f64 = blocks.iter().map(|block| (block[which] - share * block[0]).powi(2)).sum();
            let n = blocks.len() as f64;
            (n > 1.0).then(|| (squares * n / (n - 1.0)).sqrt() / self.n_values)
        };
        error(1, inside_80).zip(error(2, inside_95))
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

    /// Computed by hand: the value 10, and quantiles 1, 2, … 9 for 0.1, 0.2, … 0.9: 2 Σ p (10 − 10 p) = 20 (4.5 − 2.85)
    /// = 33, over nine quantiles and a size of 10.
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
        // A second value at the point, inside all intervals: 2 Σ over pairs of 2 · p · distance.
        losses.add(&forecast, &[5.0], &[4.0, 4.0], 1);
        let pairs: f64 = (1..=4).map(|k| 2.0 * 2.0 * f64::from(k) * (0.5 - f64::from(k) / 10.0)).sum();
        assert!((losses.weighted_quantile_loss().unwrap() - (33.0 + pairs) / 9.0 / 15.0).abs() < 1e-12);
        assert_eq!(losses.coverage(), Some((0.5, 1.0)));
        assert!((losses.mase().unwrap() - 2.5).abs() < 1e-12);
        assert_eq!(Losses::default().coverage(), None);
        assert_eq!(losses.coverage_errors(1.0, 1, 1), None, "one block");
        // Two blocks of one forecast each with shares 1 and 0: deviations from 0.5 of 0.5·n and −0.5·n over 2n values
        // give 0.5.
        let mut losses = losses.clone();
        losses.forecasts = vec![[4.0, 4.0, 4.0], [4.0, 0.0, 4.0]];
        (losses.n_values, losses.inside_80, losses.inside_95) = (8.0, 4.0, 8.0);
        let (error_80, error_95) = losses.coverage_errors(10.0, 1, 1).unwrap();
        assert!((error_80 - 0.5).abs() < 1e-12 && error_95.abs() < 1e-12, "{error_80}");
    }
}
