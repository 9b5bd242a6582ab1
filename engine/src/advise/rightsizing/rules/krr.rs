//! The simple strategy of KRR, for comparison. Called by `leading` and `decide`.

use std::collections::VecDeque;

use almanac_models::stats::quantile;

use super::{ContainerResource, RequestRule};

const DAY_MS: i64 = 86_400_000;
/// Span of the history.
const HISTORY_MS: i64 = 14 * DAY_MS;
/// Quantile of the CPU usage.
const CPU_QUANTILE: f64 = 0.95;
/// Margin above the highest memory usage.
const MEMORY_MARGIN: f64 = 0.15;

/// The simple strategy of Robusta's KRR: the 95 % quantile of CPU over the last two weeks, and the highest memory usage
/// plus 15 %. KRR is a report that a person runs; here it runs once a day and its result is applied.
///
/// # Reference
/// robusta-dev/krr, README, "Algorithm" (`cpu_percentile` 95, `memory_buffer_percentage` 15, `history_duration` 336 h).
#[derive(Debug, Clone)]
pub struct Krr {
    resource: ContainerResource,
    usage: VecDeque<(i64, f64)>,
    run_ms: Option<i64>,
}

impl Krr {
    /// Creates a rule without observations.
    #[must_use]
    pub fn new(resource: ContainerResource) -> Self {
        Self { resource, usage: VecDeque::new(), run_ms: None }
    }

    fn recommend(&self) -> Option<f64> {
        let values: Vec<f64> = self.usage.iter().map(|&(_, usage)| usage).collect();
        match self.resource {
            ContainerResource::Cpu => quantile(&values, CPU_QUANTILE),
            ContainerResource::Memory => values.into_iter().reduce(f64::max).map(|most| most * (1.0 + MEMORY_MARGIN)),
        }
    }
}

impl RequestRule for Krr {
    fn request(&mut self, at_ms: i64, current: Option<f64>) -> Option<f64> {
        if self.run_ms.is_some_and(|run_ms| at_ms - run_ms < DAY_MS) && current.is_some() {
            return current;
        }
        self.run_ms = Some(at_ms);
        self.recommend()
    }

    fn observe(&mut self, at_ms: i64, usage: f64) {
        self.usage.push_back((at_ms, usage));
        while self.usage.front().is_some_and(|&(seen_ms, _)| seen_ms <= at_ms - HISTORY_MS) {
            self.usage.pop_front();
        }
    }
}
