//! A round of advice: asks every advisor, reconciles what they propose with the ledger, and records a verdict on each target.

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

/// Asks every advisor about every target; one that fails stops none of the others.
#[must_use]
pub fn consider(store: &Store, registry: &Registry, specs: &AdviceSpecs, now: Timestamp) -> Vec<Verdict> {
    let from = Sources { store };
    registry.advisors().flat_map(|advisor| advisor.advise(&from, specs, now)).collect()
}

/// What came of a round of advice.
#[derive(Debug, Clone, PartialEq)]
pub struct Round {
    /// What became of the proposals.
    pub proposals: Proposals,
    /// The verdict on each target: proposals first, then what is kept, then what lacks something.
    pub statuses: Vec<AdviceStatusRow>,
}

/// Asks every advisor, puts the proposals into the ledger, and records the verdict on each target in `advice_status`.
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

/// As [`advise`], of verdicts that were given before, and further ones on targets that no advisor could be asked about.
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
    let kinds = registry.kinds();
    let kinds: BTreeSet<&str> = kinds.iter().map(Kind::as_str).collect();
    store.put_advice_status(&kinds.into_iter().collect::<Vec<_>>(), &statuses)?;
    Ok(Round { proposals, statuses })
}

/// Proposals first, then what is kept, then what lacks something.
#[must_use]
pub fn rank(state: AdviceState) -> u8 {
    match state {
        AdviceState::Proposed => 0,
        AdviceState::Kept => 1,
        AdviceState::Lacks => 2,
    }
}

/// The row of a verdict. A proposal that the ledger did not make, because the same was dismissed or broke its promise, is kept.
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
                    "the same was dismissed before, or did not keep its promise, and nothing has changed since";
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

/// What an applied recommendation did since `applied_at`; none while the data do not suffice.
///
/// # Errors
/// [`AdviseError`] when it can never be measured as it is, or its data cannot be read.
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
