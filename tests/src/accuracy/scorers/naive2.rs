//! Naive 2 of the M4 competition: the last value, adjusted by the seasonal indices of a classical decomposition.

/// Normal quantile of a two-sided test at 90 %, rounded as in M4.
const CRITICAL: f64 = 1.645;

/// Forecasts `horizon` values by Naive 2; `y` is not empty, positive, and has no gaps.
///
/// # Reference
/// Makridakis, Spiliotis & Assimakopoulos (2020), The M4 Competition; `Benchmarks` in its code.
#[must_use]
pub fn naive2(y: &[f64], period: usize, horizon: usize) -> Vec<f64> {
    let Some(&last) = y.last() else { return vec![f64::NAN; horizon] };
    if !is_seasonal(y, period) {
        return vec![last; horizon];
    }
    let indices = seasonal_indices(y, period);
    let phase = |t: usize| indices[t % period];
    let level = last / phase(y.len() - 1);
    (y.len()..y.len() + horizon).map(|t| level * phase(t)).collect()
}

/// Returns whether the autocorrelation at `period` differs from zero, by Bartlett's formula at 90 %. False for fewer
/// than three periods, and for a period beyond the lags of R's `acf`.
#[must_use]
pub fn is_seasonal(y: &[f64], period: usize) -> bool {
    let n = y.len() as f64;
    if period < 2 || y.len() < 3 * period || (period as f64) > (10.0 * n.log10()).floor() {
        return false;
    }
    let centre = y.iter().sum::<f64>() / n;
    let product = |lag: usize| y.iter().zip(&y[lag..]).map(|(a, b)| (a - centre) * (b - centre)).sum::<f64>();
    let variance = product(0);
    let correlation = |lag: usize| product(lag) / variance;
    let limit = 1.0 + 2.0 * (1..period).map(|lag| correlation(lag).powi(2)).sum::<f64>();
    correlation(period).abs() > CRITICAL / n.sqrt() * limit.sqrt()
}

/// Returns the seasonal indices by phase of the classical multiplicative decomposition: means of value over centred
/// moving average, scaled to a mean of 1. `y` spans at least two periods.
#[must_use]
pub fn seasonal_indices(y: &[f64], period: usize) -> Vec<f64> {
    let half = period / 2;
    let trend = |t: usize| {
        let window = &y[t - half..=t + half];
        let sum: f64 = window.iter().sum();
        // For an even period both ends of the window have weight 1/2.
        let excess = if period.is_multiple_of(2) { 0.5 * (window[0] + window[window.len() - 1]) } else { 0.0 };
        (sum - excess) / period as f64
    };
    let (mut sums, mut counts) = (vec![0.0; period], vec![0.0; period]);
    for t in half..y.len().saturating_sub(half) {
        sums[t % period] += y[t] / trend(t);
        counts[t % period] += 1.0;
    }
    let means: Vec<f64> = sums.iter().zip(&counts).map(|(sum, count)| sum / count).collect();
    let mean = means.iter().sum::<f64>() / period as f64;
    means.iter().map(|v| v / mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(t: usize) -> f64 {
        ((t * 7_919 + t * t * 31) % 1_009) as f64 / 1_009.0
    }

    /// Expected indices: `seasonal_decompose(y, model="multiplicative")` of statsmodels 0.15.0. Expected seasonality:
    /// its `acf` in the formula of M4's `SeasonalityTest`. Expected forecasts: the last value over its index, times the
    /// indices that follow.
    #[test]
    fn as_a_classical_decomposition() {
        let wave = |t: usize, period: f64| std::f64::consts::TAU * t as f64 / period;
        let check = |value: &dyn Fn(usize) -> f64, period: usize, seasonal: bool, indices: [f64; 3], next: [f64; 3]| {
            let y: Vec<f64> = (0..700).map(value).collect();
            assert_eq!(is_seasonal(&y, period), seasonal);
            let close = |found: &[f64], expected: [f64; 3]| {
                for (f, e) in found.iter().zip(expected) {
                    assert!((f - e).abs() < 1e-12 * e, "{f}, not {e}");
                }
            };
            close(&seasonal_indices(&y, period), indices);
            close(&naive2(&y, period, 3), if seasonal { next } else { [y[699]; 3] });
        };
        check(
            &|t| 100.0 + 0.05 * t as f64 + 30.0 * wave(t, 24.0).sin() + 10.0 * noise(t),
            24,
            true,
            [0.999_073_554_823_929_9, 1.064_810_195_956_036_3, 1.124_253_274_800_292_2],
            [167.143_298_534_892_1, 170.104_560_917_342_44, 171.697_546_171_041_07],
        );
        check(
            &|t| 100.0 + 3.0 * wave(t, 24.0).sin() + 20.0 * noise(t),
            24,
            true,
            [0.998_261_084_210_730_1, 1.007_670_914_353_801, 1.014_895_024_275_759_5],
            [113.685_613_430_264_28, 113.413_454_197_937_01, 114.208_268_911_362_78],
        );
        check(
            &|t| 100.0 + 10.0 * noise(t),
            24,
            false,
            [0.999_075_422_820_828_7, 1.000_285_336_767_770_4, 1.000_588_907_712_66],
            [f64::NAN; 3],
        );
        check(
            &|t| 50.0 + 10.0 * wave(t, 7.0).cos() + 5.0 * noise(t),
            7,
            true,
            [1.195_437_880_376_949_4, 1.115_193_540_384_732_8, 0.959_505_453_413_183_8],
            [63.224_286_562_163_456, 58.980_326_060_376_605, 50.746_298_691_342_226],
        );
    }

    #[test]
    fn short_and_flat_histories_have_no_season() {
        assert!(!is_seasonal(&[1.0; 71], 24));
        assert!(!is_seasonal(&[1.0; 700], 24));
        assert!(!is_seasonal(&[], 24));
        assert_eq!(naive2(&[1.0, 3.0], 24, 2), vec![3.0, 3.0]);
    }
}
