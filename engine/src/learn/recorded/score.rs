//! Scores each row of a recorded series, causally or with the whole series known. Called for files and benchmarks.

use almanac_models::{
    Step, Timestamp,
    anomaly::{DetectorOptions, OnlineDetector, Scored, detect_offline, detect_offline_by_clocks},
};

use super::infer_step;
use crate::calendar::Calendar;

/// Number of first rows from which the step is inferred if scores must be causal. The detector scores none of them yet.
const STEP_ROWS: usize = 50;
/// Maximum number of missing points between two rows that are pushed one by one.
const MAX_GAP: i64 = 1_000_000;
/// A week in milliseconds.
const WEEK_MS: i64 = 604_800_000;

/// The rows that the detector learns from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Training {
    /// Each row, after it is scored.
    Online,
    /// Rows up to this time, in epoch milliseconds.
    Until(i64),
    /// This share of the rows, from the start.
    Fraction(f64),
    /// All rows, before the first is scored. Not causal.
    Offline,
}

/// Returns a score for each row of a series.
///
/// `timestamps`: ascending, in epoch milliseconds. `values`: one for each timestamp, NaN if missing.
#[must_use]
pub fn score_rows(timestamps: &[i64], values: &[f64], training: Training, calendar: &Calendar) -> Vec<Scored> {
    let known = if training == Training::Offline { timestamps.len() } else { STEP_ROWS.min(timestamps.len()) };
    let step = infer_step(&timestamps[..known]);
    let options = DetectorOptions { step, ..DetectorOptions::default() };
    match training {
        Training::Offline => score_offline(timestamps, values, step, &options, calendar),
        _ => score_online(timestamps, values, options, training, calendar),
    }
}

/// Scores each row with a detector that has seen only the rows before it.
fn score_online(
    timestamps: &[i64],
    values: &[f64],
    options: DetectorOptions,
    training: Training,
    calendar: &Calendar,
) -> Vec<Scored> {
    let (n, step) = (timestamps.len(), options.step);
    let last_learned = match training {
        Training::Until(until) => Some(timestamps.partition_point(|t| *t <= until)),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of n rows")]
        Training::Fraction(share) => Some(((n as f64 * share).ceil() as usize).clamp(1, n.max(1))),
        Training::Online | Training::Offline => None,
    };
    let mut detector = OnlineDetector::new(options);
    let mut out: Vec<Scored> = Vec::with_capacity(n);
    for (i, (&at, &value)) in timestamps.iter().zip(values).enumerate() {
        if last_learned == Some(i) {
            detector.freeze();
        }
        let before = i.checked_sub(1).map(|j| timestamps[j]);
        match (before, out.last()) {
            // A repeated timestamp is scored with the same band, and the detector does not learn from it.
            (Some(before), Some(last)) if before == at => out.push(last.for_value(value)),
            _ => {
                for _ in 0..missing(before, at, step) {
                    detector.push(f64::NAN);
                }
                if let (Some(before), Some(step)) = (before, step) {
                    let (before, at) = (Timestamp::from_millis(before), Timestamp::from_millis(at));
                    detector.set_clocks(calendar.clocks_set(before, at, step));
                }
                out.push(detector.push(value));
            }
        }
    }
    out
}

/// Scores each row with all rows known, on a grid without repeated timestamps.
fn score_offline(
    timestamps: &[i64],
    values: &[f64],
    step: Option<Step>,
    options: &DetectorOptions,
    calendar: &Calendar,
) -> Vec<Scored> {
    let mut y = Vec::with_capacity(values.len());
    let mut slots = Vec::with_capacity(values.len());
    for (i, (&at, &value)) in timestamps.iter().zip(values).enumerate() {
        let before = i.checked_sub(1).map(|j| timestamps[j]);
        if before != Some(at) {
            for _ in 0..missing(before, at, step) {
                y.push(f64::NAN);
            }
            y.push(value);
        }
        slots.push(y.len() - 1);
    }
    // With a time zone, seasons follow its local time across changes of daylight saving time.
    let span = timestamps.first().zip(timestamps.last());
    let span = span.map(|(first, last)| (Timestamp::from_millis(*first), Timestamp::from_millis(*last)));
    let offsets = span.and_then(|(first, last)| Some((first, calendar.offsets(first, last)?)));
    let scored = match offsets.zip(step) {
        Some(((first, offsets), step)) => detect_offline_by_clocks(&y, options, &offsets.local(first, step)),
        None => detect_offline(&y, options),
    };
    let mut last = None;
    slots
        .iter()
        .zip(values)
        .map(|(&slot, &value)| {
            let repeated = last.replace(slot) == Some(slot);
            if repeated { scored[slot].for_value(value) } else { scored[slot] }
        })
        .collect()
}

/// Returns the number of grid points between two rows that have no row.
fn missing(before: Option<i64>, at: i64, step: Option<Step>) -> i64 {
    let (Some(before), Some(step)) = (before, step) else { return 0 };
    let gap = at.saturating_sub(before).saturating_add(step.millis() / 2) / step.millis() - 1;
    if gap <= MAX_GAP {
        return gap.max(0);
    }
    // Of a gap of years only the remainder of a week is pushed: whole weeks do not change the phase of day or week.
    let week = (WEEK_MS / step.millis()).clamp(1, MAX_GAP);
    gap % week
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Rows {
        timestamps: Vec<i64>,
        values: Vec<f64>,
    }

    fn series(values: impl Iterator<Item = f64>) -> Rows {
        let values: Vec<f64> = values.collect();
        let timestamps = (0..values.len()).map(|i| i64::try_from(i).unwrap() * 60_000).collect();
        Rows { timestamps, values }
    }

    fn scored(series: &Rows, training: Training) -> Vec<Scored> {
        score_rows(&series.timestamps, &series.values, training, &Calendar::default())
    }

    fn wave(t: usize) -> f64 {
        10.0 + (t as f64 / 9.0).sin() + ((t * 31) % 17) as f64 * 0.02
    }

    #[test]
    fn later_rows_do_not_change_earlier_scores() {
        let whole = scored(&series((0..900).map(wave)), Training::Online);
        for cut in [20, 55, 130, 700] {
            let mut changed = series((0..900).map(|t| if t < cut { wave(t) } else { -1e9 }));
            for t in &mut changed.timestamps[cut..] {
                *t = *t * 3 + 5;
            }
            let other = scored(&changed, Training::Online);
            for t in 0..cut {
                assert_eq!(whole[t].score.to_bits(), other[t].score.to_bits(), "row {t}, cut {cut}");
            }
        }
    }

    #[test]
    fn every_row_has_a_score() {
        let mut odd = series((0..300).map(|t| if t % 7 == 0 { f64::NAN } else { wave(t) }));
        odd.timestamps[100] = odd.timestamps[99];
        odd.timestamps[299] = i64::MAX / 4;
        for training in [Training::Online, Training::Fraction(0.5), Training::Until(60_000 * 200), Training::Offline] {
            let scored = scored(&odd, training);
            assert_eq!(scored.len(), 300, "{training:?}");
            assert!(scored.iter().all(|s| s.score >= 0.0 && s.score.is_finite()), "{training:?}");
            assert!(scored[7].score.abs() < f64::EPSILON);
        }
        for short in [series(std::iter::once(1.0)), series((0..100).map(|_| 5.0)), series((0..10).map(|_| f64::NAN))] {
            for training in [Training::Online, Training::Fraction(0.5), Training::Offline] {
                assert!(scored(&short, training).iter().all(|s| s.score == 0.0));
            }
        }
    }

    #[test]
    fn a_spike_is_found_with_each_training() {
        let spiked = series((0..1_000).map(|t| if t == 800 { 60.0 } else { wave(t) }));
        for training in [Training::Online, Training::Fraction(0.5), Training::Until(60_000 * 500), Training::Offline] {
            let scored = scored(&spiked, training);
            assert!(scored[800].score > 1.0, "{training:?}: {:?}", scored[800]);
            let others = scored.iter().enumerate().filter(|(t, s)| *t != 800 && s.score > 1.0).count();
            assert!(others < 10, "{training:?}: {others}");
        }
    }

    /// Load rises at 8:00 in Berlin, also after the clock change of 29 March 2026. On one day it rises at 9:00.
    #[test]
    fn offline_scores_follow_local_time() {
        const HOUR_MS: i64 = 3_600_000;
        const START_MS: i64 = 1_772_154_000_000; // 27 February 2026, 01:00 UTC, thirty days before
        let calendar = Calendar { zone: "Europe/Berlin".parse().ok(), ..Calendar::default() };
        let timestamps: Vec<i64> = (0..60 * 24).map(|hour| START_MS + hour * HOUR_MS).collect();
        let local = |at: i64| at / HOUR_MS + if at >= START_MS + 30 * 24 * HOUR_MS { 2 } else { 1 };
        let mut values: Vec<f64> = timestamps
            .iter()
            .map(|&at| {
                let noise = f64::from(i32::try_from(at / HOUR_MS * 7_919 % 13).unwrap()) * 0.2;
                noise + if (8..18).contains(&(local(at) % 24)) { 100.0 } else { 10.0 }
            })
            .collect();
        let late = (45 * 24..).find(|&hour| local(timestamps[hour]) % 24 == 8).unwrap();
        values[late] = values[late - 1];
        let anomalous = |calendar: &Calendar| -> Vec<usize> {
            let scored = score_rows(&timestamps, &values, Training::Offline, calendar);
            (0..scored.len()).filter(|&hour| scored[hour].is_anomaly()).collect()
        };
        assert_eq!(anomalous(&calendar), [late]);
        assert!(!anomalous(&Calendar::default()).contains(&late));
    }
}
