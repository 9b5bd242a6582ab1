//! Which of several signals moved first, when each is only looked at now and then.

use super::Episode;

/// Points of the grid on which probabilities are summed.
const GRID: usize = 128;

/// For each signal's first episode the probability that its departure was the first, times how far it went: `steps_ms`
/// apart the signals are looked at, so that a departure seen at `onset` began up to a step before. They sum to 1.
///
/// Signals that begin within the same step cannot be told apart by time; of those the one that departs furthest, counted
/// in logarithms, is the likelier.
pub(super) fn first_mover(episodes: &[Episode], steps_ms: &[i64]) -> Vec<f64> {
    let earliest = episodes.iter().zip(steps_ms).map(|(e, step)| e.onset.millis() - step).min().unwrap_or(0);
    // No signal that began later than the first end of such a step can be the first.
    let latest = episodes.iter().map(|e| e.onset.millis()).min().unwrap_or(0);
    let width = (latest - earliest) as f64 / GRID as f64;
    let span = |i: usize| ((episodes[i].onset.millis() - steps_ms[i] - earliest) as f64, steps_ms[i].max(1) as f64);
    let mut weights = vec![0.0; episodes.len()];
    for cell in 0..GRID {
        let x = (cell as f64 + 0.5) * width;
        let still = |i: usize| {
            let (from, length) = span(i);
            (1.0 - (x - from) / length).clamp(0.0, 1.0)
        };
        let all: f64 = (0..episodes.len()).map(|i| still(i).max(1e-12).ln()).sum();
        for (i, weight) in weights.iter_mut().enumerate() {
            let (from, length) = span(i);
            if x >= from && x <= from + length {
                *weight += (all - still(i).max(1e-12).ln()).exp() / length;
            }
        }
    }
    for (weight, episode) in weights.iter_mut().zip(episodes) {
        *weight *= 1.0 + episode.peak.clamp(1.0, super::group::LARGEST).ln();
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
