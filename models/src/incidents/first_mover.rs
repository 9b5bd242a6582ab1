//! Estimates which of several signals departed first, given that each is sampled at its own step.

use super::Episode;

/// Number of grid points of the integration over the first onset.
const GRID_POINTS: usize = 128;
/// Largest score that counts.
const MAX_SCORE: f64 = 1e6;

/// Returns for each episode the probability that it started first, weighted by 1 + ln(peak); the results sum to 1.
///
/// `steps_ms`: step of the signal of each episode. The true onset is uniform over the step before the observed one.
/// Signals that depart within the same step cannot be ordered by time; the weight prefers the largest departure among
/// them.
pub(super) fn first_mover(episodes: &[Episode], steps_ms: &[i64]) -> Vec<f64> {
    let earliest = episodes.iter().zip(steps_ms).map(|(e, step)| e.onset.millis() - step).min().unwrap_or(0);
    // The first onset is at most the earliest observed one.
    let latest = episodes.iter().map(|e| e.onset.millis()).min().unwrap_or(0);
    let width = (latest - earliest) as f64 / GRID_POINTS as f64;
    let span = |i: usize| ((episodes[i].onset.millis() - steps_ms[i] - earliest) as f64, steps_ms[i].max(1) as f64);
    let mut weights = vec![0.0; episodes.len()];
    for cell in 0..GRID_POINTS {
        let x = (cell as f64 + 0.5) * width;
        // Probability that signal `i` departs after `x`.
        let survival = |i: usize| {
            let (from, length) = span(i);
            (1.0 - (x - from) / length).clamp(0.0, 1.0)
        };
        let all: f64 = (0..episodes.len()).map(|i| survival(i).max(1e-12).ln()).sum();
        for (i, weight) in weights.iter_mut().enumerate() {
            let (from, length) = span(i);
            if x >= from && x <= from + length {
                // Density of the onset of `i` at `x`, times the probability that all others depart later.
                *weight += (all - survival(i).max(1e-12).ln()).exp() / length;
            }
        }
    }
    for (weight, episode) in weights.iter_mut().zip(episodes) {
        *weight *= 1.0 + episode.peak.clamp(1.0, MAX_SCORE).ln();
    }
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|w| if sum > 0.0 { w / sum } else { 1.0 / episodes.len().max(1) as f64 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    fn episode(signal: usize, onset: i64, peak: f64) -> Episode {
        Episode { signal, onset: Timestamp::from_millis(onset), end: Timestamp::from_millis(onset + 1), peak }
    }

    #[test]
    fn the_earlier_is_first_and_among_equals_the_stronger() {
        let p = first_mover(&[episode(0, 60_000, 2.0), episode(1, 120_000, 90.0)], &[60_000, 60_000]);
        assert!(p[0] > 0.99, "{p:?}");
        let p = first_mover(&[episode(0, 60_000, 2.0), episode(1, 60_000, 90.0)], &[60_000, 60_000]);
        assert!(p[1] > 0.7 && (p[0] + p[1] - 1.0).abs() < 1e-9, "{p:?}");
        // Two uniform onsets, one on (0, 60], the other on (45, 60]: the second is the first with probability
        // 1/60 · ∫₄₅⁶⁰ (60 − x) / 15 dx = 1/8.
        let p = first_mover(&[episode(0, 60_000, 1.0), episode(1, 60_000, 1.0)], &[60_000, 15_000]);
        assert!((p[1] - 0.125).abs() < 0.01, "{p:?}");
    }
}
