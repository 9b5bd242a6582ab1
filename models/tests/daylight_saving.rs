//! Forecasts and offline scores of a load that follows local time, across daylight saving.

#![expect(clippy::unwrap_used, reason = "a test")]

use almanac_models::{
    Horizon, Step, Timestamp,
    anomaly::{DetectorOptions, detect_offline, detect_offline_by_clocks},
    forecast::{AutoForecaster, Fit, OnlineForecaster, OnlineOptions, Predict},
    units::UtcOffsets,
};

const HOUR: i64 = 3_600_000;
/// Clock changes in Berlin in 2026: forward on 29 March and back on 25 October, each at 01:00 UTC.
const SPRING: i64 = 1_774_746_000_000;
const AUTUMN: i64 = 1_792_890_000_000;

fn berlin() -> UtcOffsets {
    let at = Timestamp::from_millis;
    UtcOffsets::new(HOUR, vec![(at(SPRING), 2 * HOUR), (at(AUTUMN), HOUR)])
}

/// Requests by the local hour, with a sharp morning and calm weekends.
fn load(at: i64) -> f64 {
    let local = at + berlin().at(Timestamp::from_millis(at));
    let (hour, day) = (local.div_euclid(HOUR).rem_euclid(24), local.div_euclid(24 * HOUR).rem_euclid(7));
    let busy = if (8..18).contains(&hour) { 100.0 } else { 10.0 };
    // Day 0 is a Thursday.
    let weekend = if day == 2 || day == 3 { 0.4 } else { 1.0 };
    busy * weekend + (at / HOUR * 7_919 % 13) as f64 * 0.2
}

/// Returns the largest error over two days of a forecast whose history ends `before` hours before the change.
fn worst(change: i64, before: i64, clocks: bool) -> f64 {
    let (start, end) = (change - 42 * 24 * HOUR, change - before * HOUR);
    let y: Vec<f64> = (0..(end - start) / HOUR).map(|t| load(start + t * HOUR)).collect();
    let forecaster = AutoForecaster::new(Step::from_millis(HOUR).unwrap());
    let forecaster = if clocks { forecaster.with_clocks(berlin(), Timestamp::from_millis(start)) } else { forecaster };
    let horizon = Horizon::try_new(48).unwrap();
    let fitted = forecaster.fit(&y).unwrap();
    let forecast = fitted.predict(horizon, &[]).unwrap();
    assert_eq!((forecast.point.len(), fitted.quantile(horizon, 0.9).unwrap().len()), (48, 48));
    let error = |(k, point): (usize, &f64)| (point - load(end + i64::try_from(k).unwrap() * HOUR)).abs();
    forecast.point.iter().enumerate().map(error).fold(0.0, f64::max)
}

#[test]
fn forecasts_follow_local_time() {
    for change in [SPRING, AUTUMN] {
        // The history ends well before the change, at it, in the repeated or skipped hour, or a day after it.
        for before in [20, 1, 0, -1, -24] {
            let with = worst(change, before, true);
            assert!(with < 12.0, "{change}, {before} hours before: off by {with}");
        }
        let without = worst(change, 20, false);
        assert!(without > 30.0, "{change}: without clocks off by {without}");
    }
}

/// Sixty days, thirty of them after the change, with one late morning. Without clocks half of all mornings are late.
#[test]
fn offline_scores_follow_local_time() {
    for change in [SPRING, AUTUMN] {
        let start = change - 30 * 24 * HOUR;
        let mut y: Vec<f64> = (0..60 * 24).map(|t| load(start + t * HOUR)).collect();
        let odd = (45 * 24..).find(|&t| y[t] > 99.0 && y[t - 1] < 20.0).unwrap();
        y[odd] = y[odd - 1];
        let (step, from) = (Step::from_millis(HOUR).unwrap(), Timestamp::from_millis(start));
        for seasons in [None, Some(vec![24, 168])] {
            let options = DetectorOptions { step: Some(step), seasons, ..DetectorOptions::default() };
            let called = |scored: Vec<almanac_models::anomaly::Scored>| -> Vec<usize> {
                (0..y.len()).filter(|&t| scored[t].is_anomaly()).collect()
            };
            let clocks = berlin();
            let with = called(detect_offline_by_clocks(&y, &options, &clocks.local(from, step)));
            assert_eq!(with, vec![odd], "{change} {options:?}");
            let without = called(detect_offline(&y, &options));
            assert!(!without.contains(&odd), "{change} {options:?}: {without:?}");
        }
    }
}

/// Returns the largest error four hours ahead over the two days after the change, and the number of steps without an
/// interval.
fn worst_online(change: i64, clocks: bool) -> (f64, usize) {
    let (start, step) = (change - 42 * 24 * HOUR, Step::from_millis(HOUR).unwrap());
    let online = OnlineForecaster::new(OnlineOptions::new(vec![24, 168], 4));
    let mut online = if clocks { online.with_clocks(berlin(), Timestamp::from_millis(start), step) } else { online };
    let (mut worst, mut silent) = (0.0f64, 0);
    for t in 0..44 * 24 {
        online.push(load(start + t * HOUR));
        // From the third hour after the change on, so that the skipped or repeated hour itself is left out.
        if (42 * 24 + 2..44 * 24 - 4).contains(&t) {
            worst = worst.max((online.point(4).unwrap() - load(start + (t + 4) * HOUR)).abs());
        }
        silent += usize::from(t > 41 * 24 && online.quantile(4, 0.9).is_none());
    }
    (worst, silent)
}

#[test]
fn online_forecasts_follow_local_time() {
    for change in [SPRING, AUTUMN] {
        let (with, silent) = worst_online(change, true);
        assert!(with < 25.0 && silent == 0, "{change}: off by {with}, {silent} without interval");
        let (without, _) = worst_online(change, false);
        assert!(without > 30.0, "{change}: without clocks off by {without}");
    }
}
