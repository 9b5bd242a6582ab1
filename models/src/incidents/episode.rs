//! Joins anomalies of one signal into episodes and traces each back to its onset.

use crate::{Step, Timestamp};

/// Score above which a value before an anomaly belongs to its onset, since a growing departure exceeds 1 late.
const ONSET: f64 = 0.5;
/// Largest number of steps between the onset and the first anomaly.
const MOST_BACK: usize = 30;

/// Anomaly scores of one signal.
#[derive(Debug, Clone, Copy)]
pub struct SignalScores<'a> {
    /// Distance between its points.
    pub step: Step,
    /// Time that the scores cover, in milliseconds: the denominator of the rate of episodes.
    pub looked_ms: i64,
    /// Time of each value, ascending.
    pub timestamps: &'a [Timestamp],
    /// Score of each value, above 1 is an anomaly; as long as `timestamps`. Values that score at most 0.5 may be left
    /// out.
    pub scores: &'a [f64],
}

/// A period of anomalies of one signal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Episode {
    /// Index of the signal.
    pub signal: usize,
    /// First departing value: at most 30 steps before the first anomaly, with scores above 0.5 in between.
    pub onset: Timestamp,
    /// Time of the last anomaly.
    pub end: Timestamp,
    /// Largest score.
    pub peak: f64,
}

/// Returns the episodes of a signal; anomalies at most `join` steps apart are one episode.
pub(super) fn episodes(signal: usize, scored: SignalScores<'_>, join: usize) -> Vec<Episode> {
    let n = scored.timestamps.len().min(scored.scores.len());
    let reach = scored.step.millis().saturating_mul(i64::try_from(join).unwrap_or(i64::MAX));
    let mut out: Vec<Episode> = Vec::new();
    for (i, (&at, &score)) in scored.timestamps.iter().zip(scored.scores).enumerate().take(n) {
        if score.is_nan() || score <= 1.0 {
            continue;
        }
        match out.last_mut() {
            Some(last) if at.millis().saturating_sub(last.end.millis()) <= reach => {
                last.end = at;
                last.peak = last.peak.max(score);
            }
            before => {
                let least = before.map_or(i64::MIN, |last| last.end.millis());
                out.push(Episode { signal, onset: onset(scored, i, least), end: at, peak: score });
            }
        }
    }
    out
}

/// Returns the onset of the departure whose first anomaly has index `at`; it is later than `least`, in milliseconds.
fn onset(scored: SignalScores<'_>, at: usize, least: i64) -> Timestamp {
    let mut first = at;
    // A value that was left out has a low score and ends the onset.
    let follows = |i: usize| {
        let gap = scored.timestamps[i].millis().saturating_sub(scored.timestamps[i - 1].millis());
        2 * gap < 3 * scored.step.millis()
    };
    while first > 0
        && at - first < MOST_BACK
        && follows(first)
        && scored.scores[first - 1] > ONSET
        && scored.timestamps[first - 1].millis() > least
    {
        first -= 1;
    }
    scored.timestamps[first]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anomalies_near_each_other_are_one_episode_with_an_earlier_onset() {
        let step = Step::from_millis(1_000).unwrap();
        let scores = [0.1, 0.6, 0.8, 1.5, 0.2, 3.0, 0.1, 0.1, 0.1, 0.1, f64::NAN, 2.0];
        let timestamps: Vec<Timestamp> = (0..12).map(|t| Timestamp::from_millis(t * 1_000)).collect();
        let scored = SignalScores { step, looked_ms: 12_000, timestamps: &timestamps, scores: &scores };
        let found = episodes(7, scored, 2);
        let ends: Vec<(i64, i64, f64)> = found.iter().map(|e| (e.onset.millis(), e.end.millis(), e.peak)).collect();
        assert_eq!(ends, vec![(1_000, 5_000, 3.0), (11_000, 11_000, 2.0)]);
        assert!(found.iter().all(|e| e.signal == 7));
        // Leaving out low scores does not change the result.
        let kept = [1, 2, 3, 5, 11];
        let (some, few) = (kept.map(|i| timestamps[i]), kept.map(|i| scores[i]));
        let sparse = SignalScores { step, looked_ms: 12_000, timestamps: &some, scores: &few };
        assert_eq!(episodes(7, sparse, 2), found);
        assert!(episodes(0, SignalScores { step, looked_ms: 0, timestamps: &[], scores: &[] }, 2).is_empty());
    }
}
