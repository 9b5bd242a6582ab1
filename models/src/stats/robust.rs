//! Means, medians and quantiles of slices with missing values; values that are not finite are skipped.

/// Scales a median absolute deviation to the standard deviation of a normal distribution: 1/Φ⁻¹(3/4).
const MAD_TO_SD: f64 = 1.482_602_218_505_602;

/// Returns the arithmetic mean of the finite values of `y`; `None` when there is none.
#[must_use]
pub fn mean(y: &[f64]) -> Option<f64> {
    let (sum, n) = y.iter().filter(|v| v.is_finite()).fold((0.0, 0.0), |(s, n), v| (s + v, n + 1.0));
    (n > 0.0).then(|| sum / n)
}

/// Returns the median of the finite values of `y`; `None` when there is none.
#[must_use]
pub fn median(y: &[f64]) -> Option<f64> {
    quantile(y, 0.5)
}

/// Returns the median absolute deviation from the median, scaled to estimate the standard deviation of normal data;
/// `None` when `y` has no finite value.
///
/// # Reference
/// Hampel (1974), The influence curve and its role in robust estimation.
#[must_use]
pub fn mad(y: &[f64]) -> Option<f64> {
    let centre = median(y)?;
    let deviations: Vec<f64> = y.iter().filter(|v| v.is_finite()).map(|v| (v - centre).abs()).collect();
    median(&deviations).map(|m| m * MAD_TO_SD)
}

/// Returns the quantile `p` in [0, 1] of the finite values of `y`, linear between order statistics; `None` without
/// finite values or for another `p`.
///
/// # Reference
/// Hyndman & Fan (1996), definition 7.
#[must_use]
pub fn quantile(y: &[f64], p: f64) -> Option<f64> {
    let mut values: Vec<f64> = y.iter().copied().filter(|v| v.is_finite()).collect();
    if values.is_empty() || !(0.0..=1.0).contains(&p) {
        return None;
    }
    let (rank, fraction) = position(values.len(), p);
    let (_, &mut low, above) = values.select_nth_unstable_by(rank, f64::total_cmp);
    let high = above.iter().copied().fold(f64::INFINITY, f64::min);
    Some(if fraction > 0.0 && high.is_finite() { low + (high - low) * fraction } else { low })
}

/// Returns the quantile `p` of values that are sorted and finite, as [`quantile`] does; `None` when `sorted` is empty
/// or `p` is outside [0, 1].
#[must_use]
pub fn quantile_sorted(sorted: &[f64], p: f64) -> Option<f64> {
    if sorted.is_empty() || !(0.0..=1.0).contains(&p) {
        return None;
    }
    let (rank, fraction) = position(sorted.len(), p);
    let low = sorted[rank];
    Some(match sorted.get(rank + 1) {
        Some(high) if fraction > 0.0 => low + (high - low) * fraction,
        _ => low,
    })
}

/// Returns the rank below the quantile `p` of `n` values, and the fraction above that rank.
fn position(n: usize, p: f64) -> (usize, f64) {
    let at = p * (n - 1) as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 ≤ at ≤ n − 1")]
    let rank = (at.floor() as usize).min(n - 1);
    (rank, at - rank as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_four() {
        // R 4.2: quantile(c(1, 2, 4, 8), c(.25, .5, .9), type = 7) = 1.75, 3.0, 6.8
        let y = [8.0, 1.0, f64::NAN, 4.0, 2.0];
        for (p, expected) in [(0.0, 1.0), (0.25, 1.75), (0.5, 3.0), (0.9, 6.8), (1.0, 8.0)] {
            assert!((quantile(&y, p).unwrap() - expected).abs() < 1e-12);
            assert!((quantile_sorted(&[1.0, 2.0, 4.0, 8.0], p).unwrap() - expected).abs() < 1e-12);
        }
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[1.0], 1.5), None);
    }

    #[test]
    fn mad_of_a_spike_is_small() {
        assert!(mad(&[1.0, 2.0, 3.0, 4.0, 1e9]).unwrap() < 2.0);
        assert_eq!(mad(&[]), None);
    }
}
