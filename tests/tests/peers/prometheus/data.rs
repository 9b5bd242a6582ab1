//! Generates the samples that are sent to Prometheus and to the service.

use almanac_engine::series::{Labels, Sample, stale_marker};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Monday, 2026-01-05T08:00:00.123Z: no sample is at a whole second.
pub(crate) const START_MS: i64 = 1_767_600_000_123;
/// Distance of the samples.
pub(crate) const STEP_MS: i64 = 15_000;
/// Two hours of samples.
pub(crate) const STEPS: usize = 480;

/// Series with its labels and an optional value at each step.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) labels: Labels,
    pub(crate) values: Vec<Option<f64>>,
}

impl Series {
    /// Returns the samples of the given steps.
    pub(crate) fn samples(&self, steps: std::ops::Range<usize>) -> Vec<Sample> {
        let there = self.values[steps.clone()].iter().zip(steps);
        there.filter_map(|(value, step)| value.map(|value| Sample { timestamp_ms: time_ms(step), value })).collect()
    }
}

/// Returns the time of a step.
pub(crate) fn time_ms(step: usize) -> i64 {
    START_MS + STEP_MS * i64::try_from(step).unwrap()
}

/// Returns counters with resets, a counter and gauges with gaps, stale markers, NaN and infinities, histograms whose
/// counts sometimes fall from bucket to bucket, and series that start late or end early.
pub(crate) fn series() -> Vec<Series> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut all = Vec::new();
    for (job, instances) in [("api", 3_u32), ("web", 2), ("worker", 1)] {
        for instance in 0..instances {
            let instance = format!("10.0.0.{instance}:80");
            let base = [("job", job.to_owned()), ("instance", instance)];
            for status in ["200", "404", "500"] {
                all.push(counter("http_requests_total", &base, &[("status", status)], &mut rng));
            }
            histogram(&base, &mut all, &mut rng);
            // Never near 0, where Prometheus versions extrapolate differently.
            all.push(gauge("bytes_total", &base, &[], &mut rng, |step, noise| 1e6 + 1e4 * step + 1e3 * noise));
            all.push(gauge("memory_bytes", &base, &[], &mut rng, |_, noise| 2e8 + 1e6 * noise.round()));
            all.push(gauge("temperature", &base, &[], &mut rng, |step, noise| (step / 40.0).sin() * 20.0 + noise));
            all.push(gauge("build_info", &base, &[("version", "1.2.3"), ("team", "blue")], &mut rng, |_, _| 1.0));
            all.push(gauge("up", &base, &[], &mut rng, |_, noise| if noise > 4.5 { 0.0 } else { 1.0 }));
        }
    }
    odd(&mut all, &mut rng);
    all
}

fn labels(name: &str, base: &[(&str, String); 2], more: &[(&str, &str)]) -> Labels {
    let pairs = base.iter().map(|(name, value)| (*name, value.as_str())).chain(more.iter().copied());
    Labels::from_pairs(pairs.chain([("__name__", name)])).unwrap()
}

fn counter(name: &str, base: &[(&str, String); 2], more: &[(&str, &str)], rng: &mut ChaCha8Rng) -> Series {
    let (mut value, max_step) = (rng.random_range(0.0_f64..50.0).floor(), rng.random_range(1..40));
    let values = (0..STEPS).map(|_| {
        value = if rng.random_ratio(1, 150) { 0.0 } else { value + f64::from(rng.random_range(0..max_step)) };
        Some(value)
    });
    Series { labels: labels(name, base, more), values: values.collect() }
}

fn gauge(
    name: &str,
    base: &[(&str, String); 2],
    more: &[(&str, &str)],
    rng: &mut ChaCha8Rng,
    value: impl Fn(f64, f64) -> f64,
) -> Series {
    let values = (0..STEPS).map(|step| {
        let noise = rng.random_range(-5.0..5.0);
        (!rng.random_ratio(1, 80)).then(|| value(float(step), noise))
    });
    Series { labels: labels(name, base, more), values: values.collect() }
}

fn histogram(base: &[(&str, String); 2], all: &mut Vec<Series>, rng: &mut ChaCha8Rng) {
    let bounds = ["0.005", "0.05", "0.1", "0.5", "1", "5", "+Inf"];
    let mut counts = [0.0; 7];
    let mut values: [Vec<Option<f64>>; 7] = std::array::from_fn(|_| Vec::new());
    for _ in 0..STEPS {
        for _ in 0..rng.random_range(0..30) {
            let bucket = rng.random_range(0..7).min(rng.random_range(0..7));
            counts[bucket..].iter_mut().for_each(|count| *count += 1.0);
        }
        for (values, count) in values.iter_mut().zip(counts) {
            values.push(Some(count));
        }
    }
    for (bound, values) in bounds.into_iter().zip(values) {
        all.push(Series { labels: labels("latency_seconds_bucket", base, &[("le", bound)]), values });
    }
}

#[expect(clippy::cast_precision_loss, reason = "few steps")]
fn float(step: usize) -> f64 {
    step as f64
}

/// Adds series with rare properties.
fn odd(all: &mut Vec<Series>, rng: &mut ChaCha8Rng) {
    let base = [("job", "odd".to_owned()), ("instance", "x".to_owned())];
    let mut push = |name: &str, kind: &str, value: &mut dyn FnMut(usize) -> Option<f64>| {
        all.push(Series { labels: labels(name, &base, &[("kind", kind)]), values: (0..STEPS).map(value).collect() });
    };
    push("odd", "late", &mut |step| (step > 300).then_some(5.0));
    push("odd", "early", &mut |step| (step < 200).then_some(7.5));
    push("odd", "stale", &mut |step| match step % 100 {
        0..60 => Some(2.0),
        60 => Some(stale_marker()),
        _ => None,
    });
    push("odd", "nan", &mut |step| Some(if step % 7 == 0 { f64::NAN } else { -1.0 }));
    push("odd", "infinite", &mut |step| Some(if step % 11 == 0 { f64::INFINITY } else { 3.0 }));
    push("odd", "sparse", &mut |step| (step % 19 == 0).then_some(1.25));
    push("odd", "negative", &mut |_| Some(rng.random_range(-100.0..0.0)));
    // Its first value equals its increase per sample.
    push("odd_total", "steady", &mut |step| Some(10.0 + 10.0 * float(step)));
    // Counts that fall from bucket to bucket, as when a target changes during a scrape.
    for (bound, count) in [("1", 10.0), ("2", 8.0), ("4", 30.0), ("+Inf", 30.0)] {
        let labels = labels("uneven_bucket", &base, &[("le", bound)]);
        all.push(Series { labels, values: vec![Some(count); STEPS] });
    }
}
