//! Implements the advisor contract for scaling with the stages of this folder.

use almanac_models::Timestamp;
use serde_json::{Value, json};

use super::{
    ScalingError, Schedule, WorkloadHistory, WorkloadSpec,
    advice::{measure, pictures, proposal},
    decide,
    decide::MIN_CONFIDENCE,
    fetch,
    spec::UNDER_PROVISIONED,
    terms::ScalingTerms,
};
use crate::{
    advise::{
        Advisor, Applied, FetchError, Metric, Outcome, Setting, Sources,
        kit::{HistoryError, error_chain},
        picture::Picture,
    },
    ledger::{Difference, Measured},
    store::rows::{Patch, RecommendationRow},
};

/// Advises on the number of replicas of a workload over time.
#[derive(Debug)]
pub struct Scaling;

impl Advisor for Scaling {
    const KIND: &'static str = "scaling";
    const TITLE: &'static str = "Scaling";
    const TARGET: &'static str = "workload";
    const EFFECTS: &'static [Metric] = &[UNDER_PROVISIONED];
    const CONFIDENCE_MIN: f64 = MIN_CONFIDENCE;
    type Spec = WorkloadSpec;
    type Facts = WorkloadHistory;
    type Terms = ScalingTerms;

    fn fetch(from: &Sources<'_>, spec: &WorkloadSpec, _: &str, now: Timestamp) -> Result<WorkloadHistory, FetchError> {
        Ok(fetch(from.store, spec, now)?)
    }

    fn decide(spec: &WorkloadSpec, _: &str, history: &WorkloadHistory, _: Timestamp) -> Outcome<ScalingTerms> {
        match decide(history, spec) {
            Ok(decision) => {
                let schedule = Schedule::plan(&decision.history, spec, &decision.rules);
                Outcome::Propose(Box::new(proposal(spec, &decision, schedule.as_ref())))
            }
            Err(error) if error.is_keep() => Outcome::keep(error.to_string()),
            Err(error) => Outcome::lacks(error_chain(&error), remedy(&error)),
        }
    }

    /// Treats all proposals as the same decision: to scale by this rule. The number of replicas changes by the minute.
    fn difference(_: &Setting<'_>, _: &Setting<'_>) -> Difference {
        Difference::None
    }

    /// The schedule, the demand and the time of the decision move with the clock.
    fn notable(proposed: &Value, _: &Patch) -> Value {
        ["rule", "replicas", "capacity_per_replica"].iter().map(|name| proposed.get(name).cloned()).collect()
    }

    fn basis(current: &Value) -> Value {
        json!(current.get("target_utilization"))
    }

    fn measure(
        from: &Sources<'_>,
        spec: Option<&WorkloadSpec>,
        applied: &Applied<ScalingTerms>,
        now: Timestamp,
    ) -> Result<Option<Measured>, FetchError> {
        let spec = spec.ok_or(FetchError::NotConfigured)?;
        let in_setting = || applied.proposed.get("capacity_per_replica").and_then(Value::as_f64);
        let capacity = applied.terms.capacity_per_replica.or_else(in_setting);
        let capacity = capacity.ok_or_else(|| FetchError::unreadable("capacity_per_replica"))?;
        measure(from.store, spec, capacity, applied.at, now).map_err(FetchError::other)
    }

    fn pictures(
        from: &Sources<'_>,
        spec: Option<&WorkloadSpec>,
        row: &RecommendationRow,
        now: Timestamp,
    ) -> Result<Vec<Picture>, FetchError> {
        pictures(from.store, spec.ok_or(FetchError::NotConfigured)?, row, now)
    }
}

/// Returns the configuration or the data that would supply the missing item.
fn remedy(error: &ScalingError) -> &'static str {
    match error {
        ScalingError::CapacityUnknown { .. } => {
            "state capacity_per_replica, or give replicas and cpu or latency, from which it is learned"
        }
        ScalingError::TooShort { .. } | ScalingError::History(HistoryError::TooShort { .. }) => {
            "wait, or send older samples of the demand"
        }
        ScalingError::Warmup { .. } | ScalingError::NoDemand => "send samples of the demand for some days",
        ScalingError::LatencyAtRest { .. } => "raise latency_max, or lower the latency of an idle replica",
        _ => "",
    }
}
