//! Implements the `Advisor` trait for thresholds; the work is done in `advice`.

use almanac_models::Timestamp;

use super::{
    RuleFacts, RuleTerms, ThresholdError, ThresholdSpec,
    advice::{decide, fetch, measure, pictures},
    spec::{ALERTS, FALSE_ALERTS},
};
use crate::{
    advise::{
        Advisor, Applied, FetchError, Metric, Need, Outcome, Setting, Sources, kit::error_chain, picture::Picture,
    },
    ledger::{Difference, Measured},
    store::rows::RecommendationRow,
};

/// Advisor on the bound and the `for` of an alerting rule.
#[derive(Debug)]
pub struct Threshold;

impl Advisor for Threshold {
    const KIND: &'static str = "threshold";
    const TITLE: &'static str = "Threshold";
    const TARGET: &'static str = "alert";
    const EFFECTS: &'static [Metric] = &[FALSE_ALERTS, ALERTS];
    // The confidence is Laplace's rule of succession over the held-out incidents: below 0.5 more would be missed than
    // caught.
    const CONFIDENCE_MIN: f64 = 0.5;
    type Spec = ThresholdSpec;
    type Facts = RuleFacts;
    type Terms = RuleTerms;

    fn fetch(from: &Sources<'_>, spec: &ThresholdSpec, _: &str, now: Timestamp) -> Result<RuleFacts, FetchError> {
        fetch(from.store, spec, now).map_err(|error| match error {
            ThresholdError::NoHistory { .. } => FetchError::Missing(Need {
                missing: error.to_string(),
                remedy: "wait, or send older samples of the series that the rule reads".to_owned(),
            }),
            ThresholdError::Store(error) => error.into(),
            error => FetchError::other(error),
        })
    }

    fn decide(spec: &ThresholdSpec, _: &str, facts: &RuleFacts, now: Timestamp) -> Outcome<RuleTerms> {
        decide(spec, facts, now).unwrap_or_else(|error| Outcome::lacks(error_chain(&error), ""))
    }

    /// Compares expression, `for` and terms. A moving bound is part of the terms: the alert's expression only names its
    /// recording rule.
    fn difference(new: &Setting<'_>, old: &Setting<'_>) -> Difference {
        let is_same = new.proposed == old.proposed && new.terms.get("rule") == old.terms.get("rule");
        if is_same { Difference::None } else { Difference::Distinct }
    }

    fn measure(
        from: &Sources<'_>,
        // The applied rule may compare with a recorded bound, which cannot be parsed into a specification again.
        _: Option<&ThresholdSpec>,
        applied: &Applied<RuleTerms>,
        now: Timestamp,
    ) -> Result<Option<Measured>, FetchError> {
        measure(from.store, &applied.terms, &applied.metric, applied.at, now).map_err(FetchError::other)
    }

    fn pictures(
        from: &Sources<'_>,
        // Both rules are stored with the recommendation.
        _: Option<&ThresholdSpec>,
        row: &RecommendationRow,
        now: Timestamp,
    ) -> Result<Vec<Picture>, FetchError> {
        pictures(from.store, row, now)
    }
}
