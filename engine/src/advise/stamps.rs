//! Finds rows whose timestamps lie far from all others, such as one a year ahead or in another unit, so that they move no window.

use std::ops::Range;

/// Rows that may be left out on such grounds, as a share, and at least one.
const FAR_SHARE: f64 = 0.05;
/// Of rows in another unit of time, which lie away a hundred times as far as all others reach, up to half are left out.
const OTHER_UNIT: i64 = 100;
/// Rows below which a few are no less than all the others.
const LEAST_ROWS: usize = 50;
/// One row in so many at each end is not counted into the reach of the others: the most that may be far.
const EDGE: usize = 20;
/// Rounds: on both sides, more than once.
const ROUNDS: usize = 8;

/// The rows that belong together, of timestamps in ascending order.
///
/// A few rows are left out at an end where the gap to the others is longer than the others' whole span; a pause within a
/// history is none, because what follows it is more than a few rows, or the pause is shorter than the history.
pub(super) fn bulk(timestamps: &[i64]) -> Range<usize> {
    let mut kept = 0..timestamps.len();
    for _ in 0..ROUNDS {
        let rows = &timestamps[kept.clone()];
        // The widest gap, with the number of rows before it.
        let gaps = rows.windows(2).enumerate().map(|(idx, pair)| (pair[1].saturating_sub(pair[0]), idx + 1));
        let Some((gap, before)) = gaps.max() else { return kept };
        let after = rows.len() - before;
        // Of two halves as large the later is kept: it is the newer.
        let smaller = if before <= after { 0..before } else { before..rows.len() };
        let few = count(smaller.len()) <= (FAR_SHARE * count(rows.len())).max(1.0) && rows.len() > 2 * smaller.len();
        // How far the others reach; gaps wider than the middle of all rows separate further rows that are far.
        let others = if before <= after { &rows[before..] } else { &rows[..before] };
        let edge = rows.len() / EDGE;
        let inner = rows[rows.len() - 1 - edge].saturating_sub(rows[edge]);
        let between = others.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).filter(|other| *other > inner);
        let reach = others.last().zip(others.first()).map_or(0, |(last, first)| last.saturating_sub(*first));
        let span = between.fold(reach, i64::saturating_sub);
        let other_unit = smaller.len() * 2 <= rows.len() && gap / OTHER_UNIT > span.max(1);
        let far = few && gap > span.max(1);
        if !(far && rows.len() >= LEAST_ROWS || other_unit && rows.len() > 8) {
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
    use super::bulk;

    const HOUR: i64 = 3_600_000;
    const YEAR: i64 = 365 * 24 * HOUR;

    #[test]
    fn rows_far_from_all_others_are_left_out() {
        let day: Vec<i64> = (0..1_000).map(|row| YEAR * 55 + row * 86_400).collect();
        let with = |more: &[i64]| {
            let mut rows = [&day, more].concat();
            rows.sort_unstable();
            let kept = bulk(&rows);
            (rows.len(), rows[kept].to_vec())
        };
        for more in [
            vec![day[0] + YEAR],
            vec![day[0] - YEAR, day[0] + YEAR],
            vec![0],
            vec![0, day[0] + YEAR, day[0] + 2 * YEAR, day[0] * 1_000],
            // A tenth in seconds.
            day.iter().step_by(10).map(|at| at / 1_000).collect(),
            day.iter().take(20).map(|at| at + 2 * 24 * HOUR).collect(),
        ] {
            let (n, kept) = with(&more);
            assert!(n == day.len() + more.len() && kept == day, "{} rows of {n} are kept: {more:?}", kept.len());
        }
    }

    #[test]
    fn pauses_are_kept() {
        let check = |rows: Vec<i64>| assert_eq!(bulk(&rows), 0..rows.len(), "{rows:?}");
        check((0..1_000).chain(2_500..3_500).collect());
        // A weekend between a week and its next days.
        check((0..120).chain(168..180).map(|hour| hour * HOUR).collect());
        check((0..1_000).collect());
        check(vec![0, 10]);
        check(vec![0]);
        check(vec![]);
        // The steps of few rows may differ.
        check(vec![0, 10, 10_000, 10_010]);
    }
}
