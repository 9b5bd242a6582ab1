//! Quantiles and fractions of classic histograms.

use crate::signal::{
    SignalError,
    frame::{ABSENT, Frame, Interner, is_absent},
};

/// The label that holds a bucket's upper bound.
const BUCKET: &str = "le";

/// Counts of neighbouring buckets that differ by less than this share of their sum are taken as
/// equal: rounding of rates, not observations.
const SMALL_DELTA: f64 = 1e-12;

/// The rows of one histogram: a bucket for each, by upper bound.
struct Histogram {
    buckets: Vec<(f64, usize)>,
}

/// One bucket at one step: its upper bound and how many observations are at or below it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bucket {
    upper: f64,
    count: f64,
}

/// `histogram_quantile` of classic histograms with the quantile of each step.
pub(super) fn histogram_quantile(level: &[f64], frame: &Frame) -> Result<Frame, SignalError> {
    per_histogram(frame, |step, buckets| bucket_quantile(level[step], buckets))
}

/// `histogram_fraction` of classic histograms between the bounds of each step.
pub(super) fn histogram_fraction(lower: &[f64], upper: &[f64], frame: &Frame) -> Result<Frame, SignalError> {
    per_histogram(frame, |step, buckets| bucket_fraction(lower[step], upper[step], buckets))
}

/// Puts rows that differ in `le` only together and calls `value` with the buckets of each step.
/// Rows whose `le` is no number are left out.
fn per_histogram(frame: &Frame, mut value: impl FnMut(usize, &mut Vec<Bucket>) -> f64) -> Result<Frame, SignalError> {
    let mut histograms: Vec<Histogram> = Vec::new();
    let mut interner = Interner::default();
    let mut result = Frame::new(frame.steps);
    for (row, labels) in frame.rows.iter().enumerate() {
        let Ok(upper) = labels.get(BUCKET).parse::<f64>() else { continue };
        let id = interner.id(labels.iter().filter(|(name, _)| *name != BUCKET));
        if id == histograms.len() {
            histograms.push(Histogram { buckets: Vec::new() });
            result.push_absent(super::labels::row(labels.without(&[BUCKET])));
        }
        histograms[id].buckets.push((upper, row));
    }
    let mut present = Vec::new();
    for (id, histogram) in histograms.iter_mut().enumerate() {
        histogram.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (step, cell) in result.row_mut(id).iter_mut().enumerate() {
            present.clear();
            present.extend(
                histogram
                    .buckets
                    .iter()
                    .map(|(upper, row)| Bucket { upper: *upper, count: frame.cell(*row, step) })
                    .filter(|bucket| !is_absent(bucket.count)),
            );
            *cell = if present.is_empty() { ABSENT } else { value(step, &mut present) };
        }
    }
    result.compact().drop_names()
}

/// The quantile by linear interpolation within the bucket that holds it; `buckets` ascending and
/// cumulative, changed in place. NaN without a bucket to +Inf, a second bucket or an observation.
fn bucket_quantile(level: f64, buckets: &mut Vec<Bucket>) -> f64 {
    if level.is_nan() {
        return f64::NAN;
    }
    if level < 0.0 {
        return f64::NEG_INFINITY;
    }
    if level > 1.0 {
        return f64::INFINITY;
    }
    if buckets.last().is_none_or(|last| last.upper != f64::INFINITY) {
        return f64::NAN;
    }
    unite(buckets);
    make_monotonic(buckets);
    let (n, observations) = (buckets.len(), buckets[buckets.len() - 1].count);
    if n < 2 || observations == 0.0 {
        return f64::NAN;
    }
    let rank = level * observations;
    // Written so that NaN counts fall through to the last bucket.
    let holder =
        buckets[..n - 1].partition_point(|bucket| !matches!(bucket.count.partial_cmp(&rank), Some(o) if o.is_ge()));
    if holder == n - 1 {
        return buckets[n - 2].upper;
    }
    let Bucket { upper, count } = buckets[holder];
    match holder.checked_sub(1).map(|before| buckets[before]) {
        None if upper <= 0.0 => upper,
        None => upper * (rank / count),
        Some(before) => before.upper + (upper - before.upper) * ((rank - before.count) / (count - before.count)),
    }
}

/// The share of observations between two values, by linear interpolation.
fn bucket_fraction(lower: f64, upper: f64, buckets: &mut Vec<Bucket>) -> f64 {
    if buckets.last().is_none_or(|last| last.upper != f64::INFINITY) {
        return f64::NAN;
    }
    unite(buckets);
    let observations = buckets[buckets.len() - 1].count;
    if observations == 0.0 || lower.is_nan() || upper.is_nan() || observations.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    (rank_of(upper, buckets) - rank_of(lower, buckets)) / observations
}

/// How many observations lie below `value`, by linear interpolation.
fn rank_of(value: f64, buckets: &[Bucket]) -> f64 {
    let all = buckets[buckets.len() - 1].count;
    // A first bucket that ends above 0 is taken to begin at 0.
    let mut before = Bucket { upper: if buckets[0].upper <= 0.0 { f64::NEG_INFINITY } else { 0.0 }, count: 0.0 };
    for bucket in buckets {
        if before.upper >= value {
            return before.count.min(all);
        }
        if bucket.upper > value {
            // Nothing is known of how observations spread over an endless bucket.
            if before.upper == f64::NEG_INFINITY {
                return bucket.count.min(all);
            }
            let share = (value - before.upper) / (bucket.upper - before.upper);
            return (before.count + (bucket.count - before.count) * share).min(all);
        }
        before = *bucket;
    }
    all
}

/// Adds up buckets with the same upper bound (`1` and `1.0`).
#[expect(clippy::float_cmp, reason = "bucket bounds are equal or not")]
fn unite(buckets: &mut Vec<Bucket>) {
    buckets.dedup_by(|later, kept| {
        let same = later.upper == kept.upper;
        if same {
            kept.count += later.count;
        }
        same
    });
}

/// Makes counts never fall from bucket to bucket; small differences either way vanish.
#[expect(clippy::float_cmp, reason = "only exact equality needs no correction")]
fn make_monotonic(buckets: &mut [Bucket]) {
    let Some((first, rest)) = buckets.split_first_mut() else { return };
    let mut before = first.count;
    for bucket in rest {
        if bucket.count == before {
            continue;
        }
        if bucket.count < before || nearly_equal(before, bucket.count) {
            bucket.count = before;
        } else {
            before = bucket.count;
        }
    }
}

fn nearly_equal(a: f64, b: f64) -> bool {
    if a.is_nan() || b.is_nan() {
        return false;
    }
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < SMALL_DELTA * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < SMALL_DELTA
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these results are exact")]
mod tests {
    use super::*;

    fn buckets(all: &[(f64, f64)]) -> Vec<Bucket> {
        all.iter().map(|(upper, count)| Bucket { upper: *upper, count: *count }).collect()
    }

    fn check_quantile(level: f64, all: &[(f64, f64)], expected: f64) {
        let found = bucket_quantile(level, &mut buckets(all));
        let same = (found - expected).abs() < 1e-12 || found == expected || (found.is_nan() && expected.is_nan());
        assert!(same, "{level} of {all:?}: {found}, expected {expected}");
    }

    const INF: f64 = f64::INFINITY;

    #[test]
    fn quantiles_interpolate_within_buckets() {
        let all = [(0.1, 10.0), (0.5, 20.0), (1.0, 30.0), (INF, 40.0)];
        check_quantile(0.125, &all, 0.05);
        check_quantile(0.25, &all, 0.1);
        check_quantile(0.375, &all, 0.3);
        check_quantile(0.9, &all, 1.0);
        check_quantile(-1.0, &all, -INF);
        check_quantile(2.0, &all, INF);
        check_quantile(f64::NAN, &all, f64::NAN);
    }

    #[test]
    fn impossible_histograms_give_nan() {
        check_quantile(0.5, &[(1.0, 1.0), (2.0, 2.0)], f64::NAN);
        check_quantile(0.5, &[(INF, 2.0)], f64::NAN);
        check_quantile(0.5, &[(1.0, 0.0), (INF, 0.0)], f64::NAN);
    }

    #[test]
    fn negative_first_bucket_gives_its_bound() {
        check_quantile(0.1, &[(-1.0, 10.0), (1.0, 20.0), (INF, 20.0)], -1.0);
    }

    #[test]
    fn falling_counts_are_made_monotonic() {
        check_quantile(0.5, &[(1.0, 10.0), (2.0, 8.0), (3.0, 20.0), (INF, 20.0)], 1.0);
        // Prometheus documents the tolerance: 1e-12 relative.
        check_quantile(0.5, &[(1.0, 10.0), (2.0, 10.0 + 1e-12), (INF, 10.0)], 0.5);
    }

    #[test]
    fn equal_bounds_are_added_up() {
        check_quantile(0.5, &[(1.0, 5.0), (1.0, 5.0), (INF, 10.0)], 0.5);
    }

    #[test]
    fn fractions_interpolate() {
        let all = [(1.0, 10.0), (2.0, 20.0), (INF, 40.0)];
        let check = |lower: f64, upper: f64, expected: f64| {
            assert_eq!(bucket_fraction(lower, upper, &mut buckets(&all)), expected, "{lower} to {upper}");
        };
        check(0.0, 1.0, 0.25);
        check(0.5, 1.5, 0.25);
        check(-INF, INF, 1.0);
        check(1.0, 1.0, 0.0);
        check(3.0, INF, 0.5);
    }
}
