//! The Theil–Sen trend.

use statrs::distribution::{ContinuousCDF, Normal};

use super::quantile_sorted;
use crate::Level;

/// Largest number of points of which all pairs are used; of more, every nth is taken.
const MOST_POINTS: usize = 400;

/// A linear trend that is robust to outliers: the median of the slopes between all pairs of points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    /// Change of y per unit of x.
    pub slope: f64,
    /// Lower end of the slope's interval.
    pub lower: f64,
    /// Upper end of that interval.
    pub upper: f64,
}

impl Trend {
    /// Fits `points` (x ascending, y; pairs that are not finite are skipped), with the slope's interval at `level`.
    /// `None` for fewer than three points, or for equal x.
    ///
    /// ```
    /// use almanac_models::{Level, stats::Trend};
    /// let points: Vec<(f64, f64)> = (0..20).map(|t| (f64::from(t), 3.0 + 0.5 * f64::from(t))).collect();
    /// let trend = Trend::fit(&points, Level::try_new(0.8).unwrap()).unwrap();
    /// assert!((trend.slope - 0.5).abs() < 1e-12);
    /// ```
    ///
    /// # Reference
    /// Sen (1968), "Estimates of the regression coefficient based on Kendall's tau", JASA 63, §3 (interval from
    /// Kendall's variance; points are taken to be independent).
    #[must_use]
    pub fn fit(points: &[(f64, f64)], level: Level) -> Option<Self> {
        let finite: Vec<(f64, f64)> = points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
        let kept: Vec<(f64, f64)> = finite.iter().copied().step_by(finite.len().div_ceil(MOST_POINTS).max(1)).collect();
        let n = kept.len();
        if n < 3 {
            return None;
        }
        let mut slopes = Vec::with_capacity(n * (n - 1) / 2);
        for (idx, (x, y)) in kept.iter().enumerate() {
            let of = |(later_x, later_y): &(f64, f64)| (later_y - y) / (later_x - x);
            slopes
                .extend(kept[idx + 1..].iter().filter(|later| later.0 > *x).map(of).filter(|slope| slope.is_finite()));
        }
        slopes.sort_unstable_by(f64::total_cmp);
        // Width of the interval in ranks of slopes, as a share of all pairs.
        let (pairs, n) = (slopes.len() as f64, n as f64);
        let z = Normal::standard().inverse_cdf(0.5 + level.fraction() / 2.0);
        let reach = z * (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt() / pairs;
        let at = |share: f64| quantile_sorted(&slopes, share.clamp(0.0, 1.0));
        Some(Self { slope: at(0.5)?, lower: at(0.5 - reach / 2.0)?, upper: at(0.5 + reach / 2.0)? })
    }

    /// Whether the slope's interval excludes 0.
    #[must_use]
    pub fn is_sure(&self) -> bool {
        self.lower > 0.0 || self.upper < 0.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng};

    use super::*;

    fn level() -> Level {
        Level::try_new(0.8).unwrap()
    }

    #[test]
    fn the_interval_contains_the_slope_at_its_level() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        let (mut held, mut sure) = (0, 0);
        for _ in 0..400 {
            let points: Vec<(f64, f64)> =
                (0..40).map(|t| (f64::from(t), 0.05 * f64::from(t) + rng.random_range(-2.0..2.0))).collect();
            let trend = Trend::fit(&points, level()).unwrap();
            held += i32::from(trend.lower <= 0.05 && 0.05 <= trend.upper);
            let flat: Vec<(f64, f64)> = (0..40).map(|t| (f64::from(t), rng.random_range(-2.0..2.0))).collect();
            sure += i32::from(Trend::fit(&flat, level()).unwrap().is_sure());
        }
        // Of 400 at 80 %: a binomial error of 2 %.
        assert!((296..=344).contains(&held), "{held}");
        assert!((56..=104).contains(&sure), "{sure}");
    }

    #[test]
    fn a_quarter_of_outliers_does_not_change_the_slope() {
        let points: Vec<(f64, f64)> =
            (0..30).map(|t| (f64::from(t), if t % 4 == 1 { 1e6 } else { 2.0 * f64::from(t) })).collect();
        assert!((Trend::fit(&points, level()).unwrap().slope - 2.0).abs() < 1e-9);
    }

    #[test]
    fn too_few_points_have_no_trend() {
        for points in [&[][..], &[(0.0, 1.0), (1.0, 2.0)], &[(0.0, 1.0); 9], &[(0.0, f64::NAN); 9]] {
            assert_eq!(Trend::fit(points, level()), None);
        }
    }

    proptest! {
        #[test]
        fn any_points(ys in prop::collection::vec(prop_oneof![any::<f64>(), -1e3_f64..1e3], 0..80)) {
            let points: Vec<(f64, f64)> = ys.into_iter().enumerate().map(|(t, y)| (t as f64, y)).collect();
            if let Some(trend) = Trend::fit(&points, level()) {
                prop_assert!(trend.lower <= trend.slope && trend.slope <= trend.upper);
            }
        }
    }
}
