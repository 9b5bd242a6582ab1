//! Native histograms to append, and what memory knows of the stored ones: the span of each series, and its newest one.

use std::{collections::HashMap, sync::Arc};

use crate::{histogram::Histogram, series::SeriesId, store::rows::histogram::HistogramRow};

/// A native histogram to append.
#[derive(Debug, Clone, PartialEq)]
pub struct HistogramSample {
    /// The series, from [`Store::resolve`](crate::store::Store::resolve).
    pub series: SeriesId,
    /// Timestamp in epoch milliseconds.
    pub timestamp_ms: i64,
    /// The histogram.
    pub histogram: Arc<Histogram>,
}

/// Span of the histograms of each series.
#[derive(Debug, Default)]
pub(in crate::store) struct RecentHistograms {
    series: HashMap<u32, Held>,
    /// Number of stored rows.
    rows: u64,
    /// Sequence number of the next row.
    next_seq: i64,
}

#[derive(Debug, Clone)]
struct Held {
    min: i64,
    max: i64,
    /// The newest histogram; `None` after a start, and after one that is older than it.
    newest: Option<Arc<Histogram>>,
}

impl RecentHistograms {
    /// Adds the stored histograms of a series.
    pub(in crate::store) fn restore(&mut self, id: u32, (min, max): (i64, i64), rows: u64, last_seq: i64) {
        self.series.insert(id, Held { min, max, newest: None });
        self.rows += rows;
        self.next_seq = self.next_seq.max(last_seq.saturating_add(1));
    }

    /// Returns the row to write for a sample; `None` if it repeats the newest one of its series. Its hint says whether the
    /// counter was reset since the one before it, if that is known.
    pub(in crate::store) fn insert(&mut self, sample: &HistogramSample) -> Option<HistogramRow> {
        let (id, at) = (sample.series.index(), sample.timestamp_ms);
        let held = self.series.entry(id).or_insert(Held { min: at, max: at, newest: None });
        let mut histogram = Arc::clone(&sample.histogram);
        if at == held.max && held.newest.as_ref().is_some_and(|newest| newest.same(&histogram)) {
            return None;
        }
        let before = held.newest.as_deref().filter(|_| at > held.max);
        let hint = histogram.hint_after(before);
        if hint != histogram.hint {
            Arc::make_mut(&mut histogram).hint = hint;
        }
        if at >= held.max {
            held.newest = Some(Arc::clone(&histogram));
        }
        held.min = held.min.min(at);
        held.max = held.max.max(at);
        self.rows += 1;
        let seq = self.next_seq;
        self.next_seq += 1;
        Some(HistogramRow { series: id, timestamp: at, seq, histogram })
    }

    /// Returns whether the series may have histograms with `start <= timestamp <= end`.
    pub(in crate::store) fn overlaps(&self, id: u32, start: i64, end: i64) -> bool {
        self.series.get(&id).is_some_and(|held| held.min <= end && held.max >= start)
    }

    /// Returns the oldest and the newest timestamp; `None` without histograms.
    pub(in crate::store) fn span(&self) -> Option<(i64, i64)> {
        let min = self.series.values().map(|held| held.min).min()?;
        Some((min, self.series.values().map(|held| held.max).max()?))
    }

    /// Returns the newest timestamp up to `until` of the series that have none later.
    pub(in crate::store) fn newest_until(&self, until: i64) -> Option<i64> {
        self.series.values().map(|held| held.max).filter(|max| *max <= until).max()
    }

    /// Returns the number of stored rows and of series.
    pub(in crate::store) fn counts(&self) -> (u64, u64) {
        (self.rows, self.series.len() as u64)
    }
}
