//! One round of advice: runs every advisor, reconciles the proposals with the ledger, and records a verdict for each
//! target.

use std::collections::BTreeSet;

use almanac_models::Timestamp;

use super::{AdviceSpecs, AdviseError, Registry, Sources, Verdict, VerdictOutcome};
use crate::{
    ledger::{Ledger, Measured, Proposals},
    store::{
        Store,
        rows::{AdviceState, AdviceStatusRow, Kind, RecommendationFilter, RecommendationRow, State},
    },
};

/// Runs every advisor on every target. A failure of one target does not affect the others.
#[must_use]
pub fn consider(store: &Store, registry: &Registry, specs: &AdviceSpecs, now: Timestamp) -> Vec<Verdict> {
    let from = Sources { store };
    registry.advisors().flat_map(|advisor| advisor.advise(&from, specs, now)).collect()
}

/// Result of a round of advice.
#[derive(Debug, Clone, PartialEq)]
pub struct Round {
    /// Changes of the ledger made by the proposals.
    pub proposals: Proposals,
    /// The verdict on each target, in the order of [`rank`].
    pub statuses: Vec<AdviceStatusRow>,
}

/// Runs every advisor, writes the proposals to the ledger, and records the verdict on each target in `advice_status`.
///
/// # Errors
/// [`AdviseError::Ledger`], [`AdviseError::Store`].
pub fn advise(
    store: &Store,
    ledger: &Ledger,
    registry: &Registry,
    specs: &AdviceSpecs,
    now: Timestamp,
) -> Result<Round, AdviseError> {
    record(store, ledger, registry, consider(store, registry, specs, now), Vec::new(), now)
}

/// Records verdicts of an earlier [`consider`], as [`advise`] does, and `others` on targets that no advisor handled.
///
/// # Errors
/// As [`advise`].
pub fn record(
    store: &Store,
    ledger: &Ledger,
    registry: &Registry,
    verdicts: Vec<Verdict>,
    others: Vec<Verdict>,
    now: Timestamp,
) -> Result<Round, AdviseError> {
    let rows = verdicts.iter().filter_map(Verdict::recommendation).cloned().collect();
    let proposals = ledger.propose(rows, now)?;
    let known = ledger.list(&RecommendationFilter::default())?;
    let mut statuses: Vec<AdviceStatusRow> =
        verdicts.iter().chain(&others).map(|verdict| status(verdict, &known, now)).collect();
    statuses.sort_by_key(|status| rank(status.state));
    // Status rows of all registered kinds are replaced, so that rows of removed targets disappear.
    let kinds = registry.kinds();
    let kinds: BTreeSet<&str> = kinds.iter().map(Kind::as_str).collect();
    store.put_advice_status(&kinds.into_iter().collect::<Vec<_>>(), &statuses)?;
    Ok(Round { proposals, statuses })
}

/// Returns the sort key of a state: proposals first, then kept settings, then missing data.
#[must_use]
pub fn rank(state: AdviceState) -> u8 {
    match state {
        AdviceState::Proposed => 0,
        AdviceState::Kept => 1,
        AdviceState::Lacks => 2,
    }
}

/// Builds the status row of a verdict. A proposal that the ledger suppressed, because the same one was dismissed or
/// regressed, counts as kept.
fn status(verdict: &Verdict, known: &[RecommendationRow], now: Timestamp) -> AdviceStatusRow {
    let is_open = |row: &&RecommendationRow| {
        row.kind == verdict.kind
            && row.target == verdict.target
            && matches!(row.state, State::Proposed | State::Accepted | State::Applied | State::Verified)
    };
    let open = known.iter().find(is_open);
    let (state, reason, needs) = match &verdict.outcome {
        VerdictOutcome::Propose(_) => match open {
            Some(row) => (AdviceState::Proposed, row.reason.clone(), Vec::new()),
            None => {
                let reason =
                    "the same proposal was dismissed or regressed before and the present setting has not changed";
                (AdviceState::Kept, reason.to_owned(), Vec::new())
            }
        },
        VerdictOutcome::Keep { reason } => (AdviceState::Kept, reason.clone(), Vec::new()),
        VerdictOutcome::Lacks { needs } => {
            (AdviceState::Lacks, verdict.reason(), needs.iter().map(ToString::to_string).collect())
        }
    };
    AdviceStatusRow {
        kind: verdict.kind.to_string(),
        target: verdict.target.clone(),
        state,
        reason,
        needs: needs.into(),
        recommendation: open.map(|row| row.id.clone()),
        updated_at: now,
    }
}

/// Measures the effect of an applied recommendation since `applied_at`. Returns none while the data do not suffice.
///
/// # Errors
/// [`AdviseError`] when the kind is unknown, the terms cannot be parsed, or the data cannot be read.
pub fn measure(
    store: &Store,
    registry: &Registry,
    specs: &AdviceSpecs,
    row: &RecommendationRow,
    applied_at: Timestamp,
    now: Timestamp,
) -> Result<Option<Measured>, AdviseError> {
    let advisor = registry
        .get(row.kind)
        .ok_or_else(|| AdviseError::UnknownKind { kind: row.kind.to_string(), known: registry.kinds_text() })?;
    advisor.measure(&Sources { store }, specs, row, applied_at, now)
}
