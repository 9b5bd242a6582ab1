//! Error type of threshold advice.

use crate::{signal::SignalError, store::StoreError};

/// Error of reading, replaying or writing alerting rules.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ThresholdError {
    /// The text is not a rule file.
    #[error("{file} is not a Prometheus rule file: {message}")]
    RuleFile {
        /// Name of the file.
        file: String,
        /// Line, column and what was expected.
        message: String,
    },
    /// A rule file could not be written.
    #[error("cannot write the recommended rules as YAML: {message}")]
    Write {
        /// Message of the YAML writer.
        message: String,
    },
    /// No rule of the file can be replayed.
    #[error("{file} has no rule that can be replayed: {why}")]
    NoRules {
        /// Name of the file.
        file: String,
        /// Reason for each rule.
        why: String,
    },
    /// The split leaves nothing to train on or nothing to score.
    #[error("split {split} is not between 0 and 1 (both exclusive)")]
    Split {
        /// The rejected share.
        split: f64,
    },
    /// A series is too short to be split.
    #[error("series {series:?} has {rows} rows, but each side of the split needs at least 2")]
    TooShort {
        /// The series' name.
        series: String,
        /// Number of rows.
        rows: usize,
    },
    /// A live signal has too few values.
    #[error("signal {signal:?} has {evaluations} evaluations with a value, but at least 4 are needed")]
    NoHistory {
        /// The signal's expression.
        signal: String,
        /// Number of evaluations from the first one with a value.
        evaluations: usize,
    },
    /// The signal could not be evaluated.
    #[error("cannot evaluate the signal of the rule")]
    Signal(#[from] SignalError),
    /// The store cannot be read.
    #[error("cannot read the store")]
    Store(#[from] StoreError),
}
