//! Recent samples of every series in memory: reads are answered from them, and the writer uses them to decide whether a
//! new sample is hot, late or unchanged.

use std::mem::size_of;

use crate::series::is_stale;

/// Number of samples of a series in memory from which on a single older sample is not added before them.
const MAX_SHIFTED: usize = 4_096;

/// Recent samples and time span of one series.
#[derive(Debug, Clone)]
struct SeriesState {
    /// Newest samples, timestamps strictly ascending.
    samples: Vec<(i64, f64)>,
    /// Timestamp from which `samples` is complete; earlier samples may be on disk only.
    complete_from: i64,
    /// Lower bound of the oldest timestamp.
    min: i64,
    /// Newest timestamp.
    max: i64,
}

impl SeriesState {
    const fn new() -> Self {
        Self { samples: Vec::new(), complete_from: i64::MIN, min: i64::MAX, max: i64::MIN }
    }
}

/// Destination of a new sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Destination {
    /// The hot segment: the sample is newer than all samples of its series.
    Hot,
    /// The late segment: the sample is not newer, and not known to be stored with the same value.
    Late,
    /// None: the sample is already stored with the same value.
    Unchanged,
}

/// Recent samples and time span of every series.
#[derive(Debug)]
pub(in crate::store) struct RecentSamples {
    series: Vec<SeriesState>,
    held: usize,
    budget: usize,
    /// Index of the series at which the next eviction continues.
    cursor: usize,
}

/// Samples of a series in memory, for a read.
#[derive(Debug, Default, PartialEq)]
pub(in crate::store) struct RecentPart {
    pub(in crate::store) timestamps: Vec<i64>,
    pub(in crate::store) values: Vec<f64>,
    /// Samples before this timestamp must be read from disk; `None` when memory contains all.
    pub(in crate::store) disk_before: Option<i64>,
}

impl RecentSamples {
    pub(in crate::store) fn new(budget_bytes: usize) -> Self {
        Self { series: Vec::new(), held: 0, budget: budget_bytes / size_of::<(i64, f64)>(), cursor: 0 }
    }

    /// Returns the number of samples in memory.
    pub(in crate::store) fn held(&self) -> usize {
        self.held
    }

    /// Returns the number of samples that the budget has room for.
    pub(in crate::store) fn free(&self) -> usize {
        self.budget.saturating_sub(self.held)
    }

    /// Adds empty entries for series up to number `end`.
    pub(in crate::store) fn grow(&mut self, end: u32) {
        if self.series.len() < end as usize {
            self.series.resize(end as usize, SeriesState::new());
        }
    }

    /// Records that a series has samples on disk in this span which are not in memory.
    pub(in crate::store) fn restore_span(&mut self, id: u32, min: i64, max: i64) {
        self.grow(id + 1);
        let state = &mut self.series[id as usize];
        state.min = state.min.min(min);
        state.max = state.max.max(max);
        state.complete_from = state.complete_from.max(max.saturating_add(1));
    }

    /// Replaces what memory holds of some series by what was `loaded` of them.
    pub(in crate::store) fn replace(&mut self, ids: std::ops::Range<u32>, mut loaded: Self) {
        self.grow(ids.end);
        loaded.grow(ids.end);
        for id in ids.start as usize..ids.end as usize {
            std::mem::swap(&mut self.series[id], &mut loaded.series[id]);
            self.held = self.held + self.series[id].samples.len() - loaded.series[id].samples.len();
        }
    }

    /// Adds a sample to memory and returns its destination on disk.
    pub(in crate::store) fn insert(&mut self, id: u32, timestamp: i64, value: f64) -> Destination {
        let state = &mut self.series[id as usize];
        if timestamp > state.max {
            if state.samples.len() == state.samples.capacity() {
                // A vector doubles by itself, so that up to half of the budget would be empty.
                state.samples.reserve_exact(state.samples.len() / 8 + 4);
            }
            state.samples.push((timestamp, value));
            state.max = timestamp;
            state.min = state.min.min(timestamp);
            self.held += 1;
            return Destination::Hot;
        }
        // Older than memory: the value on disk is unknown, so the sample is written whether it repeats or not.
        if timestamp < state.complete_from {
            state.min = state.min.min(timestamp);
            return Destination::Late;
        }
        match state.samples.binary_search_by_key(&timestamp, |sample| sample.0) {
            Ok(idx) if state.samples[idx].1.to_bits() == value.to_bits() => Destination::Unchanged,
            Ok(idx) => {
                state.samples[idx].1 = value;
                Destination::Late
            }
            Err(idx) => {
                state.min = state.min.min(timestamp);
                if idx == 0 && state.samples.len() >= MAX_SHIFTED {
                    // Moving all samples for each older one would be quadratic: the sample is on disk only.
                    state.complete_from = state.samples[0].0;
                } else {
                    state.samples.insert(idx, (timestamp, value));
                    self.held += 1;
                }
                Destination::Late
            }
        }
    }

    /// Adds samples of one series with ascending timestamps to memory and returns the destination of each, as
    /// [`RecentSamples::insert`] one by one would. Samples between existing ones are merged in one pass.
    pub(in crate::store) fn insert_run(&mut self, id: u32, run: &[(i64, f64)]) -> Vec<Destination> {
        let state = &mut self.series[id as usize];
        let older = run.partition_point(|(timestamp, _)| *timestamp <= state.max);
        let mut out = Vec::with_capacity(run.len());
        let mut added: Vec<(i64, f64)> = Vec::new();
        for &(timestamp, value) in &run[..older] {
            if timestamp < state.complete_from {
                state.min = state.min.min(timestamp);
                out.push(Destination::Late);
                continue;
            }
            let held = match state.samples.binary_search_by_key(&timestamp, |sample| sample.0) {
                Ok(idx) => Some(&mut state.samples[idx].1),
                // The same timestamp twice in the run.
                Err(_) => added.last_mut().filter(|last| last.0 == timestamp).map(|last| &mut last.1),
            };
            out.push(match held {
                Some(held) if held.to_bits() == value.to_bits() => Destination::Unchanged,
                Some(held) => {
                    *held = value;
                    Destination::Late
                }
                None => {
                    added.push((timestamp, value));
                    Destination::Late
                }
            });
        }
        if let Some(first) = added.first() {
            state.min = state.min.min(first.0);
            self.held += added.len();
            match added[..] {
                // One sample moves the newer ones only; a merge copies all.
                [one] => state.samples.insert(state.samples.partition_point(|sample| sample.0 < one.0), one),
                _ => state.samples = merged(&state.samples, &added),
            }
        }
        out.extend(run[older..].iter().map(|&(timestamp, value)| self.insert(id, timestamp, value)));
        out
    }

    /// Returns whether the sample is not newer than all samples of its series.
    pub(in crate::store) fn is_late(&self, id: u32, timestamp: i64) -> bool {
        self.series.get(id as usize).is_some_and(|state| timestamp <= state.max)
    }

    /// Returns whether memory holds more samples than the budget.
    pub(in crate::store) fn over_budget(&self) -> bool {
        self.held > self.budget
    }

    /// Drops the older half of the samples of some series, in turn, until the budget is met. One call covers at most a
    /// sixteenth of the series, so that readers do not wait long. The newest sample of a series is never dropped.
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

    /// Returns whether the series may have samples with `start <= timestamp <= end`, in memory or on disk.
    pub(in crate::store) fn overlaps(&self, id: u32, start: i64, end: i64) -> bool {
        self.series
            .get(id as usize)
            .is_some_and(|state| state.min <= end && state.max >= start && state.min <= state.max)
    }

    /// Returns the timestamp before which samples of a series within a span must be read from disk; `None` when memory has all.
    pub(in crate::store) fn disk_before(&self, id: u32, start: i64, end: i64) -> Option<i64> {
        let state = self.series.get(id as usize)?;
        let on_disk = start < state.complete_from && state.min < state.complete_from && state.min <= end;
        on_disk.then_some(state.complete_from)
    }

    /// Adds samples of a series before those in memory: all that it has on disk from `from` on which memory lacks.
    pub(in crate::store) fn prepend(&mut self, id: u32, from: i64, timestamps: &[i64], values: &[f64]) {
        let Some(state) = self.series.get_mut(id as usize) else { return };
        // Retention may have deleted the oldest since they were read.
        let expired = timestamps.partition_point(|at| *at < state.min);
        let (timestamps, values) = (&timestamps[expired..], &values[expired..]);
        let mut samples = Vec::with_capacity(timestamps.len() + state.samples.len());
        samples.extend(timestamps.iter().copied().zip(values.iter().copied()));
        samples.append(&mut state.samples);
        state.samples = samples;
        state.complete_from = from;
        self.held += timestamps.len();
    }

    /// Returns the samples of a series in a span that are in memory.
    pub(in crate::store) fn part(&self, id: u32, start: i64, end: i64) -> RecentPart {
        let Some(state) = self.series.get(id as usize) else { return RecentPart::default() };
        let from = state.samples.partition_point(|sample| sample.0 < start);
        let to = state.samples.partition_point(|sample| sample.0 <= end).max(from);
        let held = &state.samples[from..to];
        RecentPart {
            timestamps: held.iter().map(|sample| sample.0).collect(),
            values: held.iter().map(|sample| sample.1).collect(),
            disk_before: self.disk_before(id, start, end),
        }
    }

    /// Returns the newest sample of a series in a span; the part of the span that is on disk only, if memory has none.
    pub(in crate::store) fn newest(&self, id: u32, start: i64, end: i64) -> RecentPart {
        let Some(state) = self.series.get(id as usize) else { return RecentPart::default() };
        let is_newest_within = state.samples.last().is_some_and(|sample| sample.0 <= end);
        let to = if is_newest_within {
            state.samples.len()
        } else {
            state.samples.partition_point(|sample| sample.0 <= end)
        };
        match to.checked_sub(1).map(|idx| state.samples[idx]).filter(|sample| sample.0 >= start) {
            Some((timestamp, value)) => {
                RecentPart { timestamps: vec![timestamp], values: vec![value], disk_before: None }
            }
            None => self.part(id, start, end),
        }
    }

    /// Removes the deleted samples of a series in a span; `left`: oldest and newest timestamp that remain in memory or
    /// on disk.
    pub(in crate::store) fn delete(&mut self, id: u32, start: i64, end: i64, left: Option<(i64, i64)>) {
        let Some(state) = self.series.get_mut(id as usize) else { return };
        let before = state.samples.len();
        state.samples.retain(|&(timestamp, _)| timestamp < start || timestamp > end);
        self.held -= before - state.samples.len();
        (state.min, state.max) = left.unwrap_or((i64::MAX, i64::MIN));
        // Memory remains complete from `complete_from` on. When it is empty now, it is complete from after the newest
        // sample on disk: later samples are in memory and must not be read from disk.
        if state.samples.is_empty() {
            let next = left.map_or(i64::MIN, |(_, newest)| newest.saturating_add(1));
            state.complete_from = state.complete_from.min(next);
        }
    }

    /// Removes samples older than `cutoff`, which retention has deleted.
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
            // `max` is not lowered: an older sample goes to the late segment, which is always correct.
            state.min = cutoff.min(state.max);
            if state.max < cutoff {
                state.complete_from = state.complete_from.max(state.max.saturating_add(1));
                state.min = state.max;
            }
        }
    }
}

/// Merges two lists with ascending, distinct timestamps.
fn merged(a: &[(i64, f64)], b: &[(i64, f64)]) -> Vec<(i64, f64)> {
    let mut out = Vec::with_capacity(a.len() + b.len());
    let mut rest = a;
    for sample in b {
        let before = rest.partition_point(|other| other.0 < sample.0);
        out.extend_from_slice(&rest[..before]);
        out.push(*sample);
        rest = &rest[before..];
    }
    out.extend_from_slice(rest);
    out
}

/// Returns the value as stored: all NaNs but the stale marker become one NaN, since the disk does not keep NaN
/// payloads.
pub(in crate::store) fn canonical(value: f64) -> f64 {
    if value.is_nan() && !is_stale(value) { f64::NAN } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recent(budget_samples: usize) -> RecentSamples {
        let mut recent = RecentSamples::new(budget_samples * 16);
        recent.grow(2);
        recent
    }

    #[test]
    fn newer_is_hot_same_is_unchanged_other_is_late() {
        let mut recent = recent(100);
        assert_eq!(recent.insert(0, 10, 1.0), Destination::Hot);
        assert_eq!(recent.insert(0, 10, 1.0), Destination::Unchanged);
        assert_eq!(recent.insert(0, 10, 2.0), Destination::Late);
        assert_eq!(recent.insert(0, 5, 2.0), Destination::Late);
        assert_eq!(recent.insert(0, 5, 2.0), Destination::Unchanged);
        assert_eq!(recent.insert(0, 11, 3.0), Destination::Hot);
        let part = recent.part(0, i64::MIN, 10);
        assert_eq!((part.timestamps, part.values, part.disk_before), (vec![5, 10], vec![2.0, 2.0], None));
    }

    #[test]
    fn eviction_keeps_the_newest_and_reports_what_is_on_disk() {
        let mut recent = recent(10);
        for t in 0..100 {
            recent.insert(0, t, 1.0);
            recent.insert(1, t, 1.0);
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
        assert_eq!(recent.insert(0, 3, 1.0), Destination::Late);
    }

    #[test]
    fn deleted_samples_are_removed_and_may_be_written_again() {
        let mut recent = recent(100);
        for t in 0..10 {
            recent.insert(0, t, 1.0);
        }
        recent.delete(0, 5, 100, Some((0, 4)));
        assert_eq!((recent.held(), recent.part(0, 0, 100).timestamps), (5, vec![0, 1, 2, 3, 4]));
        assert_eq!(recent.insert(0, 7, 2.0), Destination::Hot);
        recent.delete(0, i64::MIN, i64::MAX, None);
        assert!(recent.held() == 0 && !recent.overlaps(0, i64::MIN, i64::MAX));
        assert_eq!(recent.insert(0, 3, 2.0), Destination::Hot);
        assert_eq!(recent.part(0, 0, 100).disk_before, None);
    }

    #[test]
    fn a_sample_that_follows_a_deletion_is_in_memory_alone() {
        let mut recent = recent(100);
        recent.restore_span(1, 100, 200);
        recent.delete(1, 150, 300, Some((100, 140)));
        assert_eq!(recent.insert(1, 160, 1.0), Destination::Hot);
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
        assert_eq!(recent.insert(1, 200, 1.0), Destination::Late);
        assert_eq!(recent.insert(1, 201, 1.0), Destination::Hot);
    }

    #[test]
    fn a_run_has_the_effect_of_its_samples_one_by_one() {
        // Pseudo-random runs with repeated timestamps, repeated values, and parts before the samples in memory.
        let mut random = 7_u64;
        let mut next = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        for _ in 0..300 {
            let (mut by_run, mut by_sample) = (recent(1_000), recent(1_000));
            if next(2) == 0 {
                by_run.restore_span(0, 5, 20);
                by_sample.restore_span(0, 5, 20);
            }
            for _ in 0..4 {
                let mut run: Vec<(i64, f64)> =
                    (0..next(30)).map(|_| (i64::try_from(next(60)).unwrap(), next(3) as f64)).collect();
                run.sort_by_key(|sample| sample.0);
                let one_by_one: Vec<Destination> = run.iter().map(|&(t, v)| by_sample.insert(0, t, v)).collect();
                assert_eq!(by_run.insert_run(0, &run), one_by_one, "{run:?}");
                assert_eq!(by_run.held(), by_sample.held());
                assert_eq!(by_run.part(0, 0, 100), by_sample.part(0, 0, 100));
            }
        }
    }

    #[test]
    fn single_samples_before_many_are_on_disk_only() {
        let mut recent = recent(100_000);
        let many = i64::try_from(MAX_SHIFTED).unwrap();
        (0..many).for_each(|t| assert_eq!(recent.insert(0, 1_000 + t, 1.0), Destination::Hot));
        for t in [900, 800, 950] {
            assert_eq!(recent.insert(0, t, 1.0), Destination::Late);
        }
        let part = recent.part(0, 0, i64::MAX);
        assert_eq!((part.timestamps.len(), part.disk_before), (MAX_SHIFTED, Some(1_000)));
        assert!(recent.overlaps(0, 0, 850));
    }
}
