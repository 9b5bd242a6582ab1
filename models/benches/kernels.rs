//! Time of the public kernels by length of the series.

use std::hint::black_box;

use almanac_models::{
    Horizon, Level, Step,
    anomaly::{DetectorOptions, OnlineDetector, detect_offline},
    changepoint::Pelt,
    forecast::{AutoForecaster, Fit, OnlineForecaster, OnlineOptions, Predict},
    seasons::SeasonDetector,
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};

use super::series;

fn seasons() -> Vec<Step> {
    [288, 2_016].iter().filter_map(|m| Step::from_millis(m * 300_000).ok()).collect()
}

fn kernels(c: &mut Criterion) {
    let Ok(step) = Step::from_millis(300_000) else { return };
    let (Ok(horizon), Ok(level)) = (Horizon::try_new(288), Level::from_percent(95.0)) else { return };
    let mut group = c.benchmark_group("kernels");
    group.sample_size(10);
    for n in [1_000, 10_000, 100_000] {
        let y = series(n);
        group.throughput(Throughput::Elements(n as u64));
        group.bench_with_input(BenchmarkId::new("seasons", n), &y, |b, y| {
            b.iter(|| SeasonDetector::default().with_step(step).detect(black_box(y)));
        });
        group.bench_with_input(BenchmarkId::new("fit", n), &y, |b, y| {
            b.iter(|| AutoForecaster::new(step).with_seasons(seasons()).with_horizon(horizon).fit(black_box(y)));
        });
        if let Ok(fitted) = AutoForecaster::new(step).with_seasons(seasons()).with_horizon(horizon).fit(&y) {
            group.bench_function(BenchmarkId::new("predict", n), |b| b.iter(|| fitted.predict(horizon, &[level])));
        }
        group.bench_with_input(BenchmarkId::new("forecast_online", n), &y, |b, y| {
            b.iter(|| {
                let mut online = OnlineForecaster::new(OnlineOptions::new(vec![288, 2_016], 5));
                y.iter().for_each(|v| online.push(*v));
                online.quantile(1, 0.95)
            });
        });
        group.bench_with_input(BenchmarkId::new("score", n), &y, |b, y| {
            b.iter(|| {
                let options = DetectorOptions { seasons: Some(vec![288, 2_016]), ..DetectorOptions::default() };
                let mut detector = OnlineDetector::new(options);
                y.iter().map(|v| detector.push(*v).score).fold(0.0, f64::max)
            });
        });
        group.bench_with_input(BenchmarkId::new("score_offline", n), &y, |b, y| {
            b.iter(|| detect_offline(black_box(y), &DetectorOptions::default()));
        });
        group.bench_with_input(BenchmarkId::new("changepoints", n), &y, |b, y| b.iter(|| Pelt::default().detect(y)));
    }
    group.finish();
}

criterion_group!(benches, kernels);
