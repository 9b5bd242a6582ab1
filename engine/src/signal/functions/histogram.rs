//! `histogram_quantile` and `histogram_fraction` of classic histograms, as in Prometheus.

use crate::{
    histogram::Histogram as NativeHistogram,
    signal::{
        EvalLimits, SignalError,
        frame::{ABSENT, Frame, Interner, RowLabels, is_absent, is_histogram},
        native::{self, NanRemark},
    },
};

/// Label with the upper bound of a bucket.
const BUCKET_LABEL: &str = "le";

/// Relative difference of neighbouring counts that is taken as rounding of rates, as in Prometheus.
const COUNT_TOLERANCE: f64 = 1e-12;

/// The rows of one histogram.
struct Histogram {
    /// Upper bound and row of each bucket.
    buckets: Vec<(f64, usize)>,
}

/// One bucket at one step: its upper bound, and the number of observations up to it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bucket {
    upper: f64,
    count: f64,
}

/// The positions of an argument with buckets, and where notes about it go.
#[derive(Clone, Copy)]
pub(super) struct Noted<'a> {
    pub(super) at: usize,
    pub(super) limits: &'a EvalLimits,
}

/// `histogram_quantile` of classic histograms. `level` has one quantile for each step.
pub(super) fn histogram_quantile(level: &[f64], frame: &Frame, noted: Noted<'_>) -> Result<Frame, SignalError> {
    quantile_frame(level, frame, noted)?.drop_names()
}

/// Returns a quantile of each classic and native histogram, with its name.
fn quantile_frame(level: &[f64], frame: &Frame, noted: Noted<'_>) -> Result<Frame, SignalError> {
    let classic = per_histogram(frame, noted, |step, buckets| bucket_quantile(level[step], buckets))?;
    with_native(classic, frame, noted, |step, histogram| native::quantile(level[step], histogram))
}

/// Adds the figures of native histograms to those of classic ones. Where an element has both, it has no result.
fn with_native(
    mut classic: Frame,
    frame: &Frame,
    noted: Noted<'_>,
    value: impl Fn(usize, &NativeHistogram) -> (f64, NanRemark),
) -> Result<Frame, SignalError> {
    if !frame.cells.iter().any(|cell| is_histogram(*cell)) {
        return Ok(classic);
    }
    let mut interner = Interner::default();
    for row in &classic.rows {
        interner.id(row.iter());
    }
    for (row, labels) in frame.rows.iter().enumerate() {
        if !frame.row(row).iter().any(|cell| is_histogram(*cell)) {
            continue;
        }
        let mut target = interner.id(labels.iter());
        if target >= classic.rows.len() {
            target = classic.push_absent(labels.clone());
        }
        for (step, cell) in frame.row(row).iter().enumerate() {
            let Some(histogram) = noted.limits.arena.get(*cell) else { continue };
            let into = &mut classic.row_mut(target)[step];
            if !is_absent(*into) {
                let message = "an element is a classic and a native histogram at the same time and has no result";
                noted.limits.notes.warn(noted.at, message);
                *into = ABSENT;
                continue;
            }
            let (found, remark) = value(step, &histogram);
            *into = found;
            if let Some(text) = remark.text() {
                noted.limits.notes.inform(noted.at, text);
            }
        }
    }
    classic.distinct = false;
    Ok(classic.compact())
}

/// `histogram_quantiles` of classic histograms: one row for each quantile, with its value in the label `name`.
pub(super) fn histogram_quantiles(
    name: &str,
    levels: &[Vec<f64>],
    frame: &Frame,
    noted: Noted<'_>,
) -> Result<Frame, SignalError> {
    let mut all = Frame::new(frame.steps);
    for level in levels {
        let found = quantile_frame(level, frame, noted)?;
        for (row, labels) in found.rows.iter().enumerate() {
            for (step, cell) in found.row(row).iter().enumerate().filter(|(_, cell)| !is_absent(**cell)) {
                let mut named = labels.to_labels().to_builder();
                named.set(name, &open_metrics_number(level[step]));
                let target = all.push_absent(labels.with(named.build()));
                all.row_mut(target)[step] = *cell;
            }
        }
    }
    // A quantile that changes between steps has a row for each of its values.
    all.rows.iter_mut().for_each(RowLabels::drop_name);
    all.merge()
}

/// Formats a number as in OpenMetrics: always with a fraction or an exponent.
fn open_metrics_number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else {
        let text = value.to_string();
        if text.contains('.') { text } else { text + ".0" }
    }
}

/// `histogram_fraction` of classic histograms. `lower` and `upper` have one bound for each step.
pub(super) fn histogram_fraction(
    lower: &[f64],
    upper: &[f64],
    frame: &Frame,
    noted: Noted<'_>,
) -> Result<Frame, SignalError> {
    let classic =
        per_histogram(frame, noted, |step, buckets| (bucket_fraction(lower[step], upper[step], buckets), false))?;
    with_native(classic, frame, noted, |step, histogram| native::fraction(lower[step], upper[step], histogram))?
        .drop_names()
}

/// Groups rows that differ in `le` only, and calls `value` with the buckets of each step; it also returns whether it
/// made falling counts monotonic. Rows whose `le` is not a number are left out.
fn per_histogram(
    frame: &Frame,
    noted: Noted<'_>,
    mut value: impl FnMut(usize, &mut Vec<Bucket>) -> (f64, bool),
) -> Result<Frame, SignalError> {
    let mut histograms: Vec<Histogram> = Vec::new();
    let mut interner = Interner::default();
    let mut result = Frame::new(frame.steps);
    for (row, labels) in frame.rows.iter().enumerate() {
        if !frame.row(row).iter().any(|cell| !is_absent(*cell) && !is_histogram(*cell)) {
            continue;
        }
        let le = labels.get(BUCKET_LABEL);
        let Ok(upper) = le.parse::<f64>() else {
            let message = format!("the label {BUCKET_LABEL:?} of a bucket is missing or no number: {le:?}");
            noted.limits.notes.warn(noted.at, message);
            continue;
        };
        let id = interner.id(labels.iter().filter(|(name, _)| *name != BUCKET_LABEL));
        if id == histograms.len() {
            histograms.push(Histogram { buckets: Vec::new() });
            result.push_absent(labels.with(labels.without(&[BUCKET_LABEL])));
        }
        histograms[id].buckets.push((upper, row));
    }
    let mut present = Vec::new();
    for (id, histogram) in histograms.iter_mut().enumerate() {
        histogram.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut was_forced = false;
        for (step, cell) in result.row_mut(id).iter_mut().enumerate() {
            present.clear();
            present.extend(
                histogram
                    .buckets
                    .iter()
                    .map(|(upper, row)| Bucket { upper: *upper, count: frame.cell(*row, step) })
                    .filter(|bucket| !is_absent(bucket.count) && !is_histogram(bucket.count)),
            );
            if !present.is_empty() {
                let (found, forced) = value(step, &mut present);
                was_forced |= forced;
                *cell = found;
            }
        }
        if was_forced {
            let message =
                "counts of buckets fell with rising bounds and were made monotonic, so quantiles may be inexact";
            noted.limits.notes.inform(noted.at, message);
        }
    }
    Ok(result.compact())
}

/// Returns the quantile by linear interpolation within its bucket. NaN without a bucket to +Inf, a second bucket or an
/// observation.
///
/// `buckets`: ascending and cumulative; corrected in place. Also returns whether falling counts were corrected.
fn bucket_quantile(level: f64, buckets: &mut Vec<Bucket>) -> (f64, bool) {
    if level.is_nan() {
        return (f64::NAN, false);
    }
    if level < 0.0 {
        return (f64::NEG_INFINITY, false);
    }
    if level > 1.0 {
        return (f64::INFINITY, false);
    }
    if buckets.last().is_none_or(|last| last.upper != f64::INFINITY) {
        return (f64::NAN, false);
    }
    merge_equal_bounds(buckets);
    let was_forced = make_monotonic(buckets);
    (monotonic_quantile(level, buckets), was_forced)
}

/// Returns the quantile of buckets with rising bounds and counts.
fn monotonic_quantile(level: f64, buckets: &[Bucket]) -> f64 {
    let (n, observations) = (buckets.len(), buckets[buckets.len() - 1].count);
    if n < 2 || observations == 0.0 {
        return f64::NAN;
    }
    let rank = level * observations;
    // Written so that NaN counts select the last bucket.
    let holder =
        buckets[..n - 1].partition_point(|bucket| !matches!(bucket.count.partial_cmp(&rank), Some(o) if o.is_ge()));
    // In the bucket to +Inf the result is the last finite bound.
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

/// Returns the share of observations between two values, by linear interpolation within buckets.
fn bucket_fraction(lower: f64, upper: f64, buckets: &mut Vec<Bucket>) -> f64 {
    if buckets.last().is_none_or(|last| last.upper != f64::INFINITY) {
        return f64::NAN;
    }
    merge_equal_bounds(buckets);
    let observations = buckets[buckets.len() - 1].count;
    if observations == 0.0 || lower.is_nan() || upper.is_nan() || observations.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    (rank_of(upper, buckets) - rank_of(lower, buckets)) / observations
}

/// Returns the number of observations below `value`, by linear interpolation.
fn rank_of(value: f64, buckets: &[Bucket]) -> f64 {
    let all = buckets[buckets.len() - 1].count;
    // A first bucket with a positive upper bound starts at 0.
    let mut before = Bucket { upper: if buckets[0].upper <= 0.0 { f64::NEG_INFINITY } else { 0.0 }, count: 0.0 };
    for bucket in buckets {
        if before.upper >= value {
            return before.count.min(all);
        }
        if bucket.upper > value {
            // Within an unbounded bucket no interpolation is possible.
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

/// Adds the counts of buckets with the same upper bound, such as `1` and `1.0`.
#[expect(clippy::float_cmp, reason = "bucket bounds are equal or not")]
fn merge_equal_bounds(buckets: &mut Vec<Bucket>) {
    buckets.dedup_by(|later, kept| {
        let same = later.upper == kept.upper;
        if same {
            kept.count += later.count;
        }
        same
    });
}

/// Makes cumulative counts monotonic, and removes differences within the tolerance. Returns whether a count fell by more
/// than that.
#[expect(clippy::float_cmp, reason = "only exact equality needs no correction")]
fn make_monotonic(buckets: &mut [Bucket]) -> bool {
    let Some((first, rest)) = buckets.split_first_mut() else { return false };
    let (mut before, mut was_forced) = (first.count, false);
    for bucket in rest {
        if bucket.count == before {
            continue;
        }
        if nearly_equal(before, bucket.count) {
            bucket.count = before;
        } else if bucket.count < before {
            (bucket.count, was_forced) = (before, true);
        } else {
            before = bucket.count;
        }
    }
    was_forced
}

fn nearly_equal(a: f64, b: f64) -> bool {
    if a.is_nan() || b.is_nan() {
        return false;
    }
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < COUNT_TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < COUNT_TOLERANCE
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these results are exact")]
mod tests {
    use super::*;

    fn buckets(all: &[(f64, f64)]) -> Vec<Bucket> {
        all.iter().map(|(upper, count)| Bucket { upper: *upper, count: *count }).collect()
    }

    fn check_quantile(level: f64, all: &[(f64, f64)], expected: f64) {
        let (found, _) = bucket_quantile(level, &mut buckets(all));
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
    fn invalid_histograms_return_nan() {
        check_quantile(0.5, &[(1.0, 1.0), (2.0, 2.0)], f64::NAN);
        check_quantile(0.5, &[(INF, 2.0)], f64::NAN);
        check_quantile(0.5, &[(1.0, 0.0), (INF, 0.0)], f64::NAN);
    }

    #[test]
    fn a_negative_first_bucket_returns_its_bound() {
        check_quantile(0.1, &[(-1.0, 10.0), (1.0, 20.0), (INF, 20.0)], -1.0);
    }

    #[test]
    fn falling_counts_are_made_monotonic() {
        check_quantile(0.5, &[(1.0, 10.0), (2.0, 8.0), (3.0, 20.0), (INF, 20.0)], 1.0);
        // The documented tolerance of Prometheus is 1e-12 relative.
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
