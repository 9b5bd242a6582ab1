//! Time of forecasts: two weeks at five minutes, the usual length of a signal, longer histories, and single models.

use std::hint::black_box;

use almanac_models::{
    Horizon, Level, Step,
    forecast::{AutoForecaster, Ets, Fit, HoltWinters, Mstl, OnlineForecaster, OnlineOptions, Predict},
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};

use super::series;

fn forecast(c: &mut Criterion) {
    let Ok(step) = Step::from_millis(300_000) else { return };
    let (Ok(hour), Ok(day)) = (Horizon::try_new(12), Horizon::try_new(288)) else { return };
    let (Ok(narrow), Ok(wide)) = (Level::from_percent(80.0), Level::from_percent(95.0)) else { return };
    let levels = [narrow, wide];
    let seasons: Vec<Step> = [288, 2_016].iter().filter_map(|m| Step::from_millis(m * 300_000).ok()).collect();
    let mut group = c.benchmark_group("forecast");
    group.sample_size(10);
    let fortnight = series(14 * 288);
    for (name, horizon) in [("hour", hour), ("day", day)] {
        group.bench_function(BenchmarkId::new("fortnight_detecting", name), |b| {
            let forecaster = AutoForecaster::new(step).with_horizon(horizon);
            b.iter(|| forecaster.fit(black_box(&fortnight)).and_then(|fitted| fitted.predict(horizon, &levels)));
        });
        group.bench_function(BenchmarkId::new("fortnight_given", name), |b| {
            let forecaster = AutoForecaster::new(step).with_horizon(horizon).with_seasons(seasons.clone());
            b.iter(|| forecaster.fit(black_box(&fortnight)).and_then(|fitted| fitted.predict(horizon, &levels)));
        });
    }
    for n in [1_000, 10_000, 100_000] {
        let y = series(n);
        group.throughput(Throughput::Elements(n as u64));
        group.bench_with_input(BenchmarkId::new("auto", n), &y, |b, y| {
            let forecaster = AutoForecaster::new(step).with_horizon(hour).with_seasons(seasons.clone());
            b.iter(|| forecaster.fit(black_box(y)).and_then(|fitted| fitted.predict(hour, &levels)));
        });
        group.bench_with_input(BenchmarkId::new("holt_winters", n), &y, |b, y| {
            let model = HoltWinters::new(vec![288]);
            b.iter(|| model.fit(black_box(y)).and_then(|fitted| fitted.predict(hour, &levels)));
        });
        group.bench_with_input(BenchmarkId::new("online", n), &y, |b, y| {
            b.iter(|| {
                let mut online = OnlineForecaster::new(OnlineOptions::new(vec![288], 4));
                y.iter().for_each(|v| online.push(*v));
                online.quantile(4, 0.95)
            });
        });
    }
    let short = series(1_000);
    group.bench_function("ets/1000", |b| b.iter(|| Ets.fit(black_box(&short)).and_then(|f| f.predict(hour, &levels))));
    let mstl = Mstl::new(vec![288]);
    group
        .bench_function("mstl/1000", |b| b.iter(|| mstl.fit(black_box(&short)).and_then(|f| f.predict(hour, &levels))));
    group.finish();
}

criterion_group!(benches, forecast);
