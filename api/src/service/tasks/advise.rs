use std::time::Duration;

use almanac_engine::{
    advise::{AdviceSpecs, consider, measure},
    store::rows::RecommendationRow,
};

use super::Task;
use crate::config::Config;

/// What is recommended, and its way into the ledger.
pub(super) fn task(config: &Config, specs: AdviceSpecs) -> Task {
    Task {
        name: "advise",
        first: Duration::from_secs(30).min(config.advise.every.duration()),
        every: config.advise.every.duration(),
        work: Box::new(move |state| {
            let now = state.clock.now();
            let advice = consider(&state.store, &specs, now);
            for refusal in &advice.refusals {
                // Usually too little data yet, so no warning.
                tracing::info!(kind = %refusal.kind, target = %refusal.target, reason = %refusal.reason, "no advice");
            }
            let proposals = state.ledger.propose(advice.recommendations, now)?;
            if proposals.added > 0 || proposals.expired > 0 {
                tracing::info!(?proposals, "advised");
            }
            let measured = |row: &RecommendationRow, applied_at| {
                measure(&state.store, &specs, row, applied_at, now).unwrap_or_else(|error| {
                    tracing::warn!(error = %crate::chain(&error), "an applied recommendation is not measured");
                    None
                })
            };
            let verdicts = state.ledger.verify(measured, now)?;
            if verdicts.verified + verdicts.regressed > 0 {
                tracing::info!(?verdicts, "measured what was applied");
            }
            Ok(())
        }),
    }
}
