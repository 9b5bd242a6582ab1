//! Errors of fitting and forecasting.

use crate::UnitError;

/// Reason why a fit or a forecast failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ForecastError {
    /// Fewer finite values than the method needs.
    #[error("at least {needed} finite values are needed, got {points}")]
    TooShort {
        /// Number of finite values in the series.
        points: usize,
        /// Minimum number of finite values.
        needed: usize,
    },
    /// An infinite value. Missing values are NaN; infinities are rejected.
    #[error("value at index {idx} is infinite")]
    Infinite {
        /// Index in the series.
        idx: usize,
    },
    /// A value so large that its square overflows.
    #[error("value {value:e} at index {idx} exceeds ±1e150")]
    TooLarge {
        /// Index in the series.
        idx: usize,
        /// The rejected value.
        value: f64,
    },
    /// A season that is not a whole number of steps, or is shorter than two steps.
    #[error("season of {season_ms} ms is not two or more whole steps of {step_ms} ms")]
    Season {
        /// The requested season, in milliseconds.
        season_ms: i64,
        /// The step of the series, in milliseconds.
        step_ms: i64,
    },
    /// A quantile outside (0, 1), or a lead or horizon beyond the configured maximum.
    #[error("{what} {value} is out of range")]
    OutOfRange {
        /// Name of the argument.
        what: &'static str,
        /// The rejected value.
        value: f64,
    },
    /// An online model with too few values to forecast.
    #[error("the online forecaster has too few values to forecast; push more values first")]
    NotWarm,
    /// A base model failed, usually one of another library.
    #[error("{model} failed: {message}")]
    Base {
        /// Name of the model.
        model: &'static str,
        /// Error message of the model.
        message: String,
    },
    /// A unit that is out of bounds.
    #[error(transparent)]
    Unit(#[from] UnitError),
}
