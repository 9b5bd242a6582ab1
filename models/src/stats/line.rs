//! A line with errors that grow with its value, fitted robustly.

use super::mad;

/// Iterations of the reweighted fit; on simulated data it changes by less than 1e-9 after 20.
const ITERATIONS: usize = 30;
/// Scaled residual from which a point's weight falls (Huber): 95 % efficiency for normal errors.
const HUBER: f64 = 1.345;
/// Least scale of relative residuals, so that exact data have weights.
const SCALE_MIN: f64 = 1e-9;

/// A line `y = intercept + slope·x` with both parameters at least 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CostLine {
    /// Value at 0, such as the fixed cost of a statement, in the unit of y.
    pub intercept: f64,
    /// Change of y per unit of x.
    pub slope: f64,
}

/// A weighted point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WeightedPoint {
    /// Explaining value, at least 0.
    pub x: f64,
    /// Explained value, above 0.
    pub y: f64,
    /// Weight, above 0, such as the number of observations behind the point.
    pub weight: f64,
}

impl CostLine {
    /// Fits points with x ≥ 0, y > 0 and weight > 0; others are skipped. `None` for fewer than three points or for equal x.
    ///
    /// Minimises Huber's loss of the relative residuals by iteratively reweighted least squares: durations vary in proportion to
    /// their size. A parameter that would be negative is 0, and the other is fitted alone.
    ///
    /// ```
    /// use almanac_models::stats::{CostLine, WeightedPoint};
    /// let points: Vec<WeightedPoint> =
    ///     (1..20).map(|n| WeightedPoint { x: f64::from(n), y: 2.0 + 0.5 * f64::from(n), weight: 1.0 }).collect();
    /// let line = CostLine::fit(&points).unwrap();
    /// assert!((line.intercept - 2.0).abs() < 1e-9 && (line.slope - 0.5).abs() < 1e-9);
    /// ```
    ///
    /// # Reference
    /// Huber (1981), Robust statistics, §7.8 (iteratively reweighted least squares).
    #[must_use]
    pub fn fit(points: &[WeightedPoint]) -> Option<Self> {
        let is_usable = |point: &&WeightedPoint| {
            let finite = [point.x, point.y, point.weight].iter().all(|value| value.is_finite());
            finite && point.x >= 0.0 && point.y > 0.0 && point.weight > 0.0
        };
        let points: Vec<WeightedPoint> = points.iter().filter(is_usable).copied().collect();
        if points.len() < 3 {
            return None;
        }
        let mut weights: Vec<f64> = points.iter().map(|point| point.weight / (point.y * point.y)).collect();
        let mut line = least_squares(&points, &weights)?;
        for _ in 0..ITERATIONS {
            let residuals: Vec<f64> = points.iter().map(|point| point.y / line.at(point.x) - 1.0).collect();
            let scale = mad(&residuals)?.max(SCALE_MIN);
            for ((weight, point), residual) in weights.iter_mut().zip(&points).zip(&residuals) {
                let size = (residual / scale).abs();
                let huber = if size > HUBER { HUBER / size } else { 1.0 };
                *weight = point.weight * huber / line.at(point.x).powi(2);
            }
            line = least_squares(&points, &weights)?;
        }
        Some(line)
    }

    /// Returns y at x, in the unit of y; above 0.
    #[must_use]
    pub fn at(&self, x: f64) -> f64 {
        (self.intercept + self.slope * x).max(f64::MIN_POSITIVE)
    }
}

/// Fits by weighted least squares with parameters of at least 0. `None` for equal x.
fn least_squares(points: &[WeightedPoint], weights: &[f64]) -> Option<CostLine> {
    let (mut w, mut wx, mut wy, mut wxx, mut wxy) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (point, weight) in points.iter().zip(weights) {
        w += weight;
        wx += weight * point.x;
        wy += weight * point.y;
        wxx += weight * point.x * point.x;
        wxy += weight * point.x * point.y;
    }
    let spread = wxx - wx * wx / w;
    // Equal x leave only the error of rounding.
    if !(spread > 1e-12 * wxx) {
        return None;
    }
    let slope = (wxy - wx * wy / w) / spread;
    let intercept = (wy - slope * wx) / w;
    Some(if slope < 0.0 {
        CostLine { intercept: wy / w, slope: 0.0 }
    } else if intercept < 0.0 {
        CostLine { intercept: 0.0, slope: wxy / wxx }
    } else {
        CostLine { intercept, slope }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng};

    use super::*;

    fn points(of: impl Fn(usize) -> (f64, f64), n: usize) -> Vec<WeightedPoint> {
        (0..n).map(of).map(|(x, y)| WeightedPoint { x, y, weight: 1.0 }).collect()
    }

    #[test]
    fn noise_in_proportion_to_the_value_leaves_both_parameters() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(5);
        let noise: Vec<f64> = (0..200).map(|_| rng.random_range(0.8..1.25)).collect();
        let found =
            CostLine::fit(&points(|n| (n as f64 * 10.0 + 1.0, (2.0 + 0.05 * (n as f64 * 10.0 + 1.0)) * noise[n]), 200));
        let line = found.unwrap();
        assert!((line.intercept - 2.0).abs() < 0.3, "{line:?}");
        assert!((line.slope - 0.05).abs() < 0.003, "{line:?}");
    }

    #[test]
    fn a_tenth_of_outliers_changes_little() {
        let of = |n: usize| {
            let x = n as f64 + 1.0;
            (x, (1.0 + 0.1 * x) * if n % 10 == 3 { 20.0 } else { 1.0 + 0.02 * ((n * 7 % 5) as f64 - 2.0) })
        };
        let line = CostLine::fit(&points(of, 100)).unwrap();
        assert!((line.intercept - 1.0).abs() < 0.1 && (line.slope - 0.1).abs() < 0.01, "{line:?}");
    }

    #[test]
    fn parameters_are_not_negative() {
        let falling = CostLine::fit(&points(|n| (n as f64, 10.0 - 0.5 * n as f64), 10)).unwrap();
        assert!(falling.slope.abs() < 1e-12 && falling.intercept > 0.0, "{falling:?}");
        let through = CostLine::fit(&points(|n| (n as f64 + 5.0, (n as f64 + 5.0) * 2.0 - 6.0), 10)).unwrap();
        assert!(through.intercept.abs() < 1e-12 && through.slope > 1.0, "{through:?}");
    }

    #[test]
    fn what_has_no_line_has_none() {
        assert_eq!(CostLine::fit(&points(|n| (n as f64, 1.0), 2)), None);
        assert_eq!(CostLine::fit(&points(|n| (5.0, n as f64 + 1.0), 20)), None);
        assert_eq!(CostLine::fit(&points(|_| (f64::NAN, 1.0), 20)), None);
    }

    proptest! {
        #[test]
        fn scale_of_both_axes(a in 0.1_f64..10.0, b in 0.01_f64..10.0, sx in 0.1_f64..100.0, sy in 0.1_f64..100.0) {
            let base = points(|n| (n as f64 + 1.0, a + b * (n as f64 + 1.0)), 30);
            let scaled: Vec<WeightedPoint> =
                base.iter().map(|point| WeightedPoint { x: point.x * sx, y: point.y * sy, weight: 3.0 }).collect();
            let line = CostLine::fit(&scaled).unwrap();
            prop_assert!((line.intercept / (a * sy) - 1.0).abs() < 1e-6);
            prop_assert!((line.slope / (b * sy / sx) - 1.0).abs() < 1e-6);
        }

        #[test]
        fn any_points(values in prop::collection::vec((any::<f64>(), any::<f64>(), any::<f64>()), 0..40)) {
            let points: Vec<WeightedPoint> =
                values.into_iter().map(|(x, y, weight)| WeightedPoint { x, y, weight }).collect();
            if let Some(line) = CostLine::fit(&points) {
                prop_assert!(!(line.intercept < 0.0) && !(line.slope < 0.0));
            }
        }
    }
}
