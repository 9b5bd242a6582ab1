//! Implements the advisor contract for connection pools with the stages of this folder.

use almanac_models::Timestamp;
use serde_json::{Value, json};

use super::{
    PoolFacts, PoolSpec, PoolTerms,
    advice::{MIN_CONFIDENCE, Refusal, decide, measure, pictures},
    facts::fetch,
    spec::{FULL_SHARE, IDLE_CONNECTIONS, WAIT_P95},
};
use crate::{
    advise::{Advisor, Applied, FetchError, Metric, Outcome, Setting, Sources, picture::Picture},
    ledger::{Difference, Measured},
    store::rows::RecommendationRow,
};

/// Change of the connections from which on a proposal has moved, as a share.
const MOVED: f64 = 0.2;

/// Advises on the size of a connection pool.
#[derive(Debug)]
pub struct Pool;

impl Advisor for Pool {
    const KIND: &'static str = "pool";
    const TITLE: &'static str = "Connection pools";
    const TARGET: &'static str = "pool";
    const EFFECTS: &'static [Metric] = &[WAIT_P95, FULL_SHARE, IDLE_CONNECTIONS];
    const CONFIDENCE_MIN: f64 = MIN_CONFIDENCE;
    type Spec = PoolSpec;
    type Facts = PoolFacts;
    type Terms = PoolTerms;

    fn fetch(from: &Sources<'_>, spec: &PoolSpec, _: &str, now: Timestamp) -> Result<PoolFacts, FetchError> {
        fetch(from.store, spec, now)
    }

    fn decide(spec: &PoolSpec, _: &str, facts: &PoolFacts, _: Timestamp) -> Outcome<PoolTerms> {
        match decide(spec, facts) {
            Ok(proposal) => Outcome::Propose(Box::new(proposal)),
            Err(Refusal::Keep(reason)) => Outcome::keep(reason),
            Err(Refusal::Lacks(need)) => Outcome::Lacks { needs: vec![need] },
        }
    }

    /// Compares settings by their connections: the simulation is of a history that moves on.
    fn difference(new: &Setting<'_>, old: &Setting<'_>) -> Difference {
        if new.proposed == old.proposed {
            return Difference::None;
        }
        let connections = |setting: &Setting<'_>| setting.proposed.get("connections").and_then(Value::as_f64);
        match connections(new).zip(connections(old)) {
            Some((new, old)) if (new - old).abs() > (MOVED * old).max(1.0) => Difference::Moved,
            Some(_) => Difference::Negligible,
            None => Difference::Distinct,
        }
    }

    fn basis(current: &Value) -> Value {
        json!([current.get("size"), current.get("overflow")])
    }

    fn measure(
        from: &Sources<'_>,
        spec: Option<&PoolSpec>,
        applied: &Applied<PoolTerms>,
        now: Timestamp,
    ) -> Result<Option<Measured>, FetchError> {
        measure(from.store, spec.ok_or(FetchError::NotConfigured)?, applied, now)
    }

    fn pictures(
        _: &Sources<'_>,
        _: Option<&PoolSpec>,
        row: &RecommendationRow,
        _: Timestamp,
    ) -> Result<Vec<Picture>, FetchError> {
        Ok(pictures(row))
    }
}
