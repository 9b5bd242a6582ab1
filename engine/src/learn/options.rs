//! How learning is done, and what a run of it reports.

use crate::calendar::Calendar;

/// How learning is done.
#[derive(Debug, Clone, PartialEq)]
pub struct LearnOptions {
    /// Fits that run at the same time.
    pub threads: usize,
    /// Points of history that a fit looks at.
    pub history_points: usize,
    /// Values without which a signal is still learning.
    pub min_points: usize,
    /// Points whose scores are stored when a signal is first learned; of older ones only the anomalies.
    pub scored_points: usize,
    /// Time between refits of a signal in milliseconds; `None`: 360 of its steps, between ten minutes and six hours.
    pub refit_ms: Option<i64>,
    /// Time after which a signal that failed or lacked values is tried again, in milliseconds.
    pub retry_ms: i64,
    /// Points without a value for longer than this are not carried forward from the one before.
    pub carry_points: u32,
    /// The time zone that signals follow, and holidays.
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

/// How far a run of learning is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Signals done.
    pub done: usize,
    /// Signals due.
    pub total: usize,
    /// The signal done last.
    pub signal: String,
}

/// What a run of learning did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LearnReport {
    /// Signals fitted.
    pub fitted: usize,
    /// Signals that have too few values yet.
    pub waiting: usize,
    /// Signals that failed, with the reason.
    pub failed: Vec<(String, String)>,
    /// Signals that were not due.
    pub current: usize,
}

/// What a run of scoring did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScoreReport {
    /// Signals that had new values.
    pub signals: usize,
    /// New values scored.
    pub values: usize,
    /// Values among them that are anomalies.
    pub anomalies: usize,
    /// Signals whose forecast no longer holds: they are refitted next.
    pub drifted: Vec<String>,
    /// Signals that could not be scored, with the reason.
    pub failed: Vec<(String, String)>,
}
