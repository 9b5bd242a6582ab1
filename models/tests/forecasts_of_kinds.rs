//! Forecasts of synthetic series with a known truth: recurring jobs, counts, shifts of level and of variance, months.

#![expect(clippy::unwrap_used, reason = "a test")]

use almanac_models::{
    Horizon, Level, Step,
    forecast::{AutoForecaster, Fit, FittedForecast, Forecast, Predict},
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma, Normal, Poisson};

const MINUTE: i64 = 60_000;

fn horizon(steps: usize) -> Horizon {
    Horizon::try_new(steps).unwrap()
}

fn levels() -> [Level; 3] {
    [50.0, 80.0, 95.0].map(|percent| Level::from_percent(percent).unwrap())
}

fn fitted(step_ms: i64, y: &[f64], steps: usize) -> FittedForecast {
    AutoForecaster::new(Step::from_millis(step_ms).unwrap()).with_horizon(horizon(steps)).fit(y).unwrap()
}

fn forecast(step_ms: i64, y: &[f64], steps: usize) -> Forecast {
    let found = fitted(step_ms, y, steps).predict(horizon(steps), &levels()).unwrap();
    for k in 0..steps {
        let ends: Vec<(f64, f64)> = found.intervals.iter().map(|i| (i.lower[k], i.upper[k])).collect();
        assert!(ends.iter().all(|(l, u)| *l <= found.point[k] && found.point[k] <= *u), "{k}: {ends:?}");
        assert!(ends.windows(2).all(|w| w[1].0 <= w[0].0 && w[0].1 <= w[1].1), "{k}: {ends:?}");
    }
    found
}

/// Returns the share of `actual` inside each interval.
fn inside(found: &Forecast, actual: &[f64]) -> [f64; 3] {
    let share = |i: usize| {
        let interval = &found.intervals[i];
        let hits = actual.iter().enumerate().filter(|(k, v)| interval.lower[*k] <= **v && **v <= interval.upper[*k]);
        hits.count() as f64 / actual.len() as f64
    };
    [share(0), share(1), share(2)]
}

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

fn noise(rng: &mut impl Rng, n: usize, sd: f64) -> Vec<f64> {
    let normal = Normal::new(0.0, sd).unwrap();
    (0..n).map(|_| normal.sample(rng)).collect()
}

/// A recurring job: period, first step in the period, and duration, in steps; height above the rest.
#[derive(Clone, Copy)]
struct Job {
    every: usize,
    at: usize,
    steps: usize,
    height: f64,
}

fn add(y: &mut [f64], job: Job, is_due: impl Fn(usize) -> bool) {
    for (t, v) in y.iter_mut().enumerate() {
        let cycle = t / job.every;
        if (job.at..job.at + job.steps).contains(&(t % job.every)) && is_due(cycle) {
            *v += job.height;
        }
    }
}

/// Returns the largest error at the steps of a job in the period after the history, relative to its height.
fn height_error(step_ms: i64, y: &[f64], job: Job) -> f64 {
    let found = forecast(step_ms, y, job.every);
    let base = 20.0;
    (job.at..job.at + job.steps).map(|k| (found.point[k] - base - job.height).abs() / job.height).fold(0.0, f64::max)
}

#[test]
fn daily_jobs_are_forecast_at_their_height() {
    for minutes in [1, 5, 15] {
        let day = 1_440 / minutes;
        for long in [5, 15, 30, 60] {
            for (days, seed) in [(6, 1), (7, 2), (21, 3)] {
                if minutes == 1 && days == 21 {
                    continue;
                }
                let job = Job { every: day, at: 6 * 60 / minutes, steps: (long / minutes).max(1), height: 60.0 };
                let mut y = noise(&mut rng(seed), days * day, 1.0);
                y.iter_mut().for_each(|v| *v += 20.0);
                add(&mut y, job, |_| true);
                let error = height_error(minutes as i64 * MINUTE, &y, job);
                assert!(error < 0.1, "{minutes} min steps, job of {long} min, {days} days: {error}");
            }
        }
    }
}

#[test]
fn jobs_on_weekdays_several_a_day_with_a_season_and_downwards() {
    let day = 288;
    let job = Job { every: day, at: 72, steps: 3, height: 60.0 };
    // On weekdays only, for two and three weeks; the history ends with a Thursday, a Friday or a Saturday.
    for days in [11, 12, 13, 18, 19, 20] {
        let mut y = noise(&mut rng(days as u64), days * day, 1.0);
        y.iter_mut().for_each(|v| *v += 20.0);
        add(&mut y, job, |d| d % 7 < 5);
        let found = forecast(5 * MINUTE, &y, 3 * day);
        for ahead in 0..3 {
            let expected = if (days + ahead) % 7 < 5 { 80.0 } else { 20.0 };
            for k in 72..75 {
                let point = found.point[ahead * day + k];
                assert!((point - expected).abs() < 6.0, "{days} days, {ahead} ahead: {point} for {expected}");
            }
        }
    }
    // Four jobs a day of different heights on a daily season; one of them is negative.
    let jobs = [(10, 1, 60.0), (80, 4, 40.0), (150, 12, -45.0), (250, 2, 90.0)];
    for seed in 0..3 {
        let wave = |t: usize| 100.0 + 30.0 * (t as f64 / day as f64 * std::f64::consts::TAU).sin();
        let mut y = noise(&mut rng(seed), 10 * day, 2.0);
        y.iter_mut().enumerate().for_each(|(t, v)| *v += wave(t));
        for (at, steps, height) in jobs {
            add(&mut y, Job { every: day, at, steps, height }, |_| true);
        }
        let found = forecast(5 * MINUTE, &y, day);
        for (at, steps, height) in jobs {
            for k in at..at + steps {
                let expected = wave(y.len() + k) + height;
                assert!(
                    (found.point[k] - expected).abs() < 0.15 * height.abs(),
                    "{k}: {} for {expected}",
                    found.point[k]
                );
            }
        }
    }
}

#[test]
fn hourly_and_weekly_jobs() {
    let hourly = Job { every: 60, at: 17, steps: 3, height: 30.0 };
    let mut y = noise(&mut rng(5), 2_000, 1.0);
    y.iter_mut().for_each(|v| *v += 20.0);
    add(&mut y, hourly, |_| true);
    let cut = y.len() / 60 * 60;
    let error = height_error(MINUTE, &y[..cut], hourly);
    assert!(error < 0.1, "hourly: {error}");
    let week = 7 * 96;
    let weekly = Job { every: week, at: 200, steps: 4, height: 50.0 };
    for weeks in [4, 6] {
        let mut y = noise(&mut rng(weeks as u64), weeks * week, 1.0);
        y.iter_mut().for_each(|v| *v += 20.0);
        add(&mut y, weekly, |_| true);
        let error = height_error(15 * MINUTE, &y, weekly);
        assert!(error < 0.1, "weekly, {weeks} weeks: {error}");
    }
}

#[test]
fn a_job_that_starts_a_step_early_or_late_is_inside_its_intervals() {
    let day = 288;
    let mut hits = [0.0; 3];
    let mut all = 0.0;
    for case in 0..12_usize {
        let mut random = rng(case as u64);
        let mut y = noise(&mut random, 22 * day, 1.0);
        y.iter_mut().for_each(|v| *v += 20.0);
        for d in 0..22 {
            let at = d * day + 71 + random.random_range(0..3);
            y[at..=at + case % 4].iter_mut().for_each(|v| *v += 60.0);
        }
        let found = forecast(5 * MINUTE, &y[..21 * day], day);
        let (from, to) = (70, 78);
        for k in from..to {
            all += 1.0;
            let v = y[21 * day + k];
            for (hit, interval) in hits.iter_mut().zip(&found.intervals) {
                *hit += f64::from(u8::from(interval.lower[k] <= v && v <= interval.upper[k]));
            }
        }
    }
    assert!(hits[1] / all > 0.75 && hits[2] / all > 0.9, "{:?}", hits.map(|h| h / all));
}

#[test]
fn a_job_that_ran_once_or_ended_is_not_forecast() {
    let day = 288;
    for (name, days) in [("once", vec![9]), ("twice", vec![3, 12]), ("ended", (0..9).collect::<Vec<usize>>())] {
        let mut y = noise(&mut rng(7), 14 * day, 1.0);
        y.iter_mut().for_each(|v| *v += 20.0);
        add(&mut y, Job { every: day, at: 72, steps: 3, height: 60.0 }, |d| days.contains(&d));
        let found = forecast(5 * MINUTE, &y, day);
        let highest = found.point.iter().copied().fold(0.0, f64::max);
        assert!(highest < 30.0, "{name}: {highest}");
    }
    // A job that started a week ago is forecast.
    let mut y = noise(&mut rng(8), 21 * day, 1.0);
    y.iter_mut().for_each(|v| *v += 20.0);
    let job = Job { every: day, at: 72, steps: 3, height: 60.0 };
    add(&mut y, job, |d| d >= 15);
    let error = height_error(5 * MINUTE, &y, job);
    assert!(error < 0.1, "began: {error}");
}

/// Returns counts with this mean by step; `size`: shape of the gamma mixture, `None` for Poisson counts.
fn counts(rng: &mut impl Rng, n: usize, mean: impl Fn(usize) -> f64, size: Option<f64>) -> Vec<f64> {
    (0..n)
        .map(|t| {
            let rate = match size {
                Some(size) => Gamma::new(size, mean(t) / size).unwrap().sample(rng),
                None => mean(t),
            };
            if rate > 0.0 { Poisson::new(rate).unwrap().sample(rng) } else { 0.0 }
        })
        .collect()
}

#[test]
fn counts_have_whole_ends_a_mean_and_quantiles_that_hold() {
    let (n, ahead) = (4_032, 288);
    for mean in [0.05, 0.3, 1.0, 4.0, 12.0, 50.0] {
        for size in [None, Some(2.0), Some(0.7)] {
            let (mut hits, mut all, mut point, mut below) = ([0.0; 3], 0.0, 0.0, 0.0);
            let mut model = String::new();
            for seed in 0..5 {
                let y = counts(&mut rng(seed), n + ahead, |_| mean, size);
                let fit = fitted(5 * MINUTE, &y[..n], ahead);
                model = fit.model().to_owned();
                let found = forecast(5 * MINUTE, &y[..n], ahead);
                let held = inside(&found, &y[n..]);
                hits.iter_mut().zip(held).for_each(|(h, s)| *h += s);
                all += 1.0;
                point += found.point.iter().sum::<f64>() / ahead as f64;
                let median = fit.quantile(horizon(ahead), 0.9).unwrap();
                below += y[n..].iter().zip(&median).filter(|(v, q)| v <= q).count() as f64 / ahead as f64;
                for interval in &found.intervals {
                    let ends = interval.lower.iter().chain(&interval.upper);
                    assert!(ends.clone().all(|v| v.fract() == 0.0 && *v >= 0.0), "{mean} {size:?}");
                }
            }
            let shares = hits.map(|h| h / all);
            let text = format!(
                "mean {mean} size {size:?}: point {:.3}, inside {shares:.3?}, below 0.9: {:.3}, {}",
                point / all,
                below / all,
                &model[..model.len().min(40)]
            );
            assert!((point / all - mean).abs() < 0.15 * mean + 0.02, "{text}");
            assert!(shares[0] > 0.46 && shares[1] > 0.76 && shares[2] > 0.93, "{text}");
            assert!(below / all > 0.87, "{text}");
        }
    }
}

#[test]
fn counts_follow_their_day() {
    let day = 288;
    let rate = |t: usize| if (96..216).contains(&(t % day)) { 3.0 } else { 0.1 };
    let y = counts(&mut rng(3), 15 * day, rate, None);
    let found = forecast(5 * MINUTE, &y[..14 * day], day);
    let (noon, night) = (found.point[150], found.point[30]);
    let held = inside(&found, &y[14 * day..]);
    assert!(held[1] > 0.76 && held[2] > 0.93, "{held:?}");
    assert!((noon - 3.0).abs() < 0.6 && night < 0.4, "{noon} {night}");
    // Whole numbers that are not event counts: a number of replicas keeps its value.
    let replicas: Vec<f64> = (0..2_000).map(|t| if t < 1_200 { 3.0 } else { 4.0 }).collect();
    let found = forecast(5 * MINUTE, &replicas, 12);
    assert!(found.point.iter().all(|v| (v - 4.0).abs() < 0.3), "{:?}", found.point);
}

#[test]
fn intervals_keep_their_coverage_after_shifts() {
    let (day, n, ahead) = (288, 14 * 288, 288);
    type Rule = (&'static str, fn(usize, usize) -> (f64, f64));
    // Level and standard deviation by step.
    let rules: [Rule; 8] = [
        ("up", |t, n| (if t < n / 2 { 10.0 } else { 55.0 }, 0.5)),
        ("down", |t, n| (if t < n / 2 { 55.0 } else { 10.0 }, 0.5)),
        ("late", |t, n| (if t + 100 < n { 10.0 } else { 55.0 }, 0.5)),
        ("a day ago", |t, n| (if t + 288 < n { 30.0 } else { 12.0 }, 1.0)),
        ("two", |t, n| {
            (
                if t < n / 3 {
                    10.0
                } else if t < 2 * n / 3 {
                    30.0
                } else {
                    22.0
                },
                0.8,
            )
        }),
        ("noisier", |t, n| (30.0, if t < n / 2 { 0.5 } else { 3.0 })),
        ("calmer", |t, n| (30.0, if t < n / 2 { 3.0 } else { 0.5 })),
        ("both", |t, n| if t < n / 2 { (30.0, 0.5) } else { (60.0, 2.0) }),
    ];
    for season in [0.0, 8.0] {
        for (name, rule) in rules {
            let mut shares = [0.0; 3];
            let mut width = 0.0;
            for seed in 0..5 {
                let mut random = rng(seed);
                let unit = noise(&mut random, n + ahead, 1.0);
                let y: Vec<f64> = (0..n + ahead)
                    .map(|t| {
                        let (level, sd) = rule(t.min(n - 1), n);
                        level + sd * unit[t] + season * (t as f64 / day as f64 * std::f64::consts::TAU).sin()
                    })
                    .collect();
                let found = forecast(5 * MINUTE, &y[..n], ahead);
                let held = inside(&found, &y[n..]);
                shares.iter_mut().zip(held).for_each(|(s, h)| *s += h / 5.0);
                width +=
                    found.intervals[2].upper.iter().zip(&found.intervals[2].lower).map(|(u, l)| u - l).sum::<f64>()
                        / ahead as f64
                        / 5.0;
                assert!((0..ahead).all(|k| found.intervals[0].lower[k] < found.intervals[0].upper[k]), "{name}");
                assert!((0..ahead).all(|k| found.intervals[0].lower[k] < found.point[k]), "{name}");
            }
            let sd = rule(n - 1, n).1;
            assert!(shares[0] > 0.42 && shares[1] > 0.72 && shares[2] > 0.9, "{name} {season}: {shares:?}");
            assert!(width / (3.92 * sd) < 2.0, "{name} {season}: {width}");
        }
    }
}

#[test]
fn months_and_quarters_have_a_yearly_season() {
    let month = 2_629_800_000;
    for (step, year, years) in [(month, 12, 3), (month, 12, 6), (3 * month, 4, 5)] {
        let season = |t: usize| 10.0 * (t as f64 / year as f64 * std::f64::consts::TAU).cos();
        let jitter = noise(&mut rng(1), year * years, 0.5);
        let y: Vec<f64> = (0..year * years).map(|t| 100.0 + 0.2 * t as f64 + season(t) + jitter[t]).collect();
        let fit = fitted(step, &y, year);
        assert_eq!(fit.seasons().iter().map(|s| s.millis()).collect::<Vec<_>>(), [12 * month], "{years} years");
        let found = forecast(step, &y, year);
        for k in 0..year {
            let expected = 100.0 + 0.2 * (y.len() + k) as f64 + season(k);
            assert!((found.point[k] - expected).abs() < 4.0, "{years} years, {k}: {} for {expected}", found.point[k]);
        }
    }
}
