//! Where the rows and times of statements come from: histograms of the application, or the counters of a statement family.

use serde::{Deserialize, Serialize};

/// Source of rows and times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum BatchSource {
    /// Histograms.
    Histograms {
        /// Rows of a statement.
        rows: String,
        /// Its seconds.
        seconds: String,
    },
    /// A statement family of a watched database.
    Family {
        /// Database.
        database: String,
        /// Fingerprint.
        family: String,
    },
}

impl BatchSource {
    /// Returns the expression of the rows that were written in a range such as `5m`.
    #[must_use]
    pub fn rows(&self, range: &str) -> String {
        match self {
            Self::Histograms { rows, .. } => sum_expr(rows, range),
            Self::Family { .. } => self.counter("rows", range),
        }
    }

    /// Returns the expression of the statements' seconds in a range.
    #[must_use]
    pub fn seconds(&self, range: &str) -> String {
        match self {
            Self::Histograms { seconds, .. } => sum_expr(seconds, range),
            Self::Family { .. } => self.counter("seconds", range),
        }
    }

    /// Returns the expression of the statements in a range.
    #[must_use]
    pub fn statements(&self, range: &str) -> String {
        match self {
            Self::Histograms { seconds, .. } => count_expr(seconds, range),
            Self::Family { .. } => self.counter("calls", range),
        }
    }

    /// Returns the expression of the 95th percentile of a statement's seconds in a range.
    #[must_use]
    pub fn p95(&self, range: &str) -> String {
        match self {
            Self::Histograms { seconds, .. } => {
                let (name, selector) = split(seconds);
                format!(
                    "histogram_quantile(0.95, sum by (le) (increase({name}_bucket{selector}[{range}]))) or \
                     histogram_quantile(0.95, sum(increase({name}{selector}[{range}])))"
                )
            }
            Self::Family { database, family } => format!(
                "max(avg_over_time(pg_statement_p95_seconds_estimate{{database=\"{database}\",family=\"{family}\"}}[{range}]))"
            ),
        }
    }

    fn counter(&self, what: &str, range: &str) -> String {
        let Self::Family { database, family } = self else { return String::new() };
        format!("sum(increase(pg_statement_{what}_total{{database=\"{database}\",family=\"{family}\"}}[{range}]))")
    }
}

/// Returns the expression of a histogram's sum: a classic histogram has a series for it, a native one has it inside.
pub(super) fn sum_expr(histogram: &str, range: &str) -> String {
    part_expr(histogram, range, "sum")
}

/// Returns the expression of a histogram's number of observations.
pub(super) fn count_expr(histogram: &str, range: &str) -> String {
    part_expr(histogram, range, "count")
}

fn part_expr(histogram: &str, range: &str, part: &str) -> String {
    let (name, selector) = split(histogram);
    format!(
        "sum(increase({name}_{part}{selector}[{range}])) or sum(histogram_{part}(increase({name}{selector}[{range}])))"
    )
}

/// Splits `name{label="value"}`.
fn split(histogram: &str) -> (&str, &str) {
    let histogram = histogram.trim();
    let at = histogram.find('{').unwrap_or(histogram.len());
    histogram.split_at(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal;

    #[test]
    fn every_expression_is_promql() {
        let histograms = BatchSource::Histograms {
            rows: "db_batch_rows{statement=\"a b\"}".into(),
            seconds: "db_batch_seconds".into(),
        };
        let family = BatchSource::Family { database: "app".into(), family: "00ff".into() };
        for source in [histograms, family] {
            for expr in [source.rows("5m"), source.seconds("1h"), source.statements("5m"), source.p95("5m")] {
                assert!(signal::parse(&expr).is_ok(), "{expr}");
            }
        }
    }
}
