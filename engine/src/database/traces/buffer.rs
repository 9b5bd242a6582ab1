//! Collects the spans of traces from batches until a trace has been quiet for a while.

use hashbrown::HashMap;

use super::TraceSpan;

/// Bounds of a [`TraceBuffer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BufferLimits {
    /// Time after its last span at which a trace is complete, in milliseconds.
    pub wait_ms: i64,
    /// Largest age of a trace, counted from its first span, in milliseconds: a job that never ends is cut there.
    pub age_max_ms: i64,
    /// Largest memory of all spans in bytes; beyond it the traces that were silent for the longest time are taken as
    /// complete.
    pub bytes_max: usize,
    /// Largest number of spans of a trace; further ones are left out.
    pub trace_spans_max: usize,
}

impl Default for BufferLimits {
    fn default() -> Self {
        Self { wait_ms: 30_000, age_max_ms: 15 * 60_000, bytes_max: 64 << 20, trace_spans_max: 10_000 }
    }
}

/// Memory of an open trace beside its spans, in bytes: its entry in the map, which is at least half full.
const TRACE_BYTES: usize = 2 * (size_of::<u128>() + size_of::<Open>());

/// Spans of traces that may not be complete.
#[derive(Debug, Default)]
pub struct TraceBuffer {
    limits: BufferLimits,
    traces: HashMap<u128, Open>,
    spans: usize,
    bytes: usize,
    left_out: u64,
}

#[derive(Debug, Default)]
struct Open {
    first_ms: i64,
    last_ms: i64,
    bytes: usize,
    spans: Vec<TraceSpan>,
}

impl TraceBuffer {
    /// Returns an empty buffer.
    #[must_use]
    pub fn new(limits: BufferLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Adds a span received at `now_ms`. Returns the traces that are taken as complete for lack of space.
    #[must_use]
    pub fn push(&mut self, span: TraceSpan, now_ms: i64) -> Vec<Vec<TraceSpan>> {
        let open = self.traces.entry(span.trace).or_insert_with(|| Open { first_ms: now_ms, ..Open::default() });
        open.last_ms = now_ms;
        if open.spans.len() >= self.limits.trace_spans_max {
            self.left_out += 1;
            return Vec::new();
        }
        // The space that is reserved counts, not the spans alone: traces of a single span reserve four.
        let (texts, reserved) = (span.memory() - size_of::<TraceSpan>(), open.spans.capacity());
        open.spans.push(span);
        let entry = if open.bytes == 0 { TRACE_BYTES } else { 0 };
        let bytes = entry + texts + (open.spans.capacity() - reserved) * size_of::<TraceSpan>();
        open.bytes += bytes;
        self.bytes += bytes;
        self.spans += 1;
        if self.bytes > self.limits.bytes_max { self.make_space() } else { Vec::new() }
    }

    /// Takes the traces that are complete at `now_ms`.
    pub fn complete(&mut self, now_ms: i64) -> Vec<Vec<TraceSpan>> {
        let BufferLimits { wait_ms, age_max_ms, .. } = self.limits;
        // A clock that has been set back must not keep a trace for ever.
        let is_complete = |open: &Open| {
            now_ms - open.last_ms >= wait_ms || now_ms - open.first_ms >= age_max_ms || now_ms < open.first_ms
        };
        self.take(is_complete)
    }

    /// Takes all traces.
    pub fn take_all(&mut self) -> Vec<Vec<TraceSpan>> {
        (self.spans, self.bytes) = (0, 0);
        self.traces.drain().map(|(_, open)| open.spans).collect()
    }

    /// Returns the number of open traces.
    #[must_use]
    pub fn open(&self) -> usize {
        self.traces.len()
    }

    /// Returns the number of spans of open traces.
    #[must_use]
    pub fn spans(&self) -> usize {
        self.spans
    }

    /// Returns the number of spans that were left out since the start, because their trace had too many.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Takes the quarter of the traces that were silent for the longest time.
    fn make_space(&mut self) -> Vec<Vec<TraceSpan>> {
        let mut ages: Vec<i64> = self.traces.values().map(|open| open.last_ms).collect();
        let quarter = ages.len() / 4;
        let (_, limit, _) = ages.select_nth_unstable(quarter);
        let limit = *limit;
        self.take(|open| open.last_ms <= limit)
    }

    fn take(&mut self, chosen: impl Fn(&Open) -> bool) -> Vec<Vec<TraceSpan>> {
        let mut taken = Vec::new();
        for (_, open) in self.traces.extract_if(|_, open| chosen(open)) {
            self.spans -= open.spans.len();
            self.bytes -= open.bytes;
            taken.push(open.spans);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::traces::Role;

    fn span(trace: u128, id: u64) -> TraceSpan {
        let role = Role::Lookup;
        TraceSpan {
            trace,
            id,
            parent: 0,
            service: "a".into(),
            scope: "".into(),
            start_ns: 0,
            end_ns: 1,
            failed: false,
            role,
        }
    }

    #[test]
    fn a_trace_is_complete_when_it_is_quiet_or_old() {
        let limits = BufferLimits { wait_ms: 10, age_max_ms: 25, ..BufferLimits::default() };
        let mut buffer = TraceBuffer::new(limits);
        for at in [0, 8, 16] {
            assert_eq!(buffer.push(span(1, at), i64::try_from(at).unwrap()), [] as [Vec<TraceSpan>; 0]);
            let _ = buffer.push(span(2, at), 0);
        }
        assert_eq!(buffer.complete(9).len(), 0);
        let quiet = buffer.complete(16);
        assert_eq!((quiet.len(), quiet[0][0].trace, buffer.spans()), (1, 2, 3));
        let _ = buffer.push(span(1, 3), 24);
        assert_eq!(buffer.complete(25).len(), 1);
        assert_eq!((buffer.open(), buffer.spans()), (0, 0));
        // The clock was set back.
        let _ = buffer.push(span(3, 1), 1_000);
        assert_eq!(buffer.complete(10).len(), 1);
    }

    #[test]
    fn traces_of_a_single_span_are_bounded_with_what_they_reserve() {
        let bytes_max = 1_000 * span(1, 1).memory();
        let mut buffer = TraceBuffer::new(BufferLimits { bytes_max, ..BufferLimits::default() });
        let mut reserved = 0;
        for trace in 0..10_000 {
            let _ = buffer.push(span(trace, 1), i64::try_from(trace).unwrap());
            let spans: usize = buffer.traces.values().map(|open| open.spans.capacity()).sum();
            reserved = reserved.max(spans * size_of::<TraceSpan>());
        }
        assert!(reserved <= bytes_max && reserved > bytes_max / 2, "{reserved} of {bytes_max}");
        drop(buffer.take_all());
        assert_eq!((buffer.open(), buffer.bytes), (0, 0));
    }

    #[test]
    fn the_spans_are_bounded() {
        let bytes_max = 100 * span(1, 1).memory();
        let limits = BufferLimits { bytes_max, trace_spans_max: 10, ..BufferLimits::default() };
        let (mut buffer, mut taken) = (TraceBuffer::new(limits), 0);
        for trace in 0..1_000 {
            for id in 0..12 {
                let early = buffer.push(span(trace, id), i64::try_from(trace).unwrap());
                taken += early.iter().map(Vec::len).sum::<usize>();
            }
            assert!(buffer.spans() <= 100);
        }
        assert_eq!(buffer.left_out(), 2_000);
        taken += buffer.take_all().iter().map(Vec::len).sum::<usize>();
        assert_eq!((taken, buffer.spans()), (10_000, 0));
    }
}
