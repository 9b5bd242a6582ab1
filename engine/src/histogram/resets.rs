//! Finds resets of counters between two histograms.

use super::{
    Buckets, Histogram, ResetHint,
    arithmetic::{common_bounds, rebound, reduced},
    bound,
};

impl Histogram {
    /// Returns the hint of a histogram that follows `before` in a series: what the sender says of gauges and resets, else
    /// whether a comparison finds no reset. Without one before it, or with another layout of the buckets, nothing is known.
    #[must_use]
    #[expect(clippy::float_cmp, reason = "thresholds are equal or not")]
    pub fn hint_after(&self, before: Option<&Self>) -> ResetHint {
        match (self.hint, before) {
            (hint @ (ResetHint::Gauge | ResetHint::Reset), _) => hint,
            (_, Some(before)) if before.hint != ResetHint::Gauge => {
                let unknown = Self { hint: ResetHint::Unknown, ..self.clone() };
                // A reset that was found by comparison is found again: only senders say that there was one, as in
                // Prometheus' storage.
                if !unknown.is_reset(before)
                    && self.schema == before.schema
                    && self.zero_threshold == before.zero_threshold
                    && self.custom == before.custom
                {
                    ResetHint::NotReset
                } else {
                    ResetHint::Unknown
                }
            }
            _ => ResetHint::Unknown,
        }
    }

    /// Whether the counter was reset between `previous` and this histogram: a count fell, or the buckets became finer,
    /// which no client does without a restart.
    #[must_use]
    #[expect(clippy::float_cmp, reason = "thresholds are equal or not")]
    pub fn is_reset(&self, previous: &Self) -> bool {
        match self.hint {
            ResetHint::Reset => return true,
            ResetHint::NotReset => return false,
            ResetHint::Unknown | ResetHint::Gauge => {}
        }
        if self.count < previous.count {
            return true;
        }
        if self.is_custom() {
            if !previous.is_custom() {
                return true;
            }
            if self.custom != previous.custom {
                let common = common_bounds(&self.custom, &previous.custom);
                let own = rebound(&self.positive, &self.custom, &common);
                return falls(&own, &rebound(&previous.positive, &previous.custom, &common));
            }
            return falls(&self.positive, &previous.positive);
        }
        if self.schema > previous.schema || previous.is_custom() || self.zero_threshold < previous.zero_threshold {
            return true;
        }
        let (zero_count, threshold) = if self.zero_threshold == previous.zero_threshold {
            (previous.zero_count, previous.zero_threshold)
        } else {
            previous.wider_zero(self.zero_threshold)
        };
        // A bucket of the earlier histogram is cut by the zero bucket: it cannot have been merged from it.
        if threshold != self.zero_threshold || self.zero_count < zero_count {
            return true;
        }
        let beyond = |buckets: &Buckets, schema: i8| -> Buckets {
            let mut all = buckets.clone();
            // The zero bucket has the observations of the buckets within it.
            all.retain(|bucket| bound(bucket.0, schema, &[]) > self.zero_threshold);
            reduced(&all, schema, self.schema)
        };
        falls(&self.positive, &beyond(&previous.positive, previous.schema))
            || falls(&self.negative, &beyond(&previous.negative, previous.schema))
    }
}

/// Whether a bucket has fewer observations than before.
fn falls(now: &Buckets, before: &Buckets) -> bool {
    before.iter().any(|&(index, count)| {
        let found = now.binary_search_by_key(&index, |bucket| bucket.0);
        count != 0.0 && found.map_or(true, |at| now[at].1 < count)
    })
}
