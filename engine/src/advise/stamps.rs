//! Finds rows whose timestamps are outliers, such as one a year ahead or in another unit, so that they do not shift a
//! window.

use std::ops::Range;

/// Maximum share of rows that are left out as outliers; at least one row may be.
const MAX_OUTLIER_SHARE: f64 = 0.05;
/// Rows whose gap to the others exceeds this many times the others' span are in another unit of time. Up to half of all
/// rows are left out then.
const OTHER_UNIT_SPANS: i64 = 100;
/// Minimum number of rows for leaving out outliers within one unit of time.
const MIN_ROWS: usize = 50;
/// One row in this many at each end is excluded from the inner span.
const EDGE_DIVISOR: usize = 20;
/// Maximum number of passes. Each pass removes one group of outliers at one end.
const MAX_PASSES: usize = 8;

/// Returns the range of rows without outliers. `timestamps`: ascending, epoch milliseconds.
///
/// A small group of rows at an end is left out when the gap to the other rows is longer than their whole span. A pause
/// within a history is kept: either many rows follow it, or it is shorter than the history.
pub(super) fn inlier_range(timestamps: &[i64]) -> Range<usize> {
    let mut kept = 0..timestamps.len();
    for _ in 0..MAX_PASSES {
        let rows = &timestamps[kept.clone()];
        // The widest gap and the number of rows before it.
        let gaps = rows.windows(2).enumerate().map(|(idx, pair)| (pair[1].saturating_sub(pair[0]), idx + 1));
        let Some((gap, before)) = gaps.max() else { return kept };
        let after = rows.len() - before;
        // The later half is kept when both are equally large.
        let smaller = if before <= after { 0..before } else { before..rows.len() };
        let few =
            count(smaller.len()) <= (MAX_OUTLIER_SHARE * count(rows.len())).max(1.0) && rows.len() > 2 * smaller.len();
        // Span of the other rows. Gaps wider than the inner span separate further outliers and are subtracted.
        let others = if before <= after { &rows[before..] } else { &rows[..before] };
        let edge = rows.len() / EDGE_DIVISOR;
        let inner = rows[rows.len() - 1 - edge].saturating_sub(rows[edge]);
        let between = others.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).filter(|other| *other > inner);
        let reach = others.last().zip(others.first()).map_or(0, |(last, first)| last.saturating_sub(*first));
        let span = between.fold(reach, i64::saturating_sub);
        let other_unit = smaller.len() * 2 <= rows.len() && gap / OTHER_UNIT_SPANS > span.max(1);
        let far = few && gap > span.max(1);
        if !(far && rows.len() >= MIN_ROWS || other_unit && rows.len() > 8) {
            return kept;
        }
        kept = if smaller.start == 0 { kept.start + before..kept.end } else { kept.start..kept.start + before };
    }
    kept
}

fn count(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::inlier_range;

    const HOUR: i64 = 3_600_000;
    const YEAR: i64 = 365 * 24 * HOUR;

    #[test]
    fn rows_far_from_all_others_are_left_out() {
        let day: Vec<i64> = (0..1_000).map(|row| YEAR * 55 + row * 86_400).collect();
        let with = |more: &[i64]| {
            let mut rows = [&day, more].concat();
            rows.sort_unstable();
            let kept = inlier_range(&rows);
            (rows.len(), rows[kept].to_vec())
        };
        for more in [
            vec![day[0] + YEAR],
            vec![day[0] - YEAR, day[0] + YEAR],
            vec![0],
            vec![0, day[0] + YEAR, day[0] + 2 * YEAR, day[0] * 1_000],
            // One row in ten, in seconds instead of milliseconds.
            day.iter().step_by(10).map(|at| at / 1_000).collect(),
            day.iter().take(20).map(|at| at + 2 * 24 * HOUR).collect(),
        ] {
            let (n, kept) = with(&more);
            assert!(n == day.len() + more.len() && kept == day, "{} rows of {n} are kept: {more:?}", kept.len());
        }
    }

    #[test]
    fn pauses_are_kept() {
        let check = |rows: Vec<i64>| assert_eq!(inlier_range(&rows), 0..rows.len(), "{rows:?}");
        check((0..1_000).chain(2_500..3_500).collect());
        // A weekend between a week and the next days.
        check((0..120).chain(168..180).map(|hour| hour * HOUR).collect());
        check((0..1_000).collect());
        check(vec![0, 10]);
        check(vec![0]);
        check(vec![]);
        // Fewer than nine rows are never reduced.
        check(vec![0, 10, 10_000, 10_010]);
    }
}
