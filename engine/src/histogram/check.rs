//! Checks of histograms that senders send.

use super::{CUSTOM_SCHEMA, Histogram, SCHEMAS};

/// Most buckets of a histogram, the custom bounds included. Prometheus' own clients make at most 160.
pub const MAX_BUCKETS: usize = 2048;

/// Why a histogram is not accepted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HistogramError {
    /// The schema is not known.
    #[error("schema {schema} is not known: exponential buckets have a schema from -4 to 8, custom buckets -53")]
    Schema {
        /// Sent schema.
        schema: i64,
    },
    /// There are too many buckets.
    #[error("{buckets} buckets are more than {MAX_BUCKETS}")]
    TooMany {
        /// Number of buckets, or of custom bounds.
        buckets: usize,
    },
    /// The spans and the buckets do not fit.
    #[error("the spans have {spans} buckets, but {buckets} are sent")]
    Length {
        /// Number of buckets in the spans.
        spans: u64,
        /// Number of sent buckets.
        buckets: usize,
    },
    /// A span begins before the one before it ends, or beyond the last possible bucket.
    #[error("span {span} has the offset {offset}: spans follow each other, and an index of a bucket has 32 bits")]
    Offset {
        /// Number of the span, from 1.
        span: usize,
        /// Its offset.
        offset: i32,
    },
    /// A count is negative, infinite or no number.
    #[error("{what} is {value}: counts are numbers that are not negative")]
    Count {
        /// The count.
        what: &'static str,
        /// Sent value.
        value: f64,
    },
    /// The threshold of the zero bucket is negative or no number.
    #[error("the zero threshold is {value}: it is a number that is not negative")]
    Threshold {
        /// Sent threshold.
        value: f64,
    },
    /// There are more observations in the buckets than in all.
    #[error("the buckets have {buckets} observations, more than the count of {count}")]
    Sum {
        /// Observations in buckets.
        buckets: f64,
        /// Sent count.
        count: f64,
    },
    /// A part does not fit the kind of buckets.
    #[error("a histogram with {kind} buckets has no {part}")]
    Part {
        /// `custom` or `exponential`.
        kind: &'static str,
        /// The part.
        part: &'static str,
    },
    /// The custom bounds are not ascending, or not finite.
    #[error("custom bound {position} is {value}: bounds are finite and ascending")]
    Bound {
        /// Number of the bound, from 1.
        position: usize,
        /// Its value.
        value: f64,
    },
    /// A bucket has an index beyond the custom bounds.
    #[error("bucket {index} is beyond the {bounds} custom bounds")]
    Index {
        /// Index of the bucket, from 0.
        index: i32,
        /// Number of bounds.
        bounds: usize,
    },
    /// The buckets of one side have both integer and float counts.
    #[error("integer and float counts are mixed")]
    Mixed,
}

impl Histogram {
    /// Checks a histogram of a sender.
    ///
    /// # Errors
    /// [`HistogramError`]: what is wrong.
    pub fn check(&self) -> Result<(), HistogramError> {
        let buckets = self.positive.len() + self.negative.len();
        if buckets.max(self.custom.len()) > MAX_BUCKETS {
            return Err(HistogramError::TooMany { buckets: buckets.max(self.custom.len()) });
        }
        if self.schema == CUSTOM_SCHEMA {
            self.check_custom()?;
        } else if SCHEMAS.contains(&self.schema) {
            if !self.custom.is_empty() {
                return Err(HistogramError::Part { kind: "exponential", part: "custom bounds" });
            }
        } else {
            return Err(HistogramError::Schema { schema: self.schema.into() });
        }
        if !(self.zero_threshold >= 0.0 && self.zero_threshold.is_finite()) {
            return Err(HistogramError::Threshold { value: self.zero_threshold });
        }
        let is_count = |what, value: f64| {
            if value >= 0.0 && value.is_finite() { Ok(()) } else { Err(HistogramError::Count { what, value }) }
        };
        is_count("the count", self.count)?;
        is_count("the count of the zero bucket", self.zero_count)?;
        for bucket in self.positive.iter().chain(&self.negative) {
            is_count("the count of a bucket", bucket.1)?;
        }
        let all = self.positive.iter().chain(&self.negative).map(|bucket| bucket.1).sum::<f64>() + self.zero_count;
        // Float counts are rounded; observations of NaN are in the count only.
        if all > self.count * (1.0 + 1e-6) {
            return Err(HistogramError::Sum { buckets: all, count: self.count });
        }
        Ok(())
    }

    fn check_custom(&self) -> Result<(), HistogramError> {
        let none = |part| HistogramError::Part { kind: "custom", part };
        if !self.negative.is_empty() {
            return Err(none("negative buckets"));
        }
        if self.zero_count != 0.0 || self.zero_threshold != 0.0 {
            return Err(none("zero bucket"));
        }
        let mut before = f64::NEG_INFINITY;
        for (position, &value) in self.custom.iter().enumerate() {
            if !(value > before && value.is_finite()) {
                return Err(HistogramError::Bound { position: position + 1, value });
            }
            before = value;
        }
        let outside = |index: i32| usize::try_from(index).map_or(true, |index| index > self.custom.len());
        match self.positive.iter().find(|bucket| outside(bucket.0)) {
            Some(bucket) => Err(HistogramError::Index { index: bucket.0, bounds: self.custom.len() }),
            None => Ok(()),
        }
    }
}
