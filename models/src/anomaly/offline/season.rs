//! Median and relative scale of each phase of a season.

use super::smooth::moving_mean;
use crate::stats::{mean, median, quantile};

/// Number of cycles that a median over them needs, and number that suffices where no season has more.
const CYCLES: usize = 3;
const FEWEST_CYCLES: usize = 2;
/// Number of cycles that the scale of each phase needs where the length of a day is unknown; a mean over fewer is
/// noisy. Tried values: `docs/tuning/anomaly.md`.
const SCALE_CYCLES: usize = 30;
/// Divisor of the season for the width over which scales are smoothed. Tried values: `docs/tuning/anomaly.md`.
const SCALE_SHARE: usize = 12;
/// Quantile that departures are limited to, and smallest relative scale of a phase. Tried values:
/// `docs/tuning/anomaly.md`.
const HELD: f64 = 0.98;
const LEAST: f64 = 0.05;

/// Returns the season for the profile of values: the longest with enough cycles in `n` values.
pub(super) fn of_values(seasons: &[usize], n: usize) -> Option<usize> {
    longest(seasons, n, CYCLES).or_else(|| shortest(seasons, n, FEWEST_CYCLES))
}

/// Returns the season for the profile of scales: of at most a day, `day` in steps, since there are few weeks and their
/// nights are alike; where `day` is unknown, one with many cycles.
pub(super) fn of_scales(seasons: &[usize], n: usize, day: Option<usize>) -> Option<usize> {
    let most = day.unwrap_or(n / SCALE_CYCLES);
    let short: Vec<usize> = seasons.iter().copied().filter(|&m| m <= most).collect();
    longest(&short, n, CYCLES).or_else(|| shortest(seasons, n, CYCLES))
}

fn longest(seasons: &[usize], n: usize, cycles: usize) -> Option<usize> {
    seasons.iter().copied().filter(|&m| m >= 2 && m <= n / cycles).max()
}

fn shortest(seasons: &[usize], n: usize, cycles: usize) -> Option<usize> {
    seasons.iter().copied().filter(|&m| m >= 2 && m <= n / cycles).min()
}

/// Returns the median of each phase over all cycles, shifted so that the residuals have median 0; without a season, the
/// median of `z` alone. A phase without values has that median too. `places`: position of each value, modulo the
/// season.
pub(super) fn profile(z: &[f64], places: &[usize], season: Option<usize>) -> Vec<f64> {
    let all = median(z).unwrap_or(0.0);
    let Some(season) = season else { return vec![all] };
    let mut phases = vec![Vec::new(); season];
    for (v, place) in z.iter().zip(places).filter(|(v, _)| !v.is_nan()) {
        phases[place % season].push(*v);
    }
    let mut out: Vec<f64> = phases.iter().map(|phase| median(phase).unwrap_or(all)).collect();
    let rest: Vec<f64> = z.iter().zip(places).map(|(v, place)| v - out[place % season]).collect();
    let shift = median(&rest).unwrap_or(0.0);
    out.iter_mut().for_each(|v| *v += shift);
    out
}

/// Returns the mean departure of each phase relative to that of all phases; `[1]` without a season.
pub(super) fn scale_profile(departures: &[f64], places: &[usize], season: Option<usize>) -> Vec<f64> {
    let (Some(season), Some(most)) = (season, quantile(departures, HELD)) else { return vec![1.0] };
    let (mut sums, mut counts) = (vec![0.0; season], vec![0.0f64; season]);
    for (d, place) in departures.iter().zip(places).filter(|(d, _)| !d.is_nan()) {
        sums[place % season] += d.min(most);
        counts[place % season] += 1.0;
    }
    let means: Vec<f64> = sums.iter().zip(&counts).map(|(s, c)| if *c > 0.0 { s / c } else { f64::NAN }).collect();
    let Some(usual) = mean(&means).filter(|usual| *usual > 0.0) else { return vec![1.0] };
    // The phases are cyclic: both ends are continued before smoothing.
    let width = (season / SCALE_SHARE).max(3);
    let wrapped: Vec<f64> = (0..season + 2 * width).map(|i| means[(i + season * width - width) % season]).collect();
    let smooth = moving_mean(&wrapped, width);
    // A phase without values has no scale, and none is read.
    smooth[width..width + season].iter().map(|s| if s.is_nan() { 1.0 } else { (s / usual).max(LEAST) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_rather_than_a_week_has_scales() {
        assert_eq!(of_values(&[24, 168], 504), Some(168));
        assert_eq!(of_values(&[24], 50), Some(24));
        assert_eq!(of_values(&[], 50), None);
        assert_eq!(of_scales(&[24, 168], 9_000, Some(24)), Some(24));
        assert_eq!(of_scales(&[168], 9_000, Some(24)), Some(168));
        assert_eq!(of_scales(&[24, 168], 9_000, None), Some(168));
        assert_eq!(of_scales(&[24, 168], 2_000, None), Some(24));
        assert_eq!(of_scales(&[24], 50, None), None);
        assert_eq!(of_scales(&[0, 1], 50, None), None);
    }

    #[test]
    fn each_phase_has_its_median_and_its_scale() {
        let z: Vec<f64> = (0..400).map(|t| [0.0, 8.0, 2.0, 4.0][t % 4] + if t == 9 { 100.0 } else { 0.0 }).collect();
        let places: Vec<usize> = (0..960).collect();
        assert_eq!(profile(&z, &places, Some(4)), vec![0.0, 8.0, 2.0, 4.0]);
        assert_eq!(profile(&[1.0, f64::NAN, 5.0], &places, None), vec![3.0]);
        // 24 phases, the second half four times as far out as the first; the mean is 2.5.
        let departures: Vec<f64> = (0..960).map(|t| if t % 24 < 12 { 1.0 } else { 4.0 }).collect();
        let scale = scale_profile(&departures, &places, Some(24));
        assert!((scale[6] - 0.4).abs() < 1e-12 && (scale[18] - 1.6).abs() < 1e-12, "{scale:?}");
        assert_eq!(scale_profile(&[0.0; 48], &places, Some(24)), vec![1.0]);
    }
}
