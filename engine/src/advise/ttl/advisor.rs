//! Implements the advisor contract for cache times-to-live with the stages of this folder.

use almanac_models::Timestamp;
use serde_json::Value;

use super::{
    CacheSpec, TtlError, TtlTerms,
    advise::{MIN_CONFIDENCE, decide, fetch},
    measure::measure,
    pictures::pictures,
    spec::HIT_RATIO,
};
use crate::{
    advise::{Advisor, Applied, FetchError, Metric, Need, Outcome, Sources, kit::error_chain, picture::Picture},
    ledger::Measured,
    store::rows::{CacheEvent, RecommendationRow},
};

/// Advises on the time-to-live of a cache.
#[derive(Debug)]
pub struct Ttl;

impl Advisor for Ttl {
    const KIND: &'static str = "ttl";
    const TITLE: &'static str = "Time-to-live";
    const TARGET: &'static str = "cache";
    const EFFECTS: &'static [Metric] = &[HIT_RATIO];
    const CONFIDENCE_MIN: f64 = MIN_CONFIDENCE;
    type Spec = CacheSpec;
    type Facts = Vec<CacheEvent>;
    type Terms = TtlTerms;

    fn fetch(from: &Sources<'_>, spec: &CacheSpec, _: &str, now: Timestamp) -> Result<Vec<CacheEvent>, FetchError> {
        fetch(from.store, spec, now).map_err(|error| match error {
            TtlError::NotIdentifiable { reason, .. } => {
                FetchError::Missing(Need { missing: reason, remedy: String::new() })
            }
            TtlError::Store(error) => error.into(),
            error => FetchError::other(error),
        })
    }

    fn decide(spec: &CacheSpec, _: &str, events: &Vec<CacheEvent>, _: Timestamp) -> Outcome<TtlTerms> {
        match decide(spec, events) {
            Ok(proposal) => Outcome::Propose(Box::new(proposal)),
            // The verdict already names the target, so the reason alone is enough.
            Err(TtlError::Kept { reason, .. } | TtlError::NoTtl { reason, .. }) => Outcome::keep(reason),
            Err(TtlError::NotIdentifiable { reason, .. }) => Outcome::lacks(reason, ""),
            Err(error) => Outcome::lacks(error_chain(&error), ""),
        }
    }

    fn measure(
        from: &Sources<'_>,
        spec: Option<&CacheSpec>,
        applied: &Applied<TtlTerms>,
        now: Timestamp,
    ) -> Result<Option<Measured>, FetchError> {
        let spec = spec.ok_or(FetchError::NotConfigured)?;
        let seconds = applied.proposed.get("ttl_seconds").and_then(Value::as_f64);
        let seconds = seconds.ok_or_else(|| FetchError::unreadable("ttl_seconds"))?;
        measure(from.store, spec, seconds, applied.terms, applied.at, now).map_err(FetchError::other)
    }
    fn pictures(
        _: &Sources<'_>,
        spec: Option<&CacheSpec>,
        row: &RecommendationRow,
        _: Timestamp,
    ) -> Result<Vec<Picture>, FetchError> {
        Ok(pictures(spec, row))
    }
}
