//! Exponential histograms as classic buckets on a fixed grid, until the store has native histograms.
//!
//! The bounds are powers of the fourth root of two, so that the buckets of every export of a stream have the same bounds
//! and counts of different exports can be subtracted. A finer histogram is merged into the grid, which loses no count; a
//! coarser one keeps its own bounds, which are on the grid too.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, exponential_histogram_data_point::Buckets,
};

/// Bounds are `2^(k / GRID_PER_DOUBLING)`.
const GRID_PER_DOUBLING: i64 = 4;
/// Scale of the grid: `2^(2^-scale)` is the ratio of two bounds.
const GRID_SCALE: i32 = 2;
/// Largest number of buckets of the positive or the negative values; above it every second bound is left out, or
/// further powers of two.
const MAX_BUCKETS: i32 = 100;
/// Numbers of the bounds that are normal numbers; values beyond them are counted in the last buckets.
const K_RANGE: std::ops::RangeInclusive<i64> = -4_088..=4_095;

/// Counts of an exponential histogram on the grid.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Dense {
    /// Count of values around zero.
    zero: f64,
    /// Counts by the number `k` of the upper bound.
    positive: BTreeMap<i32, f64>,
    /// Counts of negative values, by the number of the bound that is further from zero.
    negative: BTreeMap<i32, f64>,
    /// Steps of the grid between two bounds; above 1 if a histogram was coarser than the grid.
    step: i32,
    /// Count of all values.
    pub(crate) count: f64,
    /// Sum of all values.
    pub(crate) sum: f64,
}

impl Dense {
    /// Converts a data point.
    pub(crate) fn of(point: &ExponentialHistogramDataPoint) -> Self {
        let side = |buckets: &Option<Buckets>| {
            let mut counts = BTreeMap::new();
            for (idx, &count) in buckets.iter().flat_map(|buckets| buckets.bucket_counts.iter().enumerate()) {
                if count > 0 {
                    let offset = buckets.as_ref().map_or(0, |buckets| i64::from(buckets.offset));
                    let k = bound_number(offset.saturating_add(i64::try_from(idx).unwrap_or(i64::MAX)), point.scale);
                    *counts.entry(k).or_insert(0.0) += to_f64(count);
                }
            }
            counts
        };
        Self {
            step: 1 << coarseness(point.scale),
            zero: to_f64(point.zero_count),
            positive: side(&point.positive),
            negative: side(&point.negative),
            count: to_f64(point.count),
            sum: point.sum.unwrap_or(0.0),
        }
    }

    /// Adds the counts of a later interval.
    pub(crate) fn add(&mut self, other: &Self) {
        self.zero += other.zero;
        self.step = self.step.max(other.step);
        self.count += other.count;
        self.sum += other.sum;
        for (side, more) in [(&mut self.positive, &other.positive), (&mut self.negative, &other.negative)] {
            for (k, count) in more {
                *side.entry(*k).or_insert(0.0) += count;
            }
        }
    }

    /// Returns the number of buckets with a count.
    pub(crate) fn len(&self) -> usize {
        self.positive.len() + self.negative.len()
    }

    /// Returns finite bounds with cumulative counts, ascending. The lowest bound is the lower end of the first bucket,
    /// so that a quantile in that bucket is not interpolated from zero.
    pub(crate) fn cumulative(&self) -> Vec<(f64, f64)> {
        let mut found = Vec::new();
        let mut below = 0.0;
        if let Some((first, last, stride)) = range(&self.negative, self.step) {
            for k in (first..=last).rev().step_by(stride) {
                // Values at or below −bound(k): all buckets whose far bound is above k.
                let count: f64 = self.negative.range(k + 1..).map(|(_, count)| count).sum();
                // The outermost bounds may be rounded to infinity and to zero, which have buckets of their own.
                if bound(k).is_finite() && bound(k) > 0.0 {
                    found.push((-bound(k), count));
                }
            }
            below = self.negative.values().sum();
        }
        below += self.zero;
        if below > 0.0 {
            found.push((0.0, below));
        }
        if let Some((first, last, stride)) = range(&self.positive, self.step) {
            let mut buckets = self.positive.iter().peekable();
            for k in (first..=last).step_by(stride) {
                while let Some((_, count)) = buckets.next_if(|(upper, _)| **upper <= k) {
                    below += count;
                }
                if bound(k).is_finite() && bound(k) > 0.0 {
                    found.push((bound(k), below));
                }
            }
        }
        found
    }
}

/// Returns the first and the last bound of the buckets of one side, and the distance of the bounds between them.
fn range(side: &BTreeMap<i32, f64>, step: i32) -> Option<(i32, i32, usize)> {
    let mut stride = step.max(1);
    let (lowest, highest) = (*side.first_key_value()?.0 - stride, *side.last_key_value()?.0);
    while (highest - lowest) / stride > MAX_BUCKETS {
        stride *= 2;
    }
    let first = lowest.div_euclid(stride) * stride;
    let last = -(-highest).div_euclid(stride) * stride;
    Some((first, last, usize::try_from(stride).unwrap_or(1)))
}

/// Returns the number of the bound further from zero of a bucket of a histogram with this scale.
fn bound_number(idx: i64, scale: i32) -> i32 {
    let k = if scale >= GRID_SCALE {
        (idx >> (scale - GRID_SCALE).min(63)) + 1
    } else {
        idx.saturating_add(1).clamp(-8_192, 8_192) << coarseness(scale)
    };
    i32::try_from(k.clamp(*K_RANGE.start(), *K_RANGE.end())).unwrap_or(0)
}

/// Returns the binary logarithm of the steps of the grid in a bucket of this scale. Scales end at −10, where a bucket has
/// all values above 1.
fn coarseness(scale: i32) -> i32 {
    GRID_SCALE.saturating_sub(scale).clamp(0, 12)
}

/// Returns a bound, rounded to six digits: the labels are short, and the rounding is far below the width of a bucket.
fn bound(k: i32) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let exact = (f64::from(k) / GRID_PER_DOUBLING as f64).exp2();
    format!("{exact:.5e}").parse().unwrap_or(exact)
}

/// Converts a count; counts above 2^53 are rounded.
#[expect(clippy::cast_precision_loss, reason = "samples are floating-point numbers")]
pub(crate) fn to_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these results are exact")]
mod tests {
    use super::*;

    fn point(scale: i32, offset: i32, counts: &[u64]) -> ExponentialHistogramDataPoint {
        ExponentialHistogramDataPoint {
            scale,
            count: counts.iter().sum(),
            positive: Some(Buckets { offset, bucket_counts: counts.to_vec() }),
            ..ExponentialHistogramDataPoint::default()
        }
    }

    #[test]
    fn finer_and_coarser_buckets_come_to_the_same_grid() {
        // Scale 0: (1, 2], (2, 4]. Scale 3 splits each into eight.
        let coarse = Dense::of(&point(0, 0, &[8, 16])).cumulative();
        let fine = Dense::of(&point(3, 0, &[1; 8].into_iter().chain([2; 8]).collect::<Vec<_>>())).cumulative();
        let at = |found: &[(f64, f64)], bound: f64| found.iter().find(|(le, _)| *le == bound).unwrap().1;
        for found in [&coarse, &fine] {
            assert_eq!((at(found, 1.0), at(found, 2.0), at(found, 4.0)), (0.0, 8.0, 24.0), "{found:?}");
        }
        assert_eq!(fine.len(), 9);
        assert_eq!(at(&fine, 1.18921), 2.0);
        assert!(fine.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1));
    }

    #[test]
    fn negative_values_and_zeros_are_below_the_positive_ones() {
        let mut both = point(0, 0, &[5]);
        both.negative = Some(Buckets { offset: 0, bucket_counts: vec![3, 1] });
        both.zero_count = 2;
        let found = Dense::of(&both).cumulative();
        let at = |bound: f64| found.iter().find(|(le, _)| *le == bound).unwrap().1;
        assert_eq!([at(-4.0), at(-2.0), at(-1.0), at(0.0), at(1.0), at(2.0)], [0.0, 1.0, 4.0, 6.0, 6.0, 11.0]);
        assert!(found.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1), "{found:?}");
    }

    #[test]
    fn any_point_has_a_bounded_number_of_finite_bounds() {
        for scale in [i32::MIN, -11, -10, -1, 0, 2, 3, 20, i32::MAX] {
            for offset in [i32::MIN, -5000, 0, 7, i32::MAX] {
                let mut wide = point(scale, offset, &[1, 0, 0, 2, 3]);
                wide.negative = Some(Buckets { offset: offset.saturating_neg(), bucket_counts: vec![u64::MAX, 1] });
                let found = Dense::of(&wide).cumulative();
                assert!(found.len() < 210, "{scale} {offset}: {}", found.len());
                assert!(found.iter().all(|(bound, count)| bound.is_finite() && count.is_finite()));
            }
        }
        let mut all = Dense::of(&point(0, -1074, &[1]));
        all.add(&Dense::of(&point(0, 1022, &[1])));
        assert!((50..=102).contains(&all.cumulative().len()), "{}", all.cumulative().len());
    }
}
