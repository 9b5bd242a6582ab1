//! Why no advice on alerting rules could be worked out.

use crate::{signal::SignalError, store::StoreError};

/// Why no advice on alerting rules could be worked out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ThresholdError {
    /// The text is no rule file.
    #[error("{file} is not a Prometheus rule file: {message}")]
    RuleFile {
        /// Where the text comes from.
        file: String,
        /// Line, column and what would be right.
        message: String,
    },
    /// A rule file could not be written.
    #[error("the recommended rules could not be written as YAML: {message}")]
    Write {
        /// What the writer says.
        message: String,
    },
    /// No rule of the file can be replayed.
    #[error("{file} has no rule that can be replayed: {why}")]
    NoRules {
        /// Where the rules come from.
        file: String,
        /// Why, rule by rule.
        why: String,
    },
    /// The split leaves nothing to learn from or nothing to score.
    #[error("split {split} is not between 0 and 1, both excluded")]
    Split {
        /// The rejected share.
        split: f64,
    },
    /// A series is too short to be split.
    #[error("series {series:?} has {rows} rows, at least 2 on either side of the split are needed")]
    TooShort {
        /// The series' name.
        series: String,
        /// Its rows.
        rows: usize,
    },
    /// A live signal has too few values.
    #[error("signal {signal:?} has {evaluations} evaluations with a value, at least 4 are needed")]
    NoHistory {
        /// The signal's expression.
        signal: String,
        /// Evaluations from the first that has a value.
        evaluations: usize,
    },
    /// The signal could not be evaluated.
    #[error("the rule's signal could not be evaluated")]
    Signal(#[from] SignalError),
    /// The store failed.
    #[error("the store could not be read")]
    Store(#[from] StoreError),
}
