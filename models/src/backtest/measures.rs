//! Accuracy measures of forecasts. Pairs with a value that is not finite are skipped.

use crate::Level;
use crate::forecast::Interval;
use crate::forecast::naive_scale;

/// Returns the symmetric mean absolute percentage error in percent, 0 where both values are 0; `None` without a finite
/// pair.
///
/// # Reference
/// Makridakis, Spiliotis & Assimakopoulos (2020), The M4 competition.
#[must_use]
pub fn smape(actual: &[f64], forecast: &[f64]) -> Option<f64> {
    mean(actual.iter().zip(forecast).map(|(a, f)| {
        let size = a.abs() + f.abs();
        // The product is 0, or NaN where a value is missing.
        if size > 0.0 { 200.0 * (a - f).abs() / size } else { 0.0 * (a - f) }
    }))
}

/// Returns the mean absolute error divided by that of the seasonal naive forecast inside `history`, `period` steps
/// apart; `None` when that scale is 0 or without a finite pair.
///
/// # Reference
/// Hyndman & Koehler (2006), Another look at measures of forecast accuracy.
#[must_use]
pub fn mase(actual: &[f64], forecast: &[f64], history: &[f64], period: usize) -> Option<f64> {
    let scale = naive_scale(history, period)?;
    mean(actual.iter().zip(forecast).map(|(a, f)| (a - f).abs())).map(|error| error / scale)
}

/// Returns the mean scaled interval score; `None` as for [`mase`].
///
/// # Reference
/// Gneiting & Raftery (2007), Strictly proper scoring rules, prediction and estimation; scaled as in M4.
#[must_use]
pub fn msis(actual: &[f64], interval: &Interval, history: &[f64], period: usize) -> Option<f64> {
    let scale = naive_scale(history, period)?;
    let penalty = 2.0 / (1.0 - interval.level.fraction());
    let ends = interval.lower.iter().zip(&interval.upper);
    mean(actual.iter().zip(ends).map(|(a, (low, high))| {
        // A missing value makes the term NaN, which is skipped.
        (high - low) + penalty * ((low - a).max(0.0) + (a - high).max(0.0)) + 0.0 * a
    }))
    .map(|score| score / scale)
}

/// Returns the mean quantile loss of the forecast of quantile `p` in (0, 1); `None` for another `p` or without a finite
/// pair.
///
/// # Reference
/// Koenker & Bassett (1978), Regression quantiles.
#[must_use]
pub fn pinball(actual: &[f64], quantile: &[f64], p: f64) -> Option<f64> {
    if !(p > 0.0 && p < 1.0) {
        return None;
    }
    mean(actual.iter().zip(quantile).map(|(a, q)| if a >= q { p * (a - q) } else { (1.0 - p) * (q - a) }))
}

/// Returns the level of the interval and the share of values inside; `None` without a finite pair.
#[must_use]
pub fn coverage(actual: &[f64], interval: &Interval) -> Option<(Level, f64)> {
    let ends = interval.lower.iter().zip(&interval.upper);
    let share =
        mean(actual.iter().zip(ends).map(|(a, (low, high))| {
            if a.is_nan() { f64::NAN } else { f64::from(u8::from((low..=high).contains(&a))) }
        }))?;
    Some((interval.level, share))
}

fn mean(terms: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = terms.filter(|v| v.is_finite()).fold((0.0, 0.0), |(s, n), v| (s + v, n + 1.0));
    (n > 0.0).then(|| sum / n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let close = |found: Option<f64>, expected: f64| assert!((found.unwrap() - expected).abs() < 1e-12, "{found:?}");
        // 200·1/3 and 0: mean 33.3…
        close(smape(&[1.0, 2.0, f64::NAN], &[2.0, 2.0, 5.0]), 100.0 / 3.0);
        close(smape(&[0.0], &[0.0]), 0.0);
        // The history's naive error is 2, the forecast's 1.
        close(mase(&[5.0, 7.0], &[6.0, 6.0], &[1.0, 3.0, 5.0], 1), 0.5);
        assert_eq!(mase(&[1.0], &[1.0], &[4.0, 4.0], 1), None);
        close(pinball(&[10.0, 10.0], &[8.0, 12.0], 0.9), (0.9 * 2.0 + 0.1 * 2.0) / 2.0);
        let interval =
            Interval { level: Level::from_percent(80.0).unwrap(), lower: vec![0.0, 0.0], upper: vec![2.0, 2.0] };
        // Width 2 and 2 + 10·1, over a scale of 2.
        close(msis(&[1.0, 3.0], &interval, &[1.0, 3.0, 5.0], 1), 3.5);
        assert!((coverage(&[1.0, 3.0], &interval).unwrap().1 - 0.5).abs() < 1e-12);
    }
}
