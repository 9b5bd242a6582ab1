//! Detection of seasons on synthetic series with a known truth, several draws of each: no season is missed or invented.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::f64::consts::TAU;

use almanac_models::{Step, seasons::SeasonDetector};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// Number of draws of each series.
const DRAWS: u64 = 8;
const STEP_MINUTES: i64 = 15;
const PER_DAY: usize = 96;
const FOUR_WEEKS: usize = 28 * PER_DAY;

/// Returns the periods found, in days, in four weeks at a quarter of an hour.
fn found(y: &[f64]) -> Vec<f64> {
    let step = Step::from_millis(STEP_MINUTES * 60_000).unwrap();
    let seasons = SeasonDetector::default().with_step(step).detect(y);
    seasons.iter().map(|s| s.period as f64 / PER_DAY as f64).collect()
}

/// Asserts that all draws but at most `misses` have the periods `expected`, in days.
fn check(name: &str, expected: &[f64], misses: usize, draw: impl Fn(&mut ChaCha8Rng) -> Vec<f64>) {
    let wrong: Vec<Vec<f64>> = (0..DRAWS)
        .map(|seed| found(&draw(&mut ChaCha8Rng::seed_from_u64(seed))))
        .filter(|found| {
            found.len() != expected.len() || found.iter().zip(expected).any(|(a, b)| (a - b).abs() > 0.02 * b)
        })
        .collect();
    assert!(wrong.len() <= misses, "{name}: {wrong:?}");
}

fn series(f: impl FnMut(usize) -> f64) -> Vec<f64> {
    (0..FOUR_WEEKS).map(f).collect()
}

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    rng.sample(StandardNormal)
}

/// Autoregressive noise of unit variance.
fn noise(rng: &mut ChaCha8Rng, phi: f64) -> Vec<f64> {
    let mut x = 0.0;
    series(|_| {
        x = phi * x + (1.0 - phi * phi).sqrt() * normal(rng);
        x
    })
}

/// A day with a morning and an afternoon peak.
fn day(t: usize) -> f64 {
    let share = (t % PER_DAY) as f64 / PER_DAY as f64;
    0.15 + (-((share - 0.45) / 0.12).powi(2)).exp() + 0.8 * (-((share - 0.65) / 0.1).powi(2)).exp()
}

fn sine(t: usize) -> f64 {
    (t as f64 / PER_DAY as f64 * TAU).sin()
}

fn weekday(t: usize) -> f64 {
    [1.0, 1.05, 1.05, 1.02, 0.92, 0.42, 0.38][t / PER_DAY % 7]
}

/// Adds incidents of three quarters of an hour, about one a day.
fn add_incidents(rng: &mut ChaCha8Rng, y: &mut [f64], size: f64) {
    let mut at = 0;
    loop {
        at += rng.random_range(PER_DAY / 3..2 * PER_DAY);
        if at + 3 > y.len() {
            return;
        }
        y[at..at + 3].iter_mut().for_each(|v| *v += size);
    }
}

/// Makes ten gaps of half a day.
fn add_gaps(rng: &mut ChaCha8Rng, y: &mut [f64]) {
    for _ in 0..10 {
        let at = rng.random_range(0..y.len() - PER_DAY / 2);
        y[at..at + PER_DAY / 2].fill(f64::NAN);
    }
}

#[test]
fn series_without_repetition_have_no_season() {
    for phi in [0.0, 0.6, 0.95] {
        check(&format!("noise {phi}"), &[], 0, |rng| noise(rng, phi));
    }
    check("heavy tail", &[], 0, |rng| noise(rng, 0.6).iter().map(|v| (1.5 * v).exp()).collect());
    check("rare events", &[], 0, |rng| series(|_| f64::from(u8::from(rng.random::<f64>() < 0.1))));
    check("line", &[], 0, |_| series(|t| 5e6 - 900.0 * t as f64));
    check("trend and spikes", &[], 0, |rng| {
        series(|t| t as f64 * 0.01 + normal(rng) + if rng.random::<f64>() < 0.01 { 30.0 } else { 0.0 })
    });
    check("incidents", &[], 0, |rng| {
        let mut y = noise(rng, 0.3);
        add_incidents(rng, &mut y, 15.0);
        y
    });
    check("gaps", &[], 0, |rng| {
        let mut y = noise(rng, 0.5);
        add_gaps(rng, &mut y);
        y
    });
    // A random walk resembles a week now and then: in less than 2 % of many draws.
    check("random walk", &[], 1, |rng| {
        let mut x = 0.0;
        series(|_| {
            x += normal(rng);
            x
        })
    });
}

#[test]
fn a_day_alone_is_a_day() {
    check("sine", &[1.0], 0, |rng| series(|t| sine(t) + 0.5 * normal(rng)));
    check("square", &[1.0], 0, |rng| {
        series(|t| f64::from(u8::from(t % PER_DAY < 2 * PER_DAY / 5)) + 0.1 * normal(rng))
    });
    check("two peaks", &[1.0], 0, |rng| {
        series(|t| 0.3 * sine(t) + (t as f64 / PER_DAY as f64 * 2.0 * TAU).sin() + 0.2 * normal(rng))
    });
    check("growing", &[1.0], 0, |rng| series(|t| (1.0 + t as f64 * 2e-4) * (3.0 + day(t)) + 0.1 * normal(rng)));
    check("gaps", &[1.0], 0, |rng| {
        let mut y = series(|t| day(t) + 0.2 * normal(rng));
        add_gaps(rng, &mut y);
        y
    });
    check("incidents", &[1.0], 0, |rng| {
        let mut y: Vec<f64> = noise(rng, 0.6).iter().enumerate().map(|(t, e)| sine(t) + 0.5 * e).collect();
        add_incidents(rng, &mut y, 10.0);
        y
    });
}

#[test]
fn a_week_is_found_with_its_day_or_alone() {
    check("quiet weekends", &[1.0, 7.0], 0, |rng| series(|t| day(t) * weekday(t) + 0.1 * normal(rng)));
    check("noise larger than the week", &[1.0, 7.0], 0, |rng| {
        noise(rng, 0.6).iter().enumerate().map(|(t, e)| day(t) * weekday(t) + 0.4 * e).collect()
    });
    check("incidents and growth", &[1.0, 7.0], 0, |rng| {
        let noise = noise(rng, 0.6);
        let mut y = series(|t| (1.0 + t as f64 * 7e-5) * day(t) * weekday(t) + 0.2 * noise[t]);
        add_incidents(rng, &mut y, 6.0);
        y
    });
    check("Monday's peak", &[1.0, 7.0], 0, |rng| {
        let peak =
            |t: usize| if (t / PER_DAY).is_multiple_of(7) && (36..44).contains(&(t % PER_DAY)) { 1.5 } else { 0.0 };
        series(|t| day(t) + peak(t) + 0.1 * normal(rng))
    });
    // One day of the week has a job: there is no daily season.
    check("Saturday's job", &[7.0], 0, |rng| {
        let busy = |t: usize| t / PER_DAY % 7 == 5 && (10..40).contains(&(t % PER_DAY));
        series(|t| if busy(t) { 2.0 } else { 0.0 } + 0.3 * normal(rng))
    });
}

/// Seven periods of ten minutes at a step of five seconds. So few noisy cycles leave the period uncertain by a step,
/// and a common clock length near it replaces it.
#[test]
fn a_common_clock_length_replaces_a_period_near_it() {
    let step = Step::from_millis(5_000).unwrap();
    for seed in 0..DRAWS {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let day = |t: usize| (t as f64 / 120.0 * TAU).sin() + 0.5 * (2.0 * t as f64 / 120.0 * TAU).cos();
        let y: Vec<f64> = (0..840).map(|t| 10.0 + 3.0 * day(t) + 0.8 * normal(&mut rng)).collect();
        let found: Vec<usize> =
            SeasonDetector::default().with_step(step).detect(&y).iter().map(|season| season.period).collect();
        assert_eq!(found, [120], "seed {seed}");
        // A period that is not near a clock length stays as it is.
        let y: Vec<f64> = (0..840).map(|t| (t as f64 / 77.0 * TAU).sin() + 0.1 * normal(&mut rng)).collect();
        let found: Vec<usize> =
            SeasonDetector::default().with_step(step).detect(&y).iter().map(|season| season.period).collect();
        assert_eq!(found, [77], "seed {seed}");
    }
}

/// Returns the periods, in seconds, found in a series of known truth with a trend, spikes and gaps.
fn found_at(step_s: usize, days: usize, with: impl Fn(f64) -> f64) -> Vec<Vec<f64>> {
    let step = Step::from_millis(1_000 * i64::try_from(step_s).unwrap()).unwrap();
    (0..3)
        .map(|seed| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let n = days * 86_400 / step_s;
            let mut y: Vec<f64> = (0..n)
                .map(|t| {
                    let spike = if rng.random::<f64>() < 1e-3 { 12.0 } else { 0.0 };
                    with((t * step_s) as f64) + t as f64 / n as f64 + 0.5 * normal(&mut rng) + spike
                })
                .collect();
            for _ in 0..5 {
                let (at, length) = (rng.random_range(0..n), n / 60);
                y[at..(at + length).min(n)].fill(f64::NAN);
            }
            let seasons = SeasonDetector::default().with_step(step).detect(&y);
            seasons.iter().map(|season| (season.period * step_s) as f64).collect()
        })
        .collect()
}

/// At steps from a second to an hour the same seasons are found, several at once, and none where there are none.
#[test]
fn the_truth_is_found_at_every_step() {
    let wave = |seconds: f64, period: f64| (seconds / period * TAU).sin();
    let weekly = |seconds: f64| if (seconds / 86_400.0).rem_euclid(7.0) >= 5.0 { -1.5 } else { 0.0 };
    let check = |found: Vec<Vec<f64>>, expected: &[f64], what: &str| {
        for (seed, periods) in found.iter().enumerate() {
            let right =
                periods.len() == expected.len() && periods.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 0.01 * b);
            assert!(right, "{what}, seed {seed}: {periods:?}, not {expected:?}");
        }
    };
    for (step, days) in [(1, 4), (10, 6), (60, 12)] {
        let with = |s: f64| 2.0 * wave(s, 86_400.0) + wave(s, 600.0);
        check(found_at(step, days, with), &[600.0, 86_400.0], &format!("ten minutes and a day at {step} s"));
    }
    for (step, days) in [(60, 28), (300, 28), (900, 28), (3_600, 56)] {
        let with = |s: f64| 2.0 * wave(s, 86_400.0) + weekly(s);
        check(found_at(step, days, with), &[86_400.0, 604_800.0], &format!("a day and a week at {step} s"));
    }
    for (step, days) in [(1, 4), (10, 6), (60, 12), (300, 28), (3_600, 56)] {
        check(found_at(step, days, |_| 0.0), &[], &format!("nothing at {step} s"));
    }
}
