//! Why a forecast could not be made.

use crate::UnitError;

/// Why a forecast could not be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ForecastError {
    /// Fewer finite values than the method needs.
    #[error("{points} finite values are too few, {needed} are needed")]
    TooShort {
        /// Finite values that the series has.
        points: usize,
        /// The least that suffices.
        needed: usize,
    },
    /// An infinite value: missing values are NaN, infinities have no meaning here.
    #[error("value at index {idx} is infinite")]
    Infinite {
        /// Position in the series.
        idx: usize,
    },
    /// A value so large that its square overflows.
    #[error("value {value:e} at index {idx} is beyond ±1e150")]
    TooLarge {
        /// Position in the series.
        idx: usize,
        /// The rejected value.
        value: f64,
    },
    /// A season that is no whole number of steps, or shorter than two of them.
    #[error("season of {season_ms} ms is not a multiple, at least twofold, of the step of {step_ms} ms")]
    Season {
        /// The season asked for, in milliseconds.
        season_ms: i64,
        /// The step of the series, in milliseconds.
        step_ms: i64,
    },
    /// A quantile outside (0, 1), or a lead beyond what the model was set up for.
    #[error("{what} {value} is out of range")]
    OutOfRange {
        /// Name of the argument.
        what: &'static str,
        /// The rejected value.
        value: f64,
    },
    /// An online model that has seen too few values.
    #[error("the online forecaster has taken too few values to forecast; push more first")]
    NotWarm,
    /// A base model of another library failed.
    #[error("{model} failed: {message}")]
    Base {
        /// Which model.
        model: &'static str,
        /// What it said.
        message: String,
    },
    /// A unit out of its bounds.
    #[error(transparent)]
    Unit(#[from] UnitError),
}
