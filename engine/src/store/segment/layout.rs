//! Which segments there are, and what each holds.

/// What a segment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum SegmentKind {
    /// In arrival order; each row newer than all earlier rows of its series.
    Hot,
    /// Rows that came late or again; they win over hot and cold rows, the last one among themselves.
    Late,
    /// Sorted by series and time. All hot and cold segments together hold a series and timestamp at most once.
    Cold,
}

impl SegmentKind {
    /// The word in table names and in `store.segments`.
    pub(in crate::store) const fn as_str(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::Late => "late",
            Self::Cold => "cold",
        }
    }

    pub(in crate::store) fn parse(word: &str) -> Option<Self> {
        [Self::Hot, Self::Late, Self::Cold].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// One table of samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Segment {
    pub(in crate::store) id: u64,
    pub(in crate::store) kind: SegmentKind,
    pub(in crate::store) rows: u64,
    /// Oldest timestamp; above `max` when there is no row.
    pub(in crate::store) min: i64,
    /// Newest timestamp.
    pub(in crate::store) max: i64,
}

impl Segment {
    pub(in crate::store) const fn empty(id: u64, kind: SegmentKind) -> Self {
        Self { id, kind, rows: 0, min: i64::MAX, max: i64::MIN }
    }

    /// The table, with its schema.
    pub(in crate::store) fn table(&self) -> String {
        format!("store.{}", self.name())
    }

    /// The table without its schema.
    pub(in crate::store) fn name(&self) -> String {
        format!("{}_{}", self.kind.as_str(), self.id)
    }

    pub(in crate::store) const fn overlaps(&self, start: i64, end: i64) -> bool {
        self.min <= end && self.max >= start
    }

    /// Counts rows in that were added.
    pub(in crate::store) fn add(&mut self, rows: u64, span: Option<(i64, i64)>) {
        self.rows += rows;
        if let Some((min, max)) = span {
            self.min = self.min.min(min);
            self.max = self.max.max(max);
        }
    }
}

/// All segments, and which of them take rows.
#[derive(Debug, Clone)]
pub(in crate::store) struct Layout {
    /// Frozen segments, by number.
    pub(in crate::store) frozen: Vec<Segment>,
    /// The hot segment that takes rows.
    pub(in crate::store) hot: Segment,
    /// The late segment that takes rows.
    pub(in crate::store) late: Segment,
    /// When the hot segment began to take rows, once a caller has passed the time.
    pub(in crate::store) hot_since: Option<i64>,
    /// The next number of a segment.
    pub(in crate::store) next_id: u64,
}

impl Layout {
    /// All segments.
    pub(in crate::store) fn all(&self) -> impl Iterator<Item = &Segment> {
        self.frozen.iter().chain([&self.hot, &self.late])
    }

    /// All segments of one kind.
    pub(in crate::store) fn of(&self, kind: SegmentKind) -> impl Iterator<Item = &Segment> {
        self.all().filter(move |segment| segment.kind == kind)
    }

    /// Frozen segments of one kind.
    pub(in crate::store) fn frozen_of(&self, kind: SegmentKind) -> Vec<Segment> {
        self.frozen.iter().filter(|segment| segment.kind == kind).cloned().collect()
    }

    /// Rows in all segments of one kind.
    pub(in crate::store) fn rows(&self, kind: SegmentKind) -> u64 {
        self.of(kind).map(|segment| segment.rows).sum()
    }

    /// Replaces what is noted of the segment of the same number.
    pub(in crate::store) fn replace(&mut self, segment: Segment) {
        let all = self.frozen.iter_mut().chain([&mut self.hot, &mut self.late]);
        if let Some(old) = all.into_iter().find(|old| old.id == segment.id) {
            *old = segment;
        }
    }

    /// Gives out the next number.
    pub(in crate::store) fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id - 1
    }
}
