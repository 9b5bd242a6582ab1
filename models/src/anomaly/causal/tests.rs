//! Tests of the public detector on synthetic series.

use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;

use super::{DetectorOptions, OnlineDetector, Scored};
use crate::Step;

fn daily(t: usize) -> f64 {
    100.0 + 50.0 * (t as f64 / 48.0 * std::f64::consts::TAU).sin() + ((t * 7_919) % 13) as f64
}

fn scores(y: impl Iterator<Item = f64>) -> Vec<Scored> {
    let mut detector = OnlineDetector::new(DetectorOptions::default());
    y.map(|v| detector.push(v)).collect()
}

#[test]
fn spikes_and_shifts_are_called_and_little_else() {
    let spoiled = |t: usize| match t {
        1_500 => daily(t) + 120.0,
        2_000..2_030 => daily(t) - 80.0,
        _ => daily(t),
    };
    let scored = scores((0..3_000).map(spoiled));
    assert!(scored[1_500].score > 1.0, "{:?}", scored[1_500]);
    assert!(scored[2_000..2_030].iter().any(|s| s.score > 1.0));
    let false_alarms = (0..3_000).filter(|t| !(1_500..1_510).contains(t) && !(2_000..2_060).contains(t));
    let called: Vec<usize> = false_alarms.filter(|&t| scored[t].score > 1.0).collect();
    assert!(called.len() <= 3, "{called:?}");
}

#[test]
fn the_return_from_an_incident_is_not_a_second_one() {
    let incident = |t: usize| (1_500..1_515).contains(&t) || (2_700..2_715).contains(&t);
    let scored = scores((0..4_000).map(|t| if incident(t) { daily(t) + 150.0 } else { daily(t) }));
    for start in [1_500, 2_700] {
        assert!(scored[start].score > 1.0, "{:?}", scored[start]);
        let after = (start + 15..start + 120).filter(|&t| scored[t].score > 1.0).count();
        assert_eq!(after, 0, "after {start}");
        // Its absence is not called a day later, since the profile did not learn it.
        let echo = (start + 48..start + 63).filter(|&t| scored[t].score > 1.0).count();
        assert_eq!(echo, 0, "a day after {start}");
    }
}

#[test]
fn a_drift_inside_the_band_is_found_and_a_small_step_is_soon_ordinary() {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let noise: Vec<f64> = (0..4_000).map(|_| rng.sample(StandardNormal)).collect();
    let called = |extra: &dyn Fn(usize) -> f64| -> Vec<usize> {
        let scored = scores((0..4_000).map(|t| noise[t] + extra(t)));
        (0..4_000).filter(|&t| scored[t].score > 1.0).collect()
    };
    let leak = called(&|t| if (3_000..3_020).contains(&t) { 0.7 * ((t - 2_999) as f64).min(5.0) } else { 0.0 });
    assert!(leak.iter().any(|t| (3_000..3_020).contains(t)), "{leak:?}");
    assert!(leak.iter().filter(|t| !(3_000..3_030).contains(*t)).count() <= 4, "{leak:?}");
    let step = called(&|t| if t < 3_000 { 0.0 } else { 2.0 });
    assert!(step.iter().filter(|t| !(3_000..3_030).contains(*t)).count() <= 4, "{step:?}");
}

#[test]
fn later_values_do_not_change_earlier_scores() {
    let a = scores((0..900).map(daily));
    let b = scores((0..900).map(|t| if t < 700 { daily(t) } else { -1e6 }));
    for t in 0..700 {
        assert_eq!(a[t].score.to_bits(), b[t].score.to_bits(), "step {t}");
    }
}

#[test]
fn the_band_agrees_with_the_score() {
    for (t, s) in scores((0..2_000).map(|t| if t % 400 == 399 { 500.0 } else { daily(t) })).iter().enumerate() {
        let value = if t % 400 == 399 { 500.0 } else { daily(t) };
        if s.score > 0.0 && s.lower.is_finite() && (s.score - 1.0).abs() > 1e-9 {
            assert_eq!(s.score > 1.0, value < s.lower || value > s.upper, "step {t}: {s:?}");
        }
    }
}

#[test]
fn a_new_regime_becomes_ordinary() {
    for (before, after) in [(0.0, 100.0), (7.0, 7.5), (1e12, 1.0)] {
        let scored = scores((0..2_000).map(|t| if t < 1_000 { before } else { after }));
        assert!(scored[1_000].score > 1.0, "{before} → {after}: {:?}", scored[1_000]);
        assert!(scored[1_900].score <= 1.0, "{before} → {after}: {:?}", scored[1_900]);
    }
}

#[test]
fn gaps_before_the_first_value_change_nothing() {
    let late = scores((0..40_000).map(|_| f64::NAN).chain((0..900).map(daily)));
    let early = scores((0..900).map(daily));
    for (t, (a, b)) in late[40_000..].iter().zip(&early).enumerate() {
        assert_eq!((a.score.to_bits(), a.upper.to_bits()), (b.score.to_bits(), b.upper.to_bits()), "step {t}");
    }
}

/// Regression: the band was ±0.0001, and every second burst scored tens of thousands.
#[test]
fn a_mostly_empty_queue_may_fill_a_little() {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(2);
    let mut queue = 0.0_f64;
    let depth: Vec<f64> = (0..3_000)
        .map(|t| {
            let arrived = if rng.random_bool(0.1) { f64::from(rng.random_range(1..5)) } else { 0.0 };
            queue = (queue + arrived - 1.0).max(0.0);
            if (2_500..2_510).contains(&t) { queue + 60.0 } else { queue }
        })
        .collect();
    let scored = scores(depth.iter().copied());
    let called = (0..2_500).filter(|&t| scored[t].score > 1.0).count();
    assert!(called <= 25, "{called} of 2,500");
    assert!((2_500..2_510).any(|t| scored[t].score > 1.0));
    // A flag that seldom falls is called each time.
    let flag = scores((0..3_000).map(|t| if t % 700 == 699 { 0.0 } else { 1.0 }));
    assert!([1_399, 2_099, 2_799].iter().all(|&t| flag[t].score > 1.0));
}

/// A daily rise at eight local time, with a clock change of an hour forward and, later, back.
#[test]
fn set_clocks_keeps_the_local_phase() {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(4);
    let mut called = [0, 0];
    for (follows, called) in [true, false].into_iter().zip(&mut called) {
        let mut detector = OnlineDetector::new(DetectorOptions { seasons: Some(vec![96]), ..Default::default() });
        let mut ahead = 0;
        for t in 0..96 * 40 {
            let set = if t == 96 * 20 + 8 {
                4
            } else if t == 96 * 30 + 8 {
                -4
            } else {
                0
            };
            ahead += set;
            if follows && set != 0 {
                detector.set_clocks(set);
            }
            let busy = if (32..72).contains(&((t + ahead) % 96)) { 100.0 } else { 10.0 };
            let scored = detector.push(busy + rng.sample::<f64, _>(StandardNormal));
            *called += u32::from(t > 96 * 20 && scored.is_anomaly());
        }
    }
    assert!(4 * called[0] < called[1], "{called:?}");
}

/// Anomalies besides spikes: a lost season, a variance that grows or shrinks, a stuck series, a drift.
#[test]
fn other_shapes_of_anomalies_are_called() {
    let (day, odd, n) = (96, 96 * 28, 96 * 30);
    let value = |shape: &str, t: usize, season: f64, noise: f64| match shape {
        "lost season" => 100.0 + 2.0 * noise,
        "variance" => 100.0 + season + 10.0 * noise,
        "calm" => 100.0 + season + 0.2 * noise,
        "stuck" => 104.25,
        "drift" => 100.0 + season + 2.0 * noise + 0.15 * (t - odd) as f64,
        _ => 100.0 + season + 2.0 * noise,
    };
    for name in ["lost season", "variance", "calm", "stuck", "drift", "nothing"] {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(6);
        let step = Step::from_millis(900_000).ok();
        let options = DetectorOptions { seasons: Some(vec![day]), step, ..Default::default() };
        let mut detector = OnlineDetector::new(options);
        let (mut before, mut within) = (0, 0);
        for t in 0..n {
            let season = 30.0 * (t as f64 / day as f64 * std::f64::consts::TAU).sin();
            let shape = if t < odd { "nothing" } else { name };
            let called = detector.push(value(shape, t, season, rng.sample(StandardNormal)));
            if called.is_anomaly() && t > 96 * 7 {
                if t < odd { before += 1 } else { within += 1 }
            }
        }
        let found = within > 0;
        assert_eq!(found, name != "nothing", "{name}: {within} within, {before} before");
        assert!(before <= 4, "{name}: {before} of three quiet weeks");
    }
}

#[test]
fn frozen_bounds_stay() {
    let mut detector = OnlineDetector::new(DetectorOptions::default());
    for t in 0..1_000 {
        detector.push(daily(t));
    }
    detector.freeze();
    let seasons = detector.seasons().to_vec();
    for t in 1_000..3_000 {
        detector.push(50.0 + (t % 7) as f64);
    }
    assert_eq!(detector.seasons(), seasons);
}
