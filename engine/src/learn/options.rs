//! Options of learning, and the reports of its runs.

use crate::calendar::Calendar;

/// Options of learning.
#[derive(Debug, Clone, PartialEq)]
pub struct LearnOptions {
    /// Maximum number of fits that run at the same time.
    pub threads: usize,
    /// Number of points of history that a fit reads.
    pub history_points: usize,
    /// Minimum number of values of a fit. A signal with fewer has the status `learning`.
    pub min_points: usize,
    /// Number of newest points whose scores a first fit stores. Of older points it stores anomalies only.
    pub scored_points: usize,
    /// Interval between refits of a signal, in milliseconds. `None`: 360 steps, at least ten minutes and at most six
    /// hours.
    pub refit_ms: Option<i64>,
    /// Delay before a signal that failed or has too few values is fitted again, in milliseconds.
    pub retry_ms: i64,
    /// Number of points without a value that take the last value before them.
    pub carry_points: u32,
    /// Time zone and holidays of the signals.
    pub calendar: Calendar,
}

impl Default for LearnOptions {
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().map_or(1, |n| n.get().div_ceil(2)),
            history_points: 40_320,
            min_points: 30,
            scored_points: 2_880,
            refit_ms: None,
            retry_ms: 300_000,
            carry_points: 2,
            calendar: Calendar::default(),
        }
    }
}

/// Progress of a learning run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Number of signals that are finished.
    pub done: usize,
    /// Number of signals that are due.
    pub total: usize,
    /// Name of the signal that finished last.
    pub signal: String,
}

/// Result of a learning run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LearnReport {
    /// Number of fitted signals.
    pub fitted: usize,
    /// Number of signals with too few values.
    pub waiting: usize,
    /// Signals that failed, with the reason.
    pub failed: Vec<(String, String)>,
    /// Number of signals that were not due.
    pub current: usize,
}

/// Result of a scoring run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScoreReport {
    /// Number of signals with new values.
    pub signals: usize,
    /// Number of new values that were scored.
    pub values: usize,
    /// Number of these values that are anomalies.
    pub anomalies: usize,
    /// Signals whose forecast drifted. They are due for the next fit.
    pub drifted: Vec<String>,
    /// Signals that could not be scored, with the reason.
    pub failed: Vec<(String, String)>,
}
