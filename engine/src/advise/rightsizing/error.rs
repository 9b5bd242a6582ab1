//! Why a container gets no advice on a request; two of the reasons are results: the present request is kept.

use super::{ContainerResource, shape::percent};
use crate::{advise::kit::HistoryError, store::StoreError};

/// Why a container gets no advice on a request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RightsizingError {
    /// The usage or the request could not be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The store failed.
    #[error("the store could not be read")]
    Store(#[from] StoreError),
    /// Nothing says what it uses.
    #[error("neither cpu nor memory is set to an expression of what a replica uses")]
    NoUsage,
    /// The usage ended.
    #[error("`{expr}` last gave a value {hours:.1} hours ago")]
    Ended {
        /// The expression.
        expr: String,
        /// Hours since.
        hours: f64,
    },
    /// The usage has never been there.
    #[error("`{expr}` gives no value over the history")]
    NoValues {
        /// The expression.
        expr: String,
    },
    /// There is too little history to decide anything.
    #[error("{days:.1} days of {resource} usage are too few, {needed:.0} are needed")]
    TooShort {
        /// What is used.
        resource: ContainerResource,
        /// Days that there are.
        days: f64,
        /// Days that are needed.
        needed: f64,
    },
    /// The present request is no number above 0.
    #[error("`{expr}` gives {value} as the present {resource} request, which must be above 0")]
    Request {
        /// What is asked for.
        resource: ContainerResource,
        /// The expression.
        expr: String,
        /// What it gave.
        value: f64,
    },
    /// Usage that only rises.
    #[error(
        "CPU usage only rises, from {least:.0} to {most:.0}, as a counter does: give its rate, such as `rate(x[5m])`, which would be {cores:.3} \
         cores on average"
    )]
    Counter {
        /// The first value.
        least: f64,
        /// The last value.
        most: f64,
        /// The mean rate, where the counter is one of seconds.
        cores: f64,
    },
    /// Usage or a request in another unit than cores or bytes.
    #[error("{found} does not look like {}: {right}", match resource { ContainerResource::Cpu => "cores", ContainerResource::Memory => "bytes" })]
    Unit {
        /// What is used.
        resource: ContainerResource,
        /// The values.
        found: String,
        /// What would be right.
        right: String,
    },
    /// The usage or the request of an expression is not what it should be.
    #[error("`{expr}`")]
    Expression {
        /// The expression.
        expr: String,
        /// Why.
        source: Box<RightsizingError>,
    },
    /// Too little speaks for another request.
    #[error(
        "the present {resource} request of {current} is kept: {wanted} would cost less on {:.0} % of the resampled days, at least {:.0} % are asked \
         for",
        100.0 * confidence, 100.0 * least
    )]
    Unsure {
        /// What is asked for.
        resource: ContainerResource,
        /// The present request, as it is written.
        current: String,
        /// The one that would have been recommended.
        wanted: String,
        /// Its confidence.
        confidence: f64,
        /// The least confidence of a recommendation.
        least: f64,
    },
    /// The present request serves as well.
    #[error(
        "the present {resource} request of {current} serves as well as {wanted}: over the last week {} of it idled and usage exceeded it {} of \
         the time, with {wanted} it would have been {} and {}",
        percent(*slack), percent(*above), percent(*wanted_slack), percent(*wanted_above)
    )]
    NoGain {
        /// What is asked for.
        resource: ContainerResource,
        /// The present request, as it is written.
        current: String,
        /// Share of it that idles.
        slack: f64,
        /// Share of the time with usage above it.
        above: f64,
        /// The request that would have been recommended.
        wanted: String,
        /// Share of that which would idle.
        wanted_slack: f64,
        /// Share of the time with usage above that.
        wanted_above: f64,
    },
}

impl RightsizingError {
    /// Whether the present request is kept, which is a result with its figures; otherwise something is missing or wrong.
    #[must_use]
    pub fn is_keep(&self) -> bool {
        matches!(self, Self::NoGain { .. } | Self::Unsure { .. })
    }
}
