//! Errors of advising on a request. `NoGain` and `Unsure` are results: the present request is kept.

use super::{ContainerResource, shape::percent};
use crate::{advise::kit::HistoryError, store::StoreError};

/// Error of advising on a request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RightsizingError {
    /// The usage or the request could not be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The store failed.
    #[error("the store could not be read")]
    Store(#[from] StoreError),
    /// No usage expression is configured.
    #[error("neither cpu nor memory is set to an expression of the usage of a replica")]
    NoUsage,
    /// The usage ended.
    #[error("`{expr}` last returned a value {hours:.1} hours ago")]
    Ended {
        /// The expression.
        expr: String,
        /// Hours since the last value.
        hours: f64,
    },
    /// The usage has no values.
    #[error("`{expr}` returns no value over the history")]
    NoValues {
        /// The expression.
        expr: String,
    },
    /// The history is too short for a decision.
    #[error("got {days:.1} days of {resource} usage, at least {needed:.0} are needed")]
    TooShort {
        /// Resource of the usage.
        resource: ContainerResource,
        /// Days with usage.
        days: f64,
        /// Required days.
        needed: f64,
    },
    /// The present request is not a positive number.
    #[error("`{expr}` returns {value} as the present {resource} request, which must be above 0")]
    Request {
        /// Resource of the request.
        resource: ContainerResource,
        /// The expression.
        expr: String,
        /// Value that it returned.
        value: f64,
    },
    /// The usage only rises.
    #[error(
        "CPU usage only rises, from {least:.0} to {most:.0}, as a counter does: give its rate, such as `rate(x[5m])`, which would be {cores:.3} \
         cores on average"
    )]
    Counter {
        /// First value.
        least: f64,
        /// Last value.
        most: f64,
        /// Mean rate, if the counter counts seconds.
        cores: f64,
    },
    /// Usage or a request is in another unit than cores or bytes.
    #[error("{found} does not look like {}: {right}", match resource { ContainerResource::Cpu => "cores", ContainerResource::Memory => "bytes" })]
    Unit {
        /// Resource of the usage.
        resource: ContainerResource,
        /// Description of the values.
        found: String,
        /// Suggested corrections.
        right: String,
    },
    /// The usage or the request of an expression is invalid.
    #[error("`{expr}`")]
    Expression {
        /// The expression.
        expr: String,
        /// Cause.
        source: Box<RightsizingError>,
    },
    /// The confidence in another request is too low.
    #[error(
        "the present {resource} request of {current} is kept: {wanted} would cost no more on {:.0} % of the resampled days, at least {:.0} % are \
         required",
        100.0 * confidence, 100.0 * least
    )]
    Unsure {
        /// Resource of the request.
        resource: ContainerResource,
        /// Present request, formatted.
        current: String,
        /// Request that would have been recommended, formatted.
        wanted: String,
        /// Confidence of that request.
        confidence: f64,
        /// Minimum confidence of a recommendation.
        least: f64,
    },
    /// The present request is as good.
    #[error(
        "the present {resource} request of {current} is as good as {wanted}: over the last week {} of it idled and usage exceeded it {} of \
         the time, with {wanted} it would have been {} and {}",
        percent(*slack), percent(*above), percent(*wanted_slack), percent(*wanted_above)
    )]
    NoGain {
        /// Resource of the request.
        resource: ContainerResource,
        /// Present request, formatted.
        current: String,
        /// Idle share of the present request.
        slack: f64,
        /// Share of time with usage above the present request.
        above: f64,
        /// Request that would have been recommended, formatted.
        wanted: String,
        /// Idle share of that request.
        wanted_slack: f64,
        /// Share of time with usage above that request.
        wanted_above: f64,
    },
}

impl RightsizingError {
    /// Returns whether the present request is kept, which is a result with figures. Otherwise data are missing or
    /// invalid.
    #[must_use]
    pub fn is_keep(&self) -> bool {
        matches!(self, Self::NoGain { .. } | Self::Unsure { .. })
    }
}
