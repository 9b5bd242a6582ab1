//! State of streams between exports: sums of deltas, and start times of cumulative streams.
//!
//! The state is in memory. After a restart a stream of deltas begins again at zero with a sample of zero at the start of
//! its next point, which PromQL treats as the reset of a counter.

use hashbrown::HashMap;

use crate::{histogram::Histogram, ingest::cache::SeriesKey};

/// Largest number of streams of a table.
const MAX_STREAMS: usize = 1 << 17;

/// Largest number of numbers that the streams of a table hold.
const MAX_NUMBERS: usize = 4 << 20;

/// Longest time between a start and its first point for which a sample of zero is stored at the start: older starts are
/// those of processes that ran before this service saw them.
const MAX_START_AGE_MS: i64 = 600_000;

/// State of one stream.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stream {
    /// Start time of the last point; 0 if it has none.
    pub(crate) start_ms: i64,
    /// Time of the last point.
    pub(crate) time_ms: i64,
    /// Accumulated values.
    pub(crate) total: Total,
}

/// Values of a stream, accumulated over its deltas.
#[derive(Debug, Clone, Default)]
pub(crate) enum Total {
    /// Nothing is accumulated: the stream is cumulative.
    #[default]
    Cumulative,
    /// A sum.
    Number(f64),
    /// A histogram with explicit bounds.
    Explicit { bounds: Vec<f64>, counts: Vec<f64>, sum: f64, count: f64 },
    /// An exponential histogram.
    Exponential(Histogram),
}

impl Stream {
    /// Returns the number of numbers that it holds.
    fn numbers(&self) -> usize {
        let total = match &self.total {
            Total::Cumulative | Total::Number(_) => 0,
            Total::Explicit { bounds, counts, .. } => bounds.len() + counts.len(),
            Total::Exponential(histogram) => histogram.weight() * 2,
        };
        8 + total
    }
}

/// Returns the time of a sample of zero before a point, if one is needed: the stream is new or has a new start.
pub(crate) fn zero_at(known: Option<&Stream>, start_ms: i64, time_ms: i64) -> Option<i64> {
    if start_ms <= 0 || start_ms >= time_ms {
        return None;
    }
    let at = match known {
        None => start_ms,
        Some(known) if known.start_ms == start_ms => return None,
        // The last value keeps its own time.
        Some(known) => start_ms.max(known.time_ms + 1),
    };
    (at < time_ms && time_ms - at <= MAX_START_AGE_MS).then_some(at)
}

/// Streams of one kind.
#[derive(Debug, Default)]
pub(crate) struct StreamTable {
    streams: HashMap<SeriesKey, Stream>,
    numbers: usize,
}

impl StreamTable {
    fn insert(&mut self, key: SeriesKey, stream: Stream) {
        self.numbers += stream.numbers();
        if let Some(former) = self.streams.insert(key, stream) {
            self.numbers -= former.numbers();
        }
    }

    /// Forgets the quarter of the streams whose last points are the oldest, when there are too many.
    fn shrink(&mut self) -> usize {
        let mut forgotten = 0;
        while self.streams.len() > MAX_STREAMS || self.numbers > MAX_NUMBERS {
            let mut times: Vec<i64> = self.streams.values().map(|stream| stream.time_ms).collect();
            let idx = times.len() / 4;
            let (_, &mut oldest, _) = times.select_nth_unstable(idx);
            let before = self.streams.len();
            self.streams.retain(|_, stream| stream.time_ms > oldest);
            self.numbers = self.streams.values().map(Stream::numbers).sum();
            forgotten += before - self.streams.len();
        }
        forgotten
    }

    /// Returns the number of streams.
    pub(crate) fn len(&self) -> usize {
        self.streams.len()
    }
}

/// Changes of one export, which take effect when its samples are accepted: an export that is sent again after a failure
/// must not be added twice.
#[derive(Debug)]
pub(crate) struct StreamChanges<'a> {
    table: &'a StreamTable,
    changed: HashMap<SeriesKey, Stream>,
}

impl<'a> StreamChanges<'a> {
    /// Returns no changes of a table.
    pub(crate) fn of(table: &'a StreamTable) -> Self {
        Self { table, changed: HashMap::new() }
    }

    /// Returns the state of a stream, with the changes.
    pub(crate) fn get(&self, key: SeriesKey) -> Option<&Stream> {
        self.changed.get(&key).or_else(|| self.table.streams.get(&key))
    }

    /// Changes the state of a stream.
    pub(crate) fn set(&mut self, key: SeriesKey, stream: Stream) {
        self.changed.insert(key, stream);
    }

    /// Returns the changes without the table.
    pub(crate) fn into_changed(self) -> HashMap<SeriesKey, Stream> {
        self.changed
    }
}

impl StreamTable {
    /// Applies the changes of an export, and returns the number of streams that were forgotten for lack of space.
    pub(crate) fn apply(&mut self, changed: HashMap<SeriesKey, Stream>) -> usize {
        for (key, stream) in changed {
            self.insert(key, stream);
        }
        self.shrink()
    }
}
