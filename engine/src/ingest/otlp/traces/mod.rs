//! Spans to RED metrics, and to what the search for loops of statements reads. Spans are not stored.

mod each;
mod metrics;
mod observe;

pub(super) use each::{each_span, service_name};
pub(super) use metrics::{BOUNDS, CALLS, DURATION, SpanMetrics};
pub(super) use observe::SpanObserver;
