//! A distribution of positive integers in buckets whose width grows with the value.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Values below this have a bucket each.
const EXACT: u64 = 64;
/// Buckets of each doubling from there: a bucket is 9 % wide, so that a quantile is within 4.5 %.
const PER_DOUBLING: f64 = 8.0;

/// Counts of values by bucket. Adding and merging do not depend on the order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LogCounts(BTreeMap<u16, u64>);

impl LogCounts {
    /// Counts a value.
    pub fn add(&mut self, value: u64) {
        *self.0.entry(bucket(value)).or_default() += 1;
    }

    /// Adds the counts of another distribution.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, count) in &other.0 {
            let sum = self.0.entry(*bucket).or_default();
            *sum = sum.saturating_add(*count);
        }
    }

    /// Returns the number of values.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Returns the quantile `q` in [0, 1], the smallest value with at least that share at or below it, to the middle of
    /// its bucket; `None` without values.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let total = self.total();
        #[expect(clippy::cast_precision_loss, reason = "a rank needs no more than 53 bits")]
        let rank = (q * total as f64).max(1.0);
        let mut below = 0.0;
        for (bucket, count) in &self.0 {
            #[expect(clippy::cast_precision_loss, reason = "as above")]
            let more = *count as f64;
            below += more;
            if below + 1e-9 >= rank {
                return Some(middle(*bucket));
            }
        }
        None
    }

    /// Returns the median; 0 without values.
    #[must_use]
    pub fn median(&self) -> f64 {
        self.quantile(0.5).unwrap_or_default()
    }

    /// Returns whether all values are in one bucket.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        self.0.len() <= 1
    }
}

fn bucket(value: u64) -> u16 {
    if value < EXACT {
        return u16::try_from(value).unwrap_or_default();
    }
    #[expect(clippy::cast_precision_loss, reason = "the bucket needs few bits")]
    let doublings = (value as f64 / EXACT as f64).log2() * PER_DOUBLING;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 60 doublings of 8 buckets")]
    let idx = doublings.floor() as u16;
    u16::try_from(EXACT).unwrap_or_default() + idx
}

fn middle(bucket: u16) -> f64 {
    let exact = u16::try_from(EXACT).unwrap_or_default();
    if bucket < exact {
        return f64::from(bucket);
    }
    let lower = f64::from(exact) * (f64::from(bucket - exact) / PER_DOUBLING).exp2();
    lower * (0.5 / PER_DOUBLING).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_half_a_bucket() {
        for scale in [1_u64, 17, 1_000, 1_000_000] {
            let mut counts = LogCounts::default();
            (1..=1_000).for_each(|idx| counts.add(idx * scale));
            for (q, expected) in [(0.5, 500.0), (0.95, 950.0), (1.0, 1_000.0)] {
                #[expect(clippy::cast_precision_loss, reason = "small")]
                let expected = expected * scale as f64;
                let found = counts.quantile(q).unwrap();
                assert!((found / expected - 1.0).abs() < 0.05, "{q} {scale}: {found} {expected}");
            }
        }
        assert_eq!(LogCounts::default().quantile(0.5), None);
        let mut one = LogCounts::default();
        one.add(7);
        assert_eq!((one.quantile(0.0), one.quantile(1.0)), (Some(7.0), Some(7.0)));
        one.add(u64::MAX);
        assert!(one.quantile(1.0).unwrap() > 1e19);
    }
}
