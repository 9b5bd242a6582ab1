//! Target: PromQL, parsed and evaluated on a few series in memory.

use std::sync::LazyLock;

use almanac_engine::{
    series::{Labels, METRIC_NAME, Matcher, SampleSource, SeriesSamples, SourceError, stale_marker},
    signal::{EvalLimits, instant, parse, range},
};

use super::{one_line, store::NOW_MS};

/// Distance of samples and of evaluated steps in milliseconds.
const STEP_MS: i64 = 15_000;

/// The series of the targets that evaluate expressions.
pub(super) static SERIES: LazyLock<Memory> = LazyLock::new(Memory::new);

/// An expression, evaluated at one time and over a range.
pub(super) fn promql(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let query = match parse(text) {
        Ok(query) => query,
        Err(error) => return one_line::check(&error),
    };
    let limits = EvalLimits { max_samples: 100_000, max_steps: 100, ..EvalLimits::default() };
    if let Err(error) = instant(&*SERIES, &query, NOW_MS, &limits) {
        one_line::check(&error);
    }
    let formatted = query.formatted();
    match parse(&formatted) {
        Ok(again) => assert_eq!(again.formatted(), formatted, "the normal form of {text}"),
        Err(error) => panic!("the normal form of {text} is {formatted}: {error}"),
    }
    let _ = query.tree();
    match range(&*SERIES, &query, NOW_MS - 20 * STEP_MS, NOW_MS, STEP_MS, &limits) {
        Ok(series) => {
            for one in series {
                assert_eq!(one.timestamps.len(), one.values.len(), "points of {}", one.labels);
            }
        }
        Err(error) => one_line::check(&error),
    }
}

/// Ten minutes of counters, gauges and a histogram.
#[derive(Debug)]
pub(super) struct Memory(Vec<SeriesSamples>);

impl Memory {
    fn new() -> Self {
        let mut all = Vec::new();
        for code in ["200", "500"] {
            for job in ["api", "web"] {
                let pairs = [(METRIC_NAME, "http_requests_total"), ("code", code), ("job", job)];
                all.extend(series(pairs, |step| f64::from(step * 7)));
            }
        }
        for job in ["api", "web"] {
            let pairs = [(METRIC_NAME, "memory_bytes"), ("instance", "a:1"), ("job", job)];
            all.extend(series(pairs, |step| if step % 9 == 0 { stale_marker() } else { f64::from(step % 5) * 1e9 }));
        }
        for le in ["0.1", "1", "+Inf"] {
            let pairs = [(METRIC_NAME, "latency_seconds_bucket"), ("job", "api"), ("le", le)];
            all.extend(series(pairs, |step| f64::from(step) * if le == "+Inf" { 10.0 } else { 3.0 }));
        }
        all.sort_by(|a, b| a.labels.cmp(&b.labels));
        Self(all)
    }
}

fn series(pairs: [(&str, &str); 3], value: impl Fn(i32) -> f64) -> Option<SeriesSamples> {
    let labels = Labels::from_pairs(pairs).ok()?;
    let timestamps = (0..40).map(|step| NOW_MS - (39 - step) * STEP_MS).collect();
    Some(SeriesSamples { labels, timestamps, values: (0..40).map(value).collect() })
}

impl SampleSource for Memory {
    fn select(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        limit: usize,
    ) -> Result<Vec<SeriesSamples>, SourceError> {
        let (mut left, mut found) = (limit, Vec::new());
        for series in self.0.iter().filter(|series| matchers.iter().all(|matcher| matcher.matches(&series.labels))) {
            let first = series.timestamps.partition_point(|at| *at < start_ms);
            let end = series.timestamps.partition_point(|at| *at <= end_ms);
            if first < end {
                left = left.checked_sub(end - first).ok_or(SourceError::TooManySamples { limit })?;
                found.push(SeriesSamples {
                    labels: series.labels.clone(),
                    timestamps: series.timestamps[first..end].to_vec(),
                    values: series.values[first..end].to_vec(),
                });
            }
        }
        Ok(found)
    }
}
