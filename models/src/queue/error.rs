//! Errors of building a queue model.

/// Error of building a queue model.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// There are no hold times.
    #[error("there is no hold time")]
    NoHolds,
    /// A bucket's bounds or its count are invalid.
    #[error("the bucket from {lower} to {upper} with {count} hold times is invalid")]
    Bucket {
        /// Lower bound.
        lower: f64,
        /// Upper bound.
        upper: f64,
        /// Count.
        count: f64,
    },
    /// The mean and the buckets of hold times contradict each other.
    #[error("the hold times have a mean of {mean} s, but their buckets allow {from} s to {to} s")]
    Mean {
        /// Stated mean, seconds.
        mean: f64,
        /// Mean with every hold time at the lower bound of its bucket, seconds.
        from: f64,
        /// Mean with every hold time at the upper bound, seconds.
        to: f64,
    },
    /// A parameter is out of range.
    #[error("{name} is {value}, which is out of range")]
    Parameter {
        /// Name of the parameter.
        name: &'static str,
        /// Value.
        value: f64,
    },
}
