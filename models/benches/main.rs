//! Benchmarks of the public kernels and of forecasts on a synthetic series.

mod forecast;
mod kernels;

use criterion::criterion_main;

criterion_main!(kernels::benches, forecast::benches);

/// Returns a series with a day of 288 steps, a week, and noise of a fixed pattern.
fn series(n: usize) -> Vec<f64> {
    (0..n)
        .map(|t| {
            let day = (t as f64 / 288.0 * std::f64::consts::TAU).sin();
            let week = if (t / 288) % 7 >= 5 { -10.0 } else { 0.0 };
            100.0 + 30.0 * day + week + ((t * 7_919 + t * t * 31) % 101) as f64 / 10.0
        })
        .collect()
}
