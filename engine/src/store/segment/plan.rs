//! Decides which segments are merged, by size, deletions and retention. Pure functions of the layout.

use super::{Segment, SegmentLayout};

/// Age of the hot segment at which it is compacted, in milliseconds.
const BLOCK_MS: i64 = 2 * 3_600_000;

/// Time in milliseconds by which the hot segment may be newer than the clock.
const FUTURE_MS: i64 = 60_000;

/// Number of late rows at which a compaction is due. Every read applies all of them.
const LATE_ROWS: u64 = 200_000;

/// Number of rows and time span (milliseconds) at which a cold segment is no longer merged. Both must be reached: with
/// many series the rows alone would end segments after hours, and short runs of a series take twice the bytes of long
/// ones.
const RUN_ROWS: u64 = 64_000_000;
const RUN_MS: i64 = 86_400_000;

/// Number of rows at which a cold segment is no longer merged whatever its span, because a merge needs its size on disk
/// again.
const RUN_ROWS_MAX: u64 = 1_000_000_000;

/// Number of rows below which all cold segments are in the same size class.
const SMALL_RUN_ROWS: u64 = 65_536;

/// Number of cold segments of one size class that are merged into one of the next.
const FAN_IN: usize = 4;

/// Share of a cold segment's span that must have expired before the segment is rewritten.
const EXPIRED_SHARE: f64 = 0.25;

/// Segments that are merged into one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Merge {
    /// Hot and cold segments.
    pub(super) base: Vec<Segment>,
    /// Late segments, whose rows replace those of `base`.
    pub(super) late: Vec<Segment>,
}

impl Merge {
    /// Returns all segments of the merge.
    pub(super) fn all(&self) -> impl Iterator<Item = &Segment> {
        self.base.iter().chain(&self.late)
    }
}

/// Returns whether the active segments are due to be frozen.
pub(super) fn is_rotation_due(layout: &SegmentLayout, now: i64, hot_rows: u64) -> bool {
    // A time in the future means that the clock was set back.
    let is_old = |since: i64| !(-FUTURE_MS..BLOCK_MS).contains(&now.saturating_sub(since));
    let old = layout.hot_since.is_some_and(is_old);
    let some = layout.hot.rows + layout.late.rows > 0;
    some && (old || layout.hot.rows >= hot_rows || layout.late.rows >= LATE_ROWS)
}

/// Returns the size class. A segment of class `n + 1` has as many rows as `FAN_IN` segments of class `n`.
fn size_class(rows: u64) -> u32 {
    (rows / SMALL_RUN_ROWS).checked_ilog(FAN_IN as u64).map_or(0, |class| class + 1)
}

/// Returns whether a cold segment of this size is no longer merged.
fn is_full(rows: u64, span_ms: i64) -> bool {
    rows >= RUN_ROWS_MAX || (rows >= RUN_ROWS && span_ms >= RUN_MS)
}

/// Returns the cold segments that may still be merged.
fn growing(cold: &[Segment]) -> impl Iterator<Item = &Segment> {
    cold.iter().filter(|run| !is_full(run.rows, run.max.saturating_sub(run.min)))
}

/// Returns the next cold segments to merge by size, if any.
pub(super) fn due_merge(cold: &[Segment]) -> Option<Merge> {
    let growing: Vec<&Segment> = growing(cold).collect();
    let mut classes: Vec<u32> = growing.iter().map(|run| size_class(run.rows)).collect();
    classes.sort_unstable();
    classes.dedup();
    classes.into_iter().find_map(|class| {
        let same = || growing.iter().filter(|run| size_class(run.rows) == class);
        (same().count() >= FAN_IN)
            .then(|| Merge { base: same().take(FAN_IN).map(|run| (*run).clone()).collect(), late: Vec::new() })
    })
}

/// Returns the merges of a full compaction, which leave as few segments as their maximum size allows.
pub(super) fn full_merges(cold: &[Segment]) -> Vec<Merge> {
    let mut merges = Vec::new();
    let mut next = Merge::default();
    let (mut rows, mut min, mut max) = (0, i64::MAX, i64::MIN);
    for run in growing(cold) {
        if is_full(rows, max.saturating_sub(min)) {
            merges.push(std::mem::take(&mut next));
            (rows, min, max) = (0, i64::MAX, i64::MIN);
        }
        (rows, min, max) = (rows + run.rows, min.min(run.min), max.max(run.max));
        next.base.push(run.clone());
    }
    merges.push(next);
    merges.retain(|merge| merge.base.len() > 1);
    merges
}

/// Returns merges that drop the cold segments without rows, which a deletion has emptied.
pub(super) fn emptied(cold: &[Segment]) -> Vec<Merge> {
    let empty = cold.iter().filter(|run| run.rows == 0);
    empty.map(|run| Merge { base: vec![run.clone()], late: Vec::new() }).collect()
}

/// Returns the merges that rewrite or drop cold segments of which a sufficient share has expired.
///
/// `now` bounds a segment's span: a single sample of the year 58000 would otherwise make the expired share vanish.
pub(super) fn expired(layout: &SegmentLayout, cutoff: i64, now: i64, all: bool) -> Vec<Merge> {
    let is_due = |run: &Segment| {
        #[expect(clippy::cast_precision_loss, reason = "a share of a span needs no more than 53 bits")]
        let share = |part: i64, whole: i64| part as f64 / whole.max(1) as f64;
        run.max < cutoff
            || (run.min < cutoff
                && (all
                    || share(cutoff.saturating_sub(run.min), run.max.min(now).saturating_sub(run.min)) > EXPIRED_SHARE))
    };
    let due = layout.frozen.iter().filter(|run| run.is_cold() && is_due(run));
    due.map(|run| Merge { base: vec![run.clone()], late: Vec::new() }).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::SegmentKind, *};

    fn runs(rows: &[u64]) -> Vec<Segment> {
        (1..).zip(rows).map(|(id, &rows)| Segment { id, kind: SegmentKind::Cold, rows, min: 0, max: 100 }).collect()
    }

    /// Returns the same segments, each with a span of one day.
    fn days(rows: &[u64]) -> Vec<Segment> {
        runs(rows).into_iter().map(|run| Segment { max: RUN_MS, ..run }).collect()
    }

    fn ids(merge: &Merge) -> Vec<u64> {
        merge.base.iter().map(|run| run.id).collect()
    }

    #[test]
    fn four_runs_of_a_size_are_merged() {
        assert_eq!(due_merge(&runs(&[10, 20, 30])), None);
        assert_eq!(ids(&due_merge(&runs(&[10, 20, 30, 3_000_000, 0])).unwrap()), [1, 2, 3, 5]);
        let twelve_blocks = runs(&[2_880_000; 12]);
        assert_eq!(ids(&due_merge(&twelve_blocks).unwrap()), [1, 2, 3, 4]);
        assert_eq!(due_merge(&days(&[RUN_ROWS; 9])), None);
    }

    #[test]
    fn many_rows_of_a_few_hours_are_merged_on() {
        let mut blocks = runs(&[RUN_ROWS; 4]);
        for (run, hour) in blocks.iter_mut().zip(0..) {
            (run.min, run.max) = (hour * 3_600_000, (hour + 1) * 3_600_000);
        }
        assert_eq!(ids(&due_merge(&blocks).unwrap()), [1, 2, 3, 4]);
        assert_eq!(full_merges(&blocks).iter().map(ids).collect::<Vec<_>>(), [[1, 2, 3, 4]]);
        blocks[0].rows = RUN_ROWS_MAX;
        assert_eq!(due_merge(&blocks), None);
    }

    #[test]
    fn repeated_merging_ends_with_few_runs() {
        let mut all = runs(&[100_000; 1_000]);
        while let Some(merge) = due_merge(&all) {
            let gone = ids(&merge);
            let rows = merge.base.iter().map(|run| run.rows).sum();
            all.retain(|run| !gone.contains(&run.id));
            let id = all.iter().map(|run| run.id).max().unwrap_or(0) + 1;
            all.push(Segment { id, kind: SegmentKind::Cold, rows, min: 0, max: 100 });
        }
        assert!(all.len() < 20, "{}", all.len());
        assert_eq!(all.iter().map(|run| run.rows).sum::<u64>(), 100_000_000);
    }

    #[test]
    fn a_full_merge_leaves_one_run_where_it_fits() {
        assert_eq!(full_merges(&runs(&[10, 20, 30])).iter().map(ids).collect::<Vec<_>>(), [[1, 2, 3]]);
        assert_eq!(full_merges(&runs(&[10])), []);
        let halves = full_merges(&days(&[RUN_ROWS / 2, RUN_ROWS / 2, RUN_ROWS, RUN_ROWS / 2, 1]));
        assert_eq!(halves.iter().map(ids).collect::<Vec<_>>(), [[1, 2], [4, 5]]);
    }

    #[test]
    fn expired_runs_are_found() {
        let layout = SegmentLayout {
            frozen: runs(&[5]),
            hot: Segment::empty(8, SegmentKind::Hot),
            late: Segment::empty(9, SegmentKind::Late),
            hot_since: None,
            next_id: 10,
        };
        let found = |cutoff, all| expired(&layout, cutoff, 100, all).len();
        assert_eq!(
            (found(0, true), found(10, false), found(10, true), found(26, false), found(101, false)),
            (0, 0, 1, 1, 1)
        );
        // A timestamp far in the future does not prevent expiry.
        let mut ahead = layout;
        ahead.frozen[0].max = i64::MAX;
        assert_eq!(expired(&ahead, 26, 100, false).len(), 1);
    }

    #[test]
    fn runs_without_rows_are_dropped() {
        assert_eq!(emptied(&runs(&[5, 0, 7])).iter().map(ids).collect::<Vec<_>>(), [[2]]);
    }
}
