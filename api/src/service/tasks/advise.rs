//! The task `advise`: stores the verdict on every target, proposes recommendations, and measures those that were
//! applied.

use std::time::Duration;

use almanac_engine::{
    advise::{self, AdviceSpecs, Verdict},
    store::rows::{AdviceState, RecommendationRow},
};

use super::Task;
use crate::{
    config::Config,
    http::{all_expected_breaches, judged_targets},
};

/// Builds the task. `others`: verdicts on targets that no advisor can decide, such as rules that cannot be read.
pub(super) fn task(config: &Config, specs: AdviceSpecs, others: Vec<Verdict>) -> Task {
    Task {
        name: "advise",
        first: Duration::from_secs(30).min(config.advise.every.duration()),
        every: config.advise.every.duration(),
        work: Box::new(move |state, now| {
            let registry = &state.config.registry;
            let verdicts = advise::consider(&state.store, registry, &specs, now);
            let round = advise::record(&state.store, &state.ledger, registry, verdicts, others.clone(), now)?;
            for status in round.statuses.iter().filter(|status| status.state == AdviceState::Lacks) {
                // At debug level: the usual reason is too little data yet, and the view `advice_status` shows it.
                tracing::debug!(kind = %status.kind, target = %status.target, reason = %status.reason, "no advice");
            }
            if round.proposals.added > 0 || round.proposals.expired > 0 {
                tracing::info!(proposals = ?round.proposals, "recommendations updated");
            }
            state.metrics.expect_breaches(all_expected_breaches(&state.store, &specs, now));
            state.metrics.judge_targets(judged_targets(&state.store, &state.config, now));
            let measure = |row: &RecommendationRow, applied_at| {
                advise::measure(&state.store, registry, &specs, row, applied_at, now)
            };
            let verdicts = state.ledger.verify(measure, now)?;
            for (id, reason) in &verdicts.unmeasurable {
                tracing::warn!(recommendation = %id, %reason, "applied recommendation cannot be measured");
            }
            if verdicts.verified + verdicts.regressed > 0 {
                tracing::info!(
                    verified = verdicts.verified,
                    regressed = verdicts.regressed,
                    "applied recommendations measured"
                );
            }
            Ok(())
        }),
    }
}
