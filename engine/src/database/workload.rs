//! The statements of a span with what they cost, and the writes to each table in it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::plan::Plan;

/// Values of a placeholder that are kept.
pub const VALUES_MAX: usize = 32;

/// Statements and writes of a span.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Workload {
    /// Seconds of the span; none if unknown, as in an export of counters without the time of their reset.
    pub seconds: Option<f64>,
    /// Statement families, each once.
    pub statements: Vec<StatementUse>,
    /// Writes by table (`schema.name`).
    pub writes: BTreeMap<String, TableWrites>,
    /// Scans by index (`schema.index`) in the span.
    pub index_scans: BTreeMap<String, f64>,
    /// Executions of statements that are not listed one by one.
    pub other_calls: f64,
    /// Execution time of statements that are not listed one by one, in milliseconds.
    pub other_ms: f64,
    /// Whether counters may be incomplete: families were evicted from `pg_stat_statements`, or it was reset.
    pub incomplete: bool,
    /// Plans of families, the newest and the slowest of each, from a file or the server's log.
    pub plans: Vec<Plan>,
}

/// A statement family with its counters over a span.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StatementUse {
    /// Fingerprint, see [`family`](super::statement::family).
    pub family: String,
    /// Normalised text, see [`normalize`](super::statement::normalize).
    pub statement: String,
    /// Executions.
    pub calls: f64,
    /// Execution time, in milliseconds.
    pub total_ms: f64,
    /// Standard deviation of the time of one execution, in milliseconds; none if unknown.
    pub deviation_ms: Option<f64>,
    /// Longest execution, in milliseconds; none if unknown.
    pub longest_ms: Option<f64>,
    /// Planning time, in milliseconds; none if it is not tracked.
    pub planning_ms: Option<f64>,
    /// Rows returned or changed.
    pub rows: f64,
    /// Blocks of 8 KiB found in shared buffers.
    pub blocks_hit: f64,
    /// Blocks of 8 KiB read from outside shared buffers.
    pub blocks_read: f64,
    /// Blocks of 8 KiB read from or written to temporary files.
    pub blocks_temporary: f64,
    /// Bytes of write-ahead log; none if unknown.
    pub wal_bytes: Option<f64>,
    /// Values seen for placeholders, from plans or the log. Empty when values must not leave the database.
    pub parameters: Vec<ParameterValues>,
}

impl StatementUse {
    /// Returns the mean time of one execution, in milliseconds; 0 without executions.
    #[must_use]
    pub fn mean_ms(&self) -> f64 {
        if self.calls > 0.0 { self.total_ms / self.calls } else { 0.0 }
    }

    /// Returns an estimate of the 95th percentile of the time of one execution, in milliseconds: that of a log-normal
    /// distribution with the same mean and deviation. None without a deviation.
    #[must_use]
    pub fn p95_estimate_ms(&self) -> Option<f64> {
        let (mean, deviation) = (self.mean_ms(), self.deviation_ms?);
        if !(mean > 0.0 && deviation >= 0.0) {
            return None;
        }
        let variance = (deviation / mean).powi(2).ln_1p();
        // 1.645: the 95 % quantile of the standard normal distribution.
        Some(mean * (1.645 * variance.sqrt() - variance / 2.0).exp())
    }

    /// Adds the counters of the same family from another span, user or text.
    pub fn add(&mut self, other: &Self) {
        self.deviation_ms = match (self.calls > 0.0, other.calls > 0.0) {
            (false, _) => other.deviation_ms,
            (true, false) => self.deviation_ms,
            (true, true) => self.squares().zip(other.squares()).map(|(own, others)| {
                let calls = self.calls + other.calls;
                let mean = (self.total_ms + other.total_ms) / calls;
                ((own + others) / calls - mean * mean).max(0.0).sqrt()
            }),
        };
        self.longest_ms = match (self.longest_ms, other.longest_ms) {
            (Some(own), Some(others)) => Some(own.max(others)),
            (own, others) => own.or(others),
        };
        self.planning_ms = sum(self.planning_ms, other.planning_ms);
        self.wal_bytes = sum(self.wal_bytes, other.wal_bytes);
        self.calls += other.calls;
        self.total_ms += other.total_ms;
        self.rows += other.rows;
        self.blocks_hit += other.blocks_hit;
        self.blocks_read += other.blocks_read;
        self.blocks_temporary += other.blocks_temporary;
        for parameter in &other.parameters {
            self.add_parameter(parameter);
        }
        if self.statement.is_empty() {
            self.statement.clone_from(&other.statement);
        }
    }

    /// Adds values of a placeholder; the most frequent [`VALUES_MAX`] are kept.
    pub fn add_parameter(&mut self, other: &ParameterValues) {
        let Some(own) = self.parameters.iter_mut().find(|own| own.number == other.number) else {
            self.parameters.push(other.clone());
            self.parameters.sort_by_key(|parameter| parameter.number);
            return;
        };
        own.seen += other.seen;
        for (value, seen) in &other.values {
            match own.values.iter_mut().find(|(known, _)| known == value) {
                Some((_, known)) => *known += seen,
                None => own.values.push((value.clone(), *seen)),
            }
        }
        own.values.sort_by(|a, b| b.1.total_cmp(&a.1));
        own.values.truncate(VALUES_MAX);
    }

    /// Returns the sum of the squared times of all executions, in ms².
    fn squares(&self) -> Option<f64> {
        self.deviation_ms.map(|deviation| self.calls * (deviation * deviation + self.mean_ms().powi(2)))
    }
}

/// Returns the sum of what is known.
fn sum(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    }
}

impl TableWrites {
    /// Adds the rows of another span.
    pub fn add(&mut self, other: &Self) {
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.updated_hot += other.updated_hot;
        self.deleted += other.deleted;
    }
}

/// Values seen for one placeholder of a statement family.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ParameterValues {
    /// Number of the placeholder in the normalised text, from 1.
    pub number: usize,
    /// Executions in which the value is known.
    pub seen: f64,
    /// Values with their numbers of executions, the most frequent first; at most 32.
    pub values: Vec<(String, f64)>,
}

/// Rows written to a table in a span.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TableWrites {
    /// Rows inserted.
    pub inserted: f64,
    /// Rows updated.
    pub updated: f64,
    /// Rows updated without a new index entry (HOT).
    pub updated_hot: f64,
    /// Rows deleted.
    pub deleted: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(times: &[f64]) -> StatementUse {
        let (calls, total_ms) = (times.len() as f64, times.iter().sum::<f64>());
        let mean = total_ms / calls;
        let deviation = (times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / calls).sqrt();
        StatementUse { calls, total_ms, deviation_ms: Some(deviation), ..StatementUse::default() }
    }

    #[test]
    fn the_deviation_of_two_spans_is_that_of_all_their_executions() {
        let check = |a: &[f64], b: &[f64]| {
            let mut sum = of(a);
            sum.add(&of(b));
            let all = of(&[a, b].concat());
            assert!((sum.deviation_ms.unwrap() - all.deviation_ms.unwrap()).abs() < 1e-9, "{a:?} {b:?}");
            assert!((sum.total_ms - all.total_ms).abs() < 1e-9);
        };
        check(&[1.0, 2.0, 3.0], &[10.0, 11.0]);
        check(&[5.0], &[5.0]);
        check(&[0.0, 100.0], &[50.0; 7]);
        let mut unknown = of(&[1.0, 2.0]);
        unknown.add(&StatementUse { calls: 1.0, total_ms: 1.0, ..StatementUse::default() });
        assert_eq!(unknown.deviation_ms, None);
    }

    #[test]
    fn the_estimated_percentile_is_that_of_a_log_normal_distribution() {
        // The variance of the logarithm is ln(1.25), its mean ln(10) - ln(1.25) / 2; the quantile is 19.453.
        let estimate =
            StatementUse { calls: 10.0, total_ms: 100.0, deviation_ms: Some(5.0), ..StatementUse::default() };
        assert!((estimate.p95_estimate_ms().unwrap() - 19.453).abs() < 0.002, "{:?}", estimate.p95_estimate_ms());
        assert_eq!(of(&[0.0]).p95_estimate_ms(), None);
    }

    #[test]
    fn the_most_frequent_values_of_a_placeholder_are_kept() {
        let mut statement = StatementUse::default();
        for idx in 0..40 {
            let values = vec![(format!("v{idx}"), f64::from(idx))];
            statement.add_parameter(&ParameterValues { number: 1, seen: f64::from(idx), values });
        }
        let [parameter] = &statement.parameters[..] else { panic!("{statement:?}") };
        assert_eq!((parameter.values.len(), parameter.values[0].0.as_str()), (VALUES_MAX, "v39"));
    }
}
