//! The list of segments with their row counts and time spans.

use super::{block, rollup};
use crate::store::read::instant;

/// Kind of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum SegmentKind {
    /// Rows in arrival order; each is newer than all earlier rows of its series.
    Hot,
    /// Late and repeated rows. They replace hot and cold rows of the same series and timestamp; the last one replaces
    /// the others.
    Late,
    /// Blocks sorted by series and time. Hot and cold segments together contain a series and timestamp at most once.
    Cold,
    /// A cold segment of a release before schema version 8, with a row for each sample. The opening that finds one
    /// replaces it by a cold segment.
    Rows,
}

impl SegmentKind {
    /// Returns the word used in table names and in `store.segments`.
    pub(in crate::store) const fn as_str(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::Late => "late",
            Self::Cold => "cold",
            Self::Rows => "rows",
        }
    }

    pub(in crate::store) fn parse(word: &str) -> Option<Self> {
        [Self::Hot, Self::Late, Self::Cold, Self::Rows].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// One table of samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Segment {
    pub(in crate::store) id: u64,
    pub(in crate::store) kind: SegmentKind,
    pub(in crate::store) rows: u64,
    /// Oldest timestamp; greater than `max` in an empty segment.
    pub(in crate::store) min: i64,
    /// Newest timestamp.
    pub(in crate::store) max: i64,
}

impl Segment {
    pub(in crate::store) const fn empty(id: u64, kind: SegmentKind) -> Self {
        Self { id, kind, rows: 0, min: i64::MAX, max: i64::MIN }
    }

    /// Returns the name of the table with its schema.
    pub(in crate::store) fn table(&self) -> String {
        format!("store.{}", self.name())
    }

    /// Returns the name of the table without its schema.
    pub(in crate::store) fn name(&self) -> String {
        format!("{}_{}", self.kind.as_str(), self.id)
    }

    /// Returns the `SELECT` of the samples in a span, in epoch milliseconds. `columns`: those that are needed of
    /// `series_id`, `timestamp` and `value`; late segments also have `seq`. `condition`: on columns of the segment's
    /// table, or empty.
    pub(in crate::store) fn samples(&self, columns: &str, condition: &str, (from, until): (i64, i64)) -> String {
        let (from, until) = (instant(from), instant(until));
        let all = if condition.is_empty() { String::new() } else { format!("{condition} AND ") };
        match self.kind {
            // The blocks outside the span are not decoded.
            SegmentKind::Cold => {
                let condition = format!("{all}begin_at <= {until} AND end_at >= {from}");
                let blocks = block::samples_of(&self.table(), &format!("{columns}, timestamp"), &condition);
                format!("SELECT {columns} FROM {blocks} WHERE timestamp BETWEEN {from} AND {until}")
            }
            SegmentKind::Hot | SegmentKind::Late | SegmentKind::Rows => {
                format!("SELECT {columns} FROM {} WHERE {all}timestamp BETWEEN {from} AND {until}", self.table())
            }
        }
    }

    /// Returns the statement that lists a frozen segment.
    pub(in crate::store) fn listed(&self) -> String {
        format!(
            "INSERT INTO store.segments (segment_id, kind, frozen, rows, min_ms, max_ms)
             VALUES ({}, '{}', true, {}, {}, {});",
            self.id,
            self.kind.as_str(),
            self.rows,
            self.min,
            self.max
        )
    }

    /// Returns the relation of the samples of a cold segment whose rows are in the relation `source`. Its bounds let DuckDB leave
    /// the segment out of a query about another time.
    pub(in crate::store) fn relation(&self, source: &str) -> String {
        match self.kind {
            SegmentKind::Cold => self.within(&block::samples_of(source, "series_id, timestamp, value", ""), self.min),
            SegmentKind::Hot | SegmentKind::Late | SegmentKind::Rows => source.to_owned(),
        }
    }

    /// Returns the relation of the buckets of 5 minutes of these samples, for [`fine_buckets`](super::fine_buckets).
    pub(in crate::store) fn buckets(&self, source: &str) -> String {
        match self.kind {
            SegmentKind::Cold => {
                let first = self.min.div_euclid(rollup::FINE_MS) * rollup::FINE_MS;
                self.within(&block::buckets_of(source), first)
            }
            SegmentKind::Hot | SegmentKind::Late | SegmentKind::Rows => rollup::buckets_of_samples(source),
        }
    }

    fn within(&self, relation: &str, first: i64) -> String {
        format!("(FROM {relation} WHERE timestamp BETWEEN {} AND {})", instant(first), instant(self.max))
    }

    /// Returns the relation of all samples; `columns` as for [`Segment::samples`].
    pub(in crate::store) fn all_samples(&self, columns: &str) -> String {
        let relation = match self.kind {
            SegmentKind::Cold => block::samples_of(&self.table(), columns, ""),
            SegmentKind::Hot | SegmentKind::Late | SegmentKind::Rows => self.table(),
        };
        format!("SELECT {columns} FROM {relation}")
    }

    /// Returns the `SELECT` of (series_id, min_ms, max_ms) of the segment's series that satisfy a condition.
    pub(in crate::store) fn spans(&self, condition: &str) -> String {
        let (first, last) = match self.kind {
            SegmentKind::Cold => ("begin_at", "end_at"),
            SegmentKind::Hot | SegmentKind::Late | SegmentKind::Rows => ("timestamp", "timestamp"),
        };
        let kept = if condition.is_empty() { String::new() } else { format!(" WHERE {condition}") };
        format!(
            "SELECT series_id, epoch_ms(min({first})) AS min_ms, epoch_ms(max({last})) AS max_ms FROM {}{kept} GROUP BY series_id",
            self.table()
        )
    }

    /// Returns whether the segment is frozen and sorted by series and time: of blocks or of rows.
    pub(in crate::store) const fn is_cold(&self) -> bool {
        matches!(self.kind, SegmentKind::Cold | SegmentKind::Rows)
    }

    pub(in crate::store) const fn overlaps(&self, start: i64, end: i64) -> bool {
        self.min <= end && self.max >= start
    }

    /// Updates row count and span after rows were added.
    pub(in crate::store) fn add(&mut self, rows: u64, span: Option<(i64, i64)>) {
        self.rows += rows;
        if let Some((min, max)) = span {
            self.min = self.min.min(min);
            self.max = self.max.max(max);
        }
    }
}

/// All segments: the two that take rows, and the frozen ones.
#[derive(Debug, Clone)]
pub(in crate::store) struct SegmentLayout {
    /// Frozen segments, by number.
    pub(in crate::store) frozen: Vec<Segment>,
    /// Active hot segment, which takes rows.
    pub(in crate::store) hot: Segment,
    /// Active late segment, which takes rows.
    pub(in crate::store) late: Segment,
    /// Epoch milliseconds since which the hot segment has rows; `None` until a compaction has passed the time.
    pub(in crate::store) hot_since: Option<i64>,
    /// Next segment number.
    pub(in crate::store) next_id: u64,
}

impl SegmentLayout {
    /// Returns all segments.
    pub(in crate::store) fn all(&self) -> impl Iterator<Item = &Segment> {
        self.frozen.iter().chain([&self.hot, &self.late])
    }

    /// Returns all segments of one kind.
    pub(in crate::store) fn of(&self, kind: SegmentKind) -> impl Iterator<Item = &Segment> {
        self.all().filter(move |segment| segment.kind == kind)
    }

    /// Returns the frozen segments of one kind.
    pub(in crate::store) fn frozen_of(&self, kind: SegmentKind) -> Vec<Segment> {
        self.frozen.iter().filter(|segment| segment.kind == kind).cloned().collect()
    }

    /// Returns the frozen segments whose rows are sorted by series and time.
    pub(in crate::store) fn cold(&self) -> Vec<Segment> {
        self.frozen.iter().filter(|segment| segment.is_cold()).cloned().collect()
    }

    /// Returns the number of samples in all segments of one kind.
    pub(in crate::store) fn rows(&self, kind: SegmentKind) -> u64 {
        self.of(kind).map(|segment| segment.rows).sum()
    }

    /// Replaces the entry of the segment of the same number.
    pub(in crate::store) fn replace(&mut self, segment: Segment) {
        let all = self.frozen.iter_mut().chain([&mut self.hot, &mut self.late]);
        if let Some(old) = all.into_iter().find(|old| old.id == segment.id) {
            *old = segment;
        }
    }

    /// Assigns the next segment number.
    pub(in crate::store) fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id - 1
    }
}
