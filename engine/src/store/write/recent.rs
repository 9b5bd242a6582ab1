//! The recent samples of every series in memory: they answer reads and decide where a new sample is stored.

use std::mem::size_of;

use crate::series::is_stale;

/// What memory knows of one series.
#[derive(Debug, Clone)]
struct SeriesState {
    /// The newest samples, timestamps strictly ascending.
    samples: Vec<(i64, f64)>,
    /// Memory holds every sample of the series from this timestamp on.
    complete_from: i64,
    /// Oldest timestamp, or earlier.
    min: i64,
    /// Newest timestamp.
    max: i64,
}

impl SeriesState {
    const fn new() -> Self {
        Self { samples: Vec::new(), complete_from: i64::MIN, min: i64::MAX, max: i64::MIN }
    }
}

/// Where a sample goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Place {
    /// Newer than all samples of its series.
    Hot,
    /// Not newer, and new or different as far as memory knows.
    Late,
    /// There already, with the same value.
    Unchanged,
}

/// The recent samples of every series, and the span of each.
#[derive(Debug)]
pub(in crate::store) struct Recent {
    series: Vec<SeriesState>,
    held: usize,
    budget: usize,
    /// The series at which the next round of eviction continues.
    cursor: usize,
}

/// The part of a series that memory answers.
#[derive(Debug, Default, PartialEq)]
pub(in crate::store) struct RecentPart {
    pub(in crate::store) timestamps: Vec<i64>,
    pub(in crate::store) values: Vec<f64>,
    /// Samples before this timestamp are to be read from disk; `None` when memory has the whole answer.
    pub(in crate::store) disk_before: Option<i64>,
}

impl Recent {
    pub(in crate::store) fn new(budget_bytes: usize) -> Self {
        Self { series: Vec::new(), held: 0, budget: budget_bytes / size_of::<(i64, f64)>(), cursor: 0 }
    }

    /// Samples held.
    pub(in crate::store) fn held(&self) -> usize {
        self.held
    }

    /// Makes room for series up to `end`.
    pub(in crate::store) fn grow(&mut self, end: u32) {
        if self.series.len() < end as usize {
            self.series.resize(end as usize, SeriesState::new());
        }
    }

    /// States that a series has samples on disk in this span of which memory holds none.
    pub(in crate::store) fn restore_span(&mut self, id: u32, min: i64, max: i64) {
        self.grow(id + 1);
        let state = &mut self.series[id as usize];
        state.min = state.min.min(min);
        state.max = state.max.max(max);
        state.complete_from = state.complete_from.max(max.saturating_add(1));
    }

    /// Takes a sample in and decides where it belongs on disk.
    pub(in crate::store) fn place(&mut self, id: u32, timestamp: i64, value: f64) -> Place {
        let state = &mut self.series[id as usize];
        if timestamp > state.max {
            state.samples.push((timestamp, value));
            state.max = timestamp;
            state.min = state.min.min(timestamp);
            self.held += 1;
            return Place::Hot;
        }
        if timestamp < state.complete_from {
            state.min = state.min.min(timestamp);
            return Place::Late;
        }
        match state.samples.binary_search_by_key(&timestamp, |sample| sample.0) {
            Ok(idx) if state.samples[idx].1.to_bits() == value.to_bits() => Place::Unchanged,
            Ok(idx) => {
                state.samples[idx].1 = value;
                Place::Late
            }
            Err(idx) => {
                state.samples.insert(idx, (timestamp, value));
                state.min = state.min.min(timestamp);
                self.held += 1;
                Place::Late
            }
        }
    }

    /// Whether more is held than the budget allows.
    pub(in crate::store) fn over_budget(&self) -> bool {
        self.held > self.budget
    }

    /// Drops the older half of the samples of some series, round and round, until the budget holds;
    /// at most a sixteenth of the series at a time, so that no reader waits long. The newest sample
    /// of a series always stays.
    pub(in crate::store) fn evict(&mut self) {
        let round = self.series.len().div_ceil(16);
        for _ in 0..round {
            if !self.over_budget() {
                return;
            }
            if self.cursor >= self.series.len() {
                self.cursor = 0;
            }
            let state = &mut self.series[self.cursor];
            self.cursor += 1;
            let drop = state.samples.len() / 2;
            if drop > 0 {
                state.samples = state.samples[drop..].to_vec();
                state.complete_from = state.samples[0].0;
                self.held -= drop;
            }
        }
    }

    /// Whether the series may have samples with `start <= timestamp <= end`.
    pub(in crate::store) fn overlaps(&self, id: u32, start: i64, end: i64) -> bool {
        self.series
            .get(id as usize)
            .is_some_and(|state| state.min <= end && state.max >= start && state.min <= state.max)
    }

    /// The samples of a series in a span, as far as memory has them.
    pub(in crate::store) fn part(&self, id: u32, start: i64, end: i64) -> RecentPart {
        let Some(state) = self.series.get(id as usize) else { return RecentPart::default() };
        let from = state.samples.partition_point(|sample| sample.0 < start);
        let to = state.samples.partition_point(|sample| sample.0 <= end).max(from);
        let held = &state.samples[from..to];
        let on_disk = start < state.complete_from && state.min < state.complete_from && state.min <= end;
        RecentPart {
            timestamps: held.iter().map(|sample| sample.0).collect(),
            values: held.iter().map(|sample| sample.1).collect(),
            disk_before: on_disk.then_some(state.complete_from),
        }
    }

    /// Forgets the samples of a series in a span, which were deleted; `left` is the oldest and the newest of those that
    /// remain in memory or on disk.
    pub(in crate::store) fn forget(&mut self, id: u32, start: i64, end: i64, left: Option<(i64, i64)>) {
        let Some(state) = self.series.get_mut(id as usize) else { return };
        let before = state.samples.len();
        state.samples.retain(|&(timestamp, _)| timestamp < start || timestamp > end);
        self.held -= before - state.samples.len();
        (state.min, state.max) = left.unwrap_or((i64::MAX, i64::MIN));
        // Memory held everything from `complete_from` on and still does. Where it holds nothing now, that is what follows the
        // newest sample on disk: the next one is taken in there and must not be looked for on disk.
        if state.samples.is_empty() {
            let next = left.map_or(i64::MIN, |(_, newest)| newest.saturating_add(1));
            state.complete_from = state.complete_from.min(next);
        }
    }

    /// Forgets what is older than `cutoff`, which retention has dropped.
    pub(in crate::store) fn expire(&mut self, cutoff: i64) {
        for state in &mut self.series {
            if state.min >= cutoff {
                continue;
            }
            let drop = state.samples.partition_point(|sample| sample.0 < cutoff);
            if drop > 0 {
                state.samples = state.samples[drop..].to_vec();
                self.held -= drop;
            }
            // `max` stays: a sample that is not newer goes to the late layer, which is always right.
            state.min = cutoff.min(state.max);
            if state.max < cutoff {
                state.complete_from = state.complete_from.max(state.max.saturating_add(1));
                state.min = state.max;
            }
        }
    }
}

/// The value as it is stored: one NaN besides the stale marker, since disk does not keep payloads.
pub(in crate::store) fn canonical(value: f64) -> f64 {
    if value.is_nan() && !is_stale(value) { f64::NAN } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recent(budget_samples: usize) -> Recent {
        let mut recent = Recent::new(budget_samples * 16);
        recent.grow(2);
        recent
    }

    #[test]
    fn newer_is_hot_same_is_unchanged_other_is_late() {
        let mut recent = recent(100);
        assert_eq!(recent.place(0, 10, 1.0), Place::Hot);
        assert_eq!(recent.place(0, 10, 1.0), Place::Unchanged);
        assert_eq!(recent.place(0, 10, 2.0), Place::Late);
        assert_eq!(recent.place(0, 5, 2.0), Place::Late);
        assert_eq!(recent.place(0, 5, 2.0), Place::Unchanged);
        assert_eq!(recent.place(0, 11, 3.0), Place::Hot);
        let part = recent.part(0, i64::MIN, 10);
        assert_eq!((part.timestamps, part.values, part.disk_before), (vec![5, 10], vec![2.0, 2.0], None));
    }

    #[test]
    fn eviction_keeps_the_newest_and_says_what_is_on_disk() {
        let mut recent = recent(10);
        for t in 0..100 {
            recent.place(0, t, 1.0);
            recent.place(1, t, 1.0);
        }
        while recent.over_budget() {
            recent.evict();
        }
        assert!(recent.held() <= 10);
        for id in 0..2 {
            let part = recent.part(id, 0, 1000);
            assert_eq!(part.timestamps.last(), Some(&99));
            assert_eq!(part.disk_before, Some(part.timestamps[0]));
            assert_eq!(recent.part(id, part.timestamps[0], 1000).disk_before, None);
        }
        assert_eq!(recent.place(0, 3, 1.0), Place::Late);
    }

    #[test]
    fn what_is_deleted_is_forgotten_and_may_come_again() {
        let mut recent = recent(100);
        for t in 0..10 {
            recent.place(0, t, 1.0);
        }
        recent.forget(0, 5, 100, Some((0, 4)));
        assert_eq!((recent.held(), recent.part(0, 0, 100).timestamps), (5, vec![0, 1, 2, 3, 4]));
        assert_eq!(recent.place(0, 7, 2.0), Place::Hot);
        recent.forget(0, i64::MIN, i64::MAX, None);
        assert!(recent.held() == 0 && !recent.overlaps(0, i64::MIN, i64::MAX));
        assert_eq!(recent.place(0, 3, 2.0), Place::Hot);
        assert_eq!(recent.part(0, 0, 100).disk_before, None);
    }

    #[test]
    fn a_sample_that_follows_a_deletion_is_in_memory_alone() {
        let mut recent = recent(100);
        recent.restore_span(1, 100, 200);
        recent.forget(1, 150, 300, Some((100, 140)));
        assert_eq!(recent.place(1, 160, 1.0), Place::Hot);
        let part = recent.part(1, 0, 1000);
        assert_eq!((part.timestamps, part.disk_before), (vec![160], Some(141)));
    }

    #[test]
    fn a_span_on_disk_is_read_from_disk() {
        let mut recent = recent(10);
        recent.restore_span(1, 100, 200);
        assert_eq!(recent.part(1, 0, 1000).disk_before, Some(201));
        assert_eq!(recent.part(1, 201, 1000).disk_before, None);
        assert_eq!(recent.part(1, 0, 99).disk_before, None);
        assert!(recent.overlaps(1, 150, 160) && !recent.overlaps(1, 0, 99) && !recent.overlaps(0, 0, 1000));
        assert_eq!(recent.place(1, 200, 1.0), Place::Late);
        assert_eq!(recent.place(1, 201, 1.0), Place::Hot);
    }
}
