//! The threshold advisor: how the stages of this folder meet the contract.

use almanac_models::Timestamp;

use super::{
    RuleFacts, RuleTerms, ThresholdError, ThresholdSpec,
    advice::{decide, fetch, measure},
    spec::{ALERTS, FALSE_ALERTS},
};
use crate::{
    advise::{Advisor, Applied, FetchError, Metric, Need, Outcome, Setting, Sources, kit::error_chain},
    ledger::{Difference, Measured},
};

/// Advises on the bound and the `for` of an alerting rule.
#[derive(Debug)]
pub struct Threshold;

impl Advisor for Threshold {
    const KIND: &'static str = "threshold";
    const TITLE: &'static str = "Threshold";
    const TARGET: &'static str = "alert";
    const EFFECTS: &'static [Metric] = &[FALSE_ALERTS, ALERTS];
    // Half: the rule of succession over the incidents of the later half, most of which it has to catch.
    const CONFIDENCE_MIN: f64 = 0.5;
    type Spec = ThresholdSpec;
    type Facts = RuleFacts;
    type Terms = RuleTerms;

    fn fetch(from: &Sources<'_>, spec: &ThresholdSpec, _: &str, now: Timestamp) -> Result<RuleFacts, FetchError> {
        fetch(from.store, spec, now).map_err(|error| match error {
            ThresholdError::NoHistory { .. } => FetchError::Missing(Need {
                missing: error.to_string(),
                remedy: "wait, or send older samples of what the rule reads".to_owned(),
            }),
            ThresholdError::Store(error) => error.into(),
            error => FetchError::other(error),
        })
    }

    fn decide(spec: &ThresholdSpec, _: &str, facts: &RuleFacts, now: Timestamp) -> Outcome<RuleTerms> {
        decide(spec, facts, now).unwrap_or_else(|error| Outcome::lacks(error_chain(&error), ""))
    }

    /// Bounds that move are in the rules that the expression reads, not in the expression.
    fn difference(new: &Setting<'_>, old: &Setting<'_>) -> Difference {
        let is_same = new.proposed == old.proposed && new.terms.get("rule") == old.terms.get("rule");
        if is_same { Difference::None } else { Difference::Distinct }
    }

    fn measure(
        from: &Sources<'_>,
        // An applied rule may read recorded bounds, so that its file no longer gives a specification.
        _: Option<&ThresholdSpec>,
        applied: &Applied<RuleTerms>,
        now: Timestamp,
    ) -> Result<Option<Measured>, FetchError> {
        measure(from.store, &applied.terms, &applied.metric, applied.at, now).map_err(FetchError::other)
    }
}
