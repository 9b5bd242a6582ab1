//! Samples in memory as a source, and checks that compare results with written expectations.

use std::collections::BTreeMap;

use crate::{
    series::{Labels, MatchOp, Matcher, SampleSource, SeriesSamples, SourceError, stale_marker},
    signal::{EvalLimits, SignalError, Value, instant, parse, range},
};

/// Samples in memory. A series is written `name{label="value"} points`; its points are one step apart from time 0 and
/// written `1`, `_` (none), `stale`, or `0+10x5` (0 and five more, each 10 higher).
#[derive(Debug, Default)]
pub(super) struct Fixture(BTreeMap<Labels, BTreeMap<i64, f64>>);

impl Fixture {
    pub(super) fn new(step_ms: i64, series: &[&str]) -> Self {
        let mut fixture = Self::default();
        for line in series {
            let (name, points) = line.split_once(' ').unwrap();
            let samples = fixture.0.entry(labels(name)).or_default();
            let points = points.split_whitespace().flat_map(point);
            for (value, timestamp) in points.zip((0..).map(|idx| idx * step_ms)) {
                if let Some(value) = value {
                    samples.insert(timestamp, value);
                }
            }
        }
        fixture
    }

    pub(super) fn insert(&mut self, name: &str, timestamp_ms: i64, value: f64) {
        self.0.entry(labels(name)).or_default().insert(timestamp_ms, value);
    }

    /// Evaluates at one time and compares with elements written as `labels value`, in any order.
    #[track_caller]
    pub(super) fn check(&self, time_ms: i64, expr: &str, expected: &[&str]) {
        let mut found = self.elements(time_ms, expr);
        found.sort();
        let mut expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
        expected.sort();
        assert_eq!(found, expected, "{expr} at {time_ms}");
    }

    /// Like [`Self::check`], but in this order.
    #[track_caller]
    pub(super) fn check_ordered(&self, time_ms: i64, expr: &str, expected: &[&str]) {
        assert_eq!(self.elements(time_ms, expr), expected, "{expr} at {time_ms}");
    }

    fn elements(&self, time_ms: i64, expr: &str) -> Vec<String> {
        match instant(self, &parse(expr).unwrap(), time_ms, &EvalLimits::default()).unwrap() {
            Value::Scalar(value) => vec![short(value)],
            Value::Vector(elements) => {
                elements.iter().map(|element| format!("{} {}", element.labels, short(element.value))).collect()
            }
            Value::Matrix(series) => {
                let points = |(time, value): (&i64, &f64)| format!("{}@{time}", short(*value));
                let line = |values: Vec<String>| values.join(" ");
                let all =
                    |s: &crate::signal::RangeSeries| line(s.timestamps.iter().zip(&s.values).map(points).collect());
                series.iter().map(|series| format!("{} {}", series.labels, all(series))).collect()
            }
            Value::String(text) => vec![text],
        }
    }

    /// Evaluates over a range and compares with series written as `labels value value _`.
    #[track_caller]
    pub(super) fn check_range(&self, from_to_step: (i64, i64, i64), expr: &str, expected: &[&str]) {
        let (start, end, step) = from_to_step;
        let series = range(self, &parse(expr).unwrap(), start, end, step, &EvalLimits::default()).unwrap();
        let times: Vec<i64> = (start..=end).step_by(usize::try_from(step).unwrap()).collect();
        let found: Vec<String> = series
            .iter()
            .map(|series| {
                let present: BTreeMap<i64, f64> =
                    series.timestamps.iter().copied().zip(series.values.iter().copied()).collect();
                let cell = |time| present.get(time).map_or("_".to_owned(), |value| short(*value));
                let cells: Vec<String> = times.iter().map(cell).collect();
                format!("{} {}", series.labels, cells.join(" "))
            })
            .collect();
        assert_eq!(found, expected, "{expr}");
    }

    /// Evaluates at one time and returns the text of the error.
    #[track_caller]
    pub(super) fn error(&self, time_ms: i64, expr: &str) -> String {
        self.try_instant(time_ms, expr).unwrap_err().to_string()
    }

    pub(super) fn try_instant(&self, time_ms: i64, expr: &str) -> Result<Value, SignalError> {
        instant(self, &parse(expr)?, time_ms, &EvalLimits::default())
    }
}

impl SampleSource for Fixture {
    fn select(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        limit: usize,
    ) -> Result<Vec<SeriesSamples>, SourceError> {
        let mut left = limit;
        let mut all = Vec::new();
        for (labels, samples) in &self.0 {
            if start_ms > end_ms || !matchers.iter().all(|matcher| matcher.matches(labels)) {
                continue;
            }
            let (timestamps, values): (Vec<i64>, Vec<f64>) = samples.range(start_ms..=end_ms).unzip();
            left = left.checked_sub(timestamps.len()).ok_or(SourceError::TooManySamples { limit })?;
            if !timestamps.is_empty() {
                all.push(SeriesSamples { labels: labels.clone(), timestamps, values });
            }
        }
        Ok(all)
    }
}

/// Returns the labels of a selector, all of whose matchers are `=`.
fn labels(name: &str) -> Labels {
    if name == "{}" {
        return Labels::default();
    }
    let query = parse(name).unwrap();
    let matchers = query.selectors()[0];
    assert!(matchers.iter().all(|matcher| matcher.op() == MatchOp::Equal));
    Labels::from_pairs(matchers.iter().map(|matcher| (matcher.name(), matcher.value()))).unwrap()
}

/// Parses the notation of one or several points.
fn point(text: &str) -> Vec<Option<f64>> {
    let (first, repeat) = text.rsplit_once('x').map_or((text, 0), |(first, n)| (first, n.parse().unwrap()));
    if first == "_" {
        return vec![None; repeat.max(1)];
    }
    if first == "stale" {
        return vec![Some(stale_marker())];
    }
    let (base, delta) = match first.rfind(['+', '-']).filter(|at| *at > 0) {
        Some(at) => (first[..at].parse::<f64>().unwrap(), first[at..].parse::<f64>().unwrap()),
        None => (first.parse().unwrap(), 0.0),
    };
    let mut value = base;
    let mut points = Vec::new();
    for _ in 0..=repeat {
        points.push(Some(value));
        value += delta;
    }
    points
}

/// Formats a value with at most nine significant digits, so that rounding errors do not matter.
fn short(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return (value + 0.0).to_string();
    }
    format!("{value:.8e}").parse::<f64>().unwrap().to_string()
}
