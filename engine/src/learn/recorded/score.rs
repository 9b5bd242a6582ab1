//! Scores each row of a recorded series for anomalies, causally or offline.

use almanac_models::{
    Step, Timestamp,
    anomaly::{DetectorOptions, OnlineDetector, Scored, detect_offline, detect_offline_by_clocks},
};

use super::infer_step;
use crate::calendar::Calendar;

/// Rows that the step is inferred from where later rows must not matter; none of them is scored yet.
const FIRST_ROWS: usize = 50;
/// Missing points between two rows that are counted one by one.
const MAX_GAP: i64 = 1_000_000;
/// A week in milliseconds.
const WEEK_MS: i64 = 604_800_000;

/// Where learning ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Training {
    /// Never: each row is learned from once it is scored.
    Online,
    /// With the last row at or before this instant.
    Until(i64),
    /// After this share of a series' rows.
    Fraction(f64),
    /// The whole series is known from the start.
    Offline,
}

/// A score for each row of a series: `timestamps` in milliseconds, ascending, one value each, NaN where it is missing.
#[must_use]
pub fn score_rows(timestamps: &[i64], values: &[f64], training: Training, calendar: &Calendar) -> Vec<Scored> {
    let known = if training == Training::Offline { timestamps.len() } else { FIRST_ROWS.min(timestamps.len()) };
    let step = infer_step(&timestamps[..known]);
    let options = DetectorOptions { step, ..DetectorOptions::default() };
    match training {
        Training::Offline => score_offline(timestamps, values, step, &options, calendar),
        _ => score_online(timestamps, values, options, training, calendar),
    }
}

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
            // A repeated stamp is judged by the same band, and teaches nothing.
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

fn score_offline(
    timestamps: &[i64],
    values: &[f64],
    step: Option<Step>,
    options: &DetectorOptions,
    calendar: &Calendar,
) -> Vec<Scored> {
    let mut y = Vec::with_capacity(values.len());
    let mut place = Vec::with_capacity(values.len());
    for (i, (&at, &value)) in timestamps.iter().zip(values).enumerate() {
        let before = i.checked_sub(1).map(|j| timestamps[j]);
        if before != Some(at) {
            for _ in 0..missing(before, at, step) {
                y.push(f64::NAN);
            }
            y.push(value);
        }
        place.push(y.len() - 1);
    }
    let span = timestamps.first().zip(timestamps.last());
    let span = span.map(|(first, last)| (Timestamp::from_millis(*first), Timestamp::from_millis(*last)));
    let offsets = span.and_then(|(first, last)| Some((first, calendar.offsets(first, last)?)));
    let scored = match offsets.zip(step) {
        Some(((first, offsets), step)) => detect_offline_by_clocks(&y, options, &offsets.local(first, step)),
        None => detect_offline(&y, options),
    };
    let mut last = None;
    place
        .iter()
        .zip(values)
        .map(|(&slot, &value)| {
            let repeated = last.replace(slot) == Some(slot);
            if repeated { scored[slot].for_value(value) } else { scored[slot] }
        })
        .collect()
}

/// Points of the grid between two rows that have no row.
fn missing(before: Option<i64>, at: i64, step: Option<Step>) -> i64 {
    let (Some(before), Some(step)) = (before, step) else { return 0 };
    let gap = at.saturating_sub(before).saturating_add(step.millis() / 2) / step.millis() - 1;
    if gap <= MAX_GAP {
        return gap.max(0);
    }
    // A gap of years: whole weeks of it change no phase of day or week.
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
    fn the_future_does_not_reach_back() {
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
    fn a_spike_is_found_however_learned() {
        let spiked = series((0..1_000).map(|t| if t == 800 { 60.0 } else { wave(t) }));
        for training in [Training::Online, Training::Fraction(0.5), Training::Until(60_000 * 500), Training::Offline] {
            let scored = scored(&spiked, training);
            assert!(scored[800].score > 1.0, "{training:?}: {:?}", scored[800]);
            let others = scored.iter().enumerate().filter(|(t, s)| *t != 800 && s.score > 1.0).count();
            assert!(others < 10, "{training:?}: {others}");
        }
    }

    /// Mornings begin at eight in Berlin, also when the clocks are set ahead on 29 March 2026; one begins at nine.
    #[test]
    fn a_series_known_as_a_whole_follows_the_clocks() {
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
        let called = |calendar: &Calendar| -> Vec<usize> {
            let scored = score_rows(&timestamps, &values, Training::Offline, calendar);
            (0..scored.len()).filter(|&hour| scored[hour].is_anomaly()).collect()
        };
        assert_eq!(called(&calendar), [late]);
        assert!(!called(&Calendar::default()).contains(&late));
    }
}
