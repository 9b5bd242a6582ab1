//! Records the spans of a service: collects traces, adds up the present hour, and says which rows have changed.

use std::collections::BTreeSet;

use almanac_models::Timestamp;

use super::{BufferLimits, RouteKey, StatementReader, TraceBuffer, TraceSpan, Window, requests_of, window::HOUR_MS};
use crate::store::rows::RequestStatementRow;

/// Largest number of routes and statement families of an hour.
const SIZE_MAX: usize = 5_000;

/// Counts of a recorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TraceCounts {
    /// Traces that are not complete.
    pub open: u64,
    /// Spans of these traces.
    pub spans: u64,
    /// Requests that were counted since the start.
    pub requests: u64,
    /// Spans that were left out, because their trace had too many.
    pub spans_left_out: u64,
    /// Routes and families of requests that were left out, because the hour had too many.
    pub families_left_out: u64,
}

/// Records spans and adds up the present hour.
#[derive(Debug)]
pub struct TraceRecorder {
    buffer: TraceBuffer,
    /// Reads the texts of statements.
    pub reader: StatementReader,
    window: Window,
    /// Number of routes and families for which there is space.
    space: usize,
    hour_ms: Option<i64>,
    changed: BTreeSet<RouteKey>,
    requests: u64,
    left_out: u64,
}

impl TraceRecorder {
    /// Returns a recorder without spans.
    #[must_use]
    pub fn new(limits: BufferLimits, reader: StatementReader) -> Self {
        Self {
            buffer: TraceBuffer::new(limits),
            reader,
            window: Window::default(),
            space: SIZE_MAX,
            hour_ms: None,
            changed: BTreeSet::new(),
            requests: 0,
            left_out: 0,
        }
    }

    /// Takes spans received at `now`.
    pub fn record(&mut self, spans: Vec<TraceSpan>, now: Timestamp) {
        for span in spans {
            for trace in self.buffer.push(span, now.millis()) {
                self.add(&trace);
            }
        }
    }

    /// Returns the start of the hour whose stored rows [`TraceRecorder::changed_rows`] needs; `None` when it has them.
    #[must_use]
    pub fn needs_hour(&self, now: Timestamp) -> Option<Timestamp> {
        let hour_ms = hour_of(now);
        (self.hour_ms != Some(hour_ms)).then(|| Timestamp::from_millis(hour_ms))
    }

    /// Adds up the traces that are complete, or all of them, and returns the rows that have changed since the last call.
    /// `stored`: the rows of the hour of `now`, when it was needed: a restarted service continues its hour.
    pub fn changed_rows(&mut self, stored: Option<Window>, now: Timestamp, all: bool) -> Vec<RequestStatementRow> {
        let mut rows = Vec::new();
        if let Some(stored) = stored {
            match self.hour_ms {
                Some(former) => {
                    rows = self.take_rows(Timestamp::from_millis(former));
                    self.window = stored;
                }
                // What was cut for lack of space before the first call.
                None => self.window.merge(&stored),
            }
            self.space = SIZE_MAX.saturating_sub(self.window.size());
            self.hour_ms = Some(hour_of(now));
        }
        let complete = if all { self.buffer.take_all() } else { self.buffer.complete(now.millis()) };
        for trace in &complete {
            self.add(trace);
        }
        rows.extend(self.take_rows(Timestamp::from_millis(hour_of(now))));
        rows
    }

    /// Notes that the rows of the last call were not stored: all rows of the hour are returned again.
    pub fn not_stored(&mut self) {
        self.changed = self.window.routes.keys().cloned().collect();
    }

    /// Returns the counts.
    #[must_use]
    pub fn counts(&self) -> TraceCounts {
        TraceCounts {
            open: self.buffer.open() as u64,
            spans: self.buffer.spans() as u64,
            requests: self.requests,
            spans_left_out: self.buffer.left_out(),
            families_left_out: self.left_out,
        }
    }

    fn add(&mut self, trace: &[TraceSpan]) {
        for request in requests_of(trace) {
            self.requests += 1;
            let left_out = self.window.add_bounded(&request, &mut self.space);
            if left_out > 0 && self.left_out == 0 {
                tracing::warn!(
                    most = SIZE_MAX,
                    "spans have too many routes and statements in an hour; further ones are not examined"
                );
            }
            self.left_out += left_out;
            let key = RouteKey {
                service: request.service.as_ref().to_owned(),
                origin: request.origin,
                route: request.route.as_ref().to_owned(),
            };
            // A route that was left out has no row, and must not take memory either.
            if self.window.routes.contains_key(&key) {
                self.changed.insert(key);
            }
        }
    }

    fn take_rows(&mut self, hour: Timestamp) -> Vec<RequestStatementRow> {
        let changed = std::mem::take(&mut self.changed);
        self.window.rows(hour, |key| changed.contains(key))
    }
}

fn hour_of(at: Timestamp) -> i64 {
    at.millis() - at.millis().rem_euclid(HOUR_MS)
}
