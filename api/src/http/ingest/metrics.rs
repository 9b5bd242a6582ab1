//! Metrics of ingestion: accepted and rejected samples.

use almanac_engine::ingest::IngestCounts;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::{ConstCounter, Counter},
        family::Family,
    },
    registry::Registry,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

/// Returns a registry with the counts of accepted and rejected samples.
pub(crate) fn registry(counts: &IngestCounts) -> Registry {
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
    registry
}
