//! Spans to RED metrics: calls and durations by service, span, kind, status and route.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};

use super::{
    each::{SpanConsumer, SpanSource, shortened},
    observe::name_of,
};
use crate::ingest::otlp::{
    counts::{Counter, CounterChanges},
    translate::attribute,
};

/// Counter of spans.
pub(crate) const CALLS: &str = "traces_span_metrics_calls_total";
/// Histogram of their durations in seconds.
pub(crate) const DURATION: &str = "traces_span_metrics_duration_seconds";

/// Finite bounds of the histogram in seconds: those of OpenTelemetry's conventions for HTTP, with further ones for spans
/// inside a process and for slow work.
pub(crate) const BOUNDS: [f64; 17] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0];

/// Name of the spans, and then of the services, that are counted together when there are too many different ones.
const OTHER: &str = "other";

/// Counters of that name that the limit does not count.
const OTHERS: usize = 1_000;

/// Counts spans and their durations.
pub(crate) struct SpanMetrics<'a> {
    /// The counters.
    pub(crate) counters: CounterChanges<'a>,
    /// Whether spans were counted under [`OTHER`].
    pub(crate) is_full: bool,
}

impl SpanConsumer for SpanMetrics<'_> {
    fn span(&mut self, source: &SpanSource<'_>, span: &Span) {
        let kind = SpanKind::try_from(span.kind).unwrap_or(SpanKind::Unspecified);
        let status = span.status.as_ref().map_or(0, |status| status.code);
        let status = StatusCode::try_from(status).unwrap_or(StatusCode::Unset);
        let mut labels = BTreeMap::from([
            ("service_name".to_owned(), source.service.to_owned()),
            ("span_name".to_owned(), shortened(&name_of(span))),
            ("span_kind".to_owned(), kind.as_str_name().to_owned()),
            ("status_code".to_owned(), status.as_str_name().to_owned()),
        ]);
        if kind == SpanKind::Server
            && let Some(route) = attribute(&span.attributes, "http.route")
        {
            labels.insert("http_route".to_owned(), shortened(&route));
        }
        let nanos = span.end_time_unix_nano - span.start_time_unix_nano;
        #[expect(clippy::cast_precision_loss, reason = "a duration of any span has far fewer digits")]
        let seconds = nanos as f64 / 1e9;
        let count = |counter: &mut Counter| {
            counter.count += 1.0;
            counter.sum += seconds;
            counter.buckets.resize(BOUNDS.len(), 0.0);
            let idx = BOUNDS.partition_point(|bound| *bound < seconds);
            if let Some(bucket) = counter.buckets.get_mut(idx) {
                *bucket += 1.0;
            }
        };
        if !self.counters.change(&labels, count) {
            self.is_full = true;
            labels.insert("span_name".to_owned(), OTHER.to_owned());
            labels.remove("http_route");
            // Without space for this one either, the service is not told apart.
            if !self.counters.change_within(&labels, OTHERS, count) {
                labels.insert("service_name".to_owned(), OTHER.to_owned());
                self.counters.change_always(&labels, count);
            }
        }
    }
}
