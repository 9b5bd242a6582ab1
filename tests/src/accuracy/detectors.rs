//! Scores of the default detector, row by row as `almanac detect` gives them.

use almanac_models::{
    Step,
    anomaly::{DetectorOptions, OnlineDetector, Scored, detect_offline},
};

use super::grid;

/// Rows that the causal detector's step is inferred from.
const FIRST_ROWS: usize = 50;
/// Missing points of a gap that are pushed.
const MAX_GAP: i64 = 1_000_000;

/// The causal default: no training, each row scored and then learned from.
#[must_use]
pub fn causal(timestamps: &[i64], values: &[f64]) -> Vec<f64> {
    let step = grid::step(&timestamps[..timestamps.len().min(FIRST_ROWS)]);
    let mut detector = OnlineDetector::new(DetectorOptions { step, ..DetectorOptions::default() });
    let mut scores = Vec::with_capacity(values.len());
    let mut last: Option<(i64, Scored)> = None;
    for (&at, &value) in timestamps.iter().zip(values) {
        let scored = match last {
            // A repeated stamp is judged by the same band, and teaches nothing.
            Some((before, scored)) if before == at => scored.for_value(value),
            _ => {
                (0..missing(last.map(|(before, _)| before), at, step)).for_each(|_| {
                    detector.push(f64::NAN);
                });
                detector.push(value)
            }
        };
        scores.push(scored.score);
        last = Some((at, scored));
    }
    scores
}

/// Each row in the light of all others.
#[must_use]
pub fn offline(timestamps: &[i64], values: &[f64]) -> Vec<f64> {
    let step = grid::step(timestamps);
    let (mut y, mut place) = (Vec::with_capacity(values.len()), Vec::with_capacity(values.len()));
    let mut before = None;
    for (&at, &value) in timestamps.iter().zip(values) {
        if before != Some(at) {
            (0..missing(before, at, step)).for_each(|_| y.push(f64::NAN));
            y.push(value);
        }
        place.push(y.len() - 1);
        before = Some(at);
    }
    let scored = detect_offline(&y, &DetectorOptions { step, ..DetectorOptions::default() });
    let mut last = None;
    let score = |(&slot, &value): (&usize, &f64)| {
        let repeated = last.replace(slot) == Some(slot);
        if repeated { scored[slot].for_value(value).score } else { scored[slot].score }
    };
    place.iter().zip(values).map(score).collect()
}

/// Points of the grid between two rows that have no row.
fn missing(before: Option<i64>, at: i64, step: Option<Step>) -> i64 {
    let (Some(before), Some(step)) = (before, step) else { return 0 };
    ((at - before + step.millis() / 2) / step.millis() - 1).clamp(0, MAX_GAP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_score_and_a_spike_stands_out() {
        let wave = |t: i64| 10.0 + (t as f64 / 9.0).sin() + ((t * 31) % 17) as f64 * 0.02;
        let mut timestamps: Vec<i64> = (0..900).map(|t| t * 60_000).collect();
        timestamps.drain(300..310);
        timestamps[500] = timestamps[499];
        let mut values: Vec<f64> = timestamps.iter().map(|at| wave(at / 60_000)).collect();
        values[700] = 60.0;
        for scores in [causal(&timestamps, &values), offline(&timestamps, &values)] {
            assert_eq!(scores.len(), values.len());
            assert!(scores[700] > 1.0 && scores.iter().all(|score| *score >= 0.0));
        }
        assert!(causal(&[], &[]).is_empty() && offline(&[], &[]).is_empty());
    }
}
