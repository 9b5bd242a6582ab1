//! One round of advice: runs every advisor, reconciles the proposals with the ledger, and records a verdict for each
//! target. Also measures and draws single recommendations.

use std::collections::BTreeSet;

use almanac_models::Timestamp;

use super::{
    AdviceSpecs, AdviseError, FetchError, Registry, Sources, Verdict, VerdictOutcome,
    kit::error_chain,
    picture::{Picture, effect_picture},
};
use crate::{
    ledger::{Ledger, Measured, Proposals},
    store::{
        Store,
        rows::{AdviceState, AdviceStatusRow, Kind, OutcomeFilter, RecommendationFilter, RecommendationRow, State},
    },
};

/// Number of measurements between the application of a recommendation and now that a picture shows.
const MEASUREMENTS: i64 = 5;

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

/// Pictures of one recommendation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PictureSet {
    /// The pictures, the most important first.
    pub pictures: Vec<Picture>,
    /// Reason why pictures are missing, such as a target that is no longer configured.
    pub missing: Option<String>,
}

/// Draws the evidence of a recommendation: the pictures of its advisor, and once it was applied its promised against its
/// measured effect.
///
/// # Errors
/// [`AdviseError::Store`]. Facts that are missing are not an error but [`PictureSet::missing`].
pub fn pictures(
    store: &Store,
    registry: &Registry,
    specs: &AdviceSpecs,
    row: &RecommendationRow,
    now: Timestamp,
) -> Result<PictureSet, AdviseError> {
    let Some(advisor) = registry.get(row.kind) else {
        let unknown = AdviseError::UnknownKind { kind: row.kind.to_string(), known: registry.kinds_text() };
        return Ok(PictureSet { pictures: Vec::new(), missing: Some(unknown.to_string()) });
    };
    let from = Sources { store };
    let (mut pictures, mut missing) = match advisor.pictures(&from, specs, row, now) {
        Ok(pictures) => (pictures, None),
        Err(FetchError::Store(error)) => return Err(error.into()),
        Err(error) => (Vec::new(), Some(error_chain(&error))),
    };
    let of_row = OutcomeFilter { recommendations: vec![row.id.clone()], ..OutcomeFilter::default() };
    let outcomes = store.outcomes(&of_row)?;
    let applied = outcomes.iter().find(|outcome| outcome.to_state == State::Applied);
    let mut measured = Vec::new();
    // Only a setting that is in force can be measured until now.
    if let Some(applied) = applied.filter(|_| matches!(row.state, State::Applied | State::Verified)) {
        let span_ms = now.millis() - applied.at.millis();
        for nth in (1..=MEASUREMENTS).filter(|_| span_ms > 0) {
            let until = applied.at.plus_millis(span_ms / MEASUREMENTS * nth);
            match advisor.measure(&from, specs, row, applied.at, until) {
                Ok(Some(value)) => measured.push((until, value)),
                Ok(None) => {}
                Err(error) => {
                    missing.get_or_insert_with(|| error_chain(&error));
                    break;
                }
            }
        }
    }
    pictures.extend(effect_picture(row, &outcomes, &measured, now));
    Ok(PictureSet { pictures, missing })
}
