//! Metrics of ingestion: accepted and rejected samples.

use almanac_engine::{database::traces::TraceCounts, ingest::IngestCounts};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::ConstGauge,
    },
    registry::Registry,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

/// Returns a registry with the counts of accepted and rejected samples, and of traces.
pub(crate) fn registry(counts: &IngestCounts, traces: TraceCounts) -> Registry {
    let refused = Family::<ReasonLabels, Counter>::default();
    for (reason, count) in &counts.refused {
        refused.get_or_create(&ReasonLabels { reason: reason.as_str() }).inc_by(*count);
    }
    let mut registry = Registry::with_prefix("almanac");
    let accepted = ConstCounter::new(counts.accepted);
    registry.register("ingest_samples", "Samples accepted and on disk", accepted);
    registry.register("ingest_refused", "Samples, histograms and exemplars rejected", refused);
    let malformed = ConstCounter::new(counts.malformed_requests);
    registry.register("ingest_malformed", "Requests and scraped pages that could not be parsed", malformed);
    let mut gauge = |name: &str, help: &str, value: u64| {
        registry.register(name, help, ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)));
    };
    gauge("traces_open", "Traces that are not complete", traces.open);
    gauge("traces_open_spans", "Spans of traces that are not complete", traces.spans);
    let mut counter = |name: &str, help: &str, value: u64| registry.register(name, help, ConstCounter::new(value));
    counter("traces_requests", "Requests whose statements were counted", traces.requests);
    counter("traces_spans_left_out", "Spans beyond the limit of their trace", traces.spans_left_out);
    counter("traces_families_left_out", "Routes and statements beyond the limit of an hour", traces.families_left_out);
    registry
}
