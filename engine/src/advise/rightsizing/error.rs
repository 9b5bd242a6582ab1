use super::ContainerResource;
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
    /// The present request serves as well.
    #[error(
        "the present {resource} request of {current} serves as well: {:.0} % of it idle, usage above it {:.2} % of the time",
        100.0 * slack, 100.0 * above
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
    },
}
