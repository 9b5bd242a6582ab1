//! Decides on the connections of a pool, without I/O. Called by `advisor`.

use super::{Study, choose::Choice, describe, proposal::proposal};
use crate::advise::{
    Need, Proposal,
    pool::{
        PoolFacts, PoolSpec, PoolTerms,
        facts::check,
        model::{PoolLoad, PoolModel, calibrate},
        spec::seconds,
    },
};

/// Minimum confidence of a proposal.
pub(in crate::advise::pool) const MIN_CONFIDENCE: f64 = 0.5;
/// Fewest connections over all instances that a smaller pool must save, unless the database's limit is exceeded.
const SAVED_MIN: f64 = 10.0;
/// Largest share of the present connections that a smaller pool may keep, unless the limit is exceeded.
const KEPT_MAX: f64 = 0.5;

/// Why nothing is proposed.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::advise::pool) enum Refusal {
    /// The present setting is as good, or no other is possible; the reason has the figures.
    Keep(String),
    /// Something is missing.
    Lacks(Need),
}

impl From<Need> for Refusal {
    fn from(need: Need) -> Self {
        Self::Lacks(need)
    }
}

/// Decides on a pool.
///
/// # Errors
/// [`Refusal`].
pub(in crate::advise::pool) fn decide(spec: &PoolSpec, facts: &PoolFacts) -> Result<Proposal<PoolTerms>, Refusal> {
    let little = check(spec, facts)?;
    let load = PoolLoad::build(spec, facts)?;
    let patience = spec.timeout_ms.map_or(f64::INFINITY, seconds);
    let model = PoolModel::new(&load, facts.connections(), patience, 1.0);
    let calibration = calibrate(&load, facts, &model);
    let model = model.with_batch(calibration.batch);
    let mut study = Study::new(spec, facts, little, &load, model, calibration);
    if study.calibration.contradicts {
        return Err(Refusal::Lacks(describe::contradiction(&study)));
    }
    let choice = if study.waits_too_long() { larger(&mut study)? } else { smaller(&mut study)? };
    Ok(proposal(&mut study, &choice))
}

/// Chooses more connections.
fn larger(study: &mut Study<'_>) -> Result<Choice, Refusal> {
    let present = study.facts.connections();
    // A larger pool runs more statements at a time than were ever measured: one step goes no further than this.
    let farthest = (4 * present).max(present + 8);
    let allowed = study.allowed();
    let Some(needed) = study.least(present + 1, farthest) else {
        if allowed.is_some_and(|allowed| allowed < farthest) {
            return Err(Refusal::Keep(describe::bound(study, None)));
        }
        let (now, then) = (study.predict(present).busiest, study.predict(farthest).busiest);
        if !(then.upper < now.lower) {
            return Err(Refusal::Keep(describe::unreachable(study, farthest)));
        }
        return Ok(study.choice(farthest, true));
    };
    if allowed.is_some_and(|allowed| allowed < needed) {
        return Err(Refusal::Keep(describe::bound(study, Some(needed))));
    }
    Ok(study.choice(needed, false))
}

/// Chooses fewer connections.
fn smaller(study: &mut Study<'_>) -> Result<Choice, Refusal> {
    let present = study.facts.connections();
    let seen = study.most_in_use();
    // One more than were ever in use at a scrape, since there may have been more between two of them.
    let least = study.least(1, present).unwrap_or(present).max(seen + 1).min(present);
    let saved = f64::from(present - least) * study.facts.foreseen.instances;
    let exceeds = study.allowed().is_some_and(|allowed| allowed < present);
    let is_much = saved >= SAVED_MIN && f64::from(least) <= KEPT_MAX * f64::from(present);
    if least < present && (is_much || exceeds) {
        return Ok(study.choice(least, false));
    }
    Err(Refusal::Keep(describe::kept(study, least)))
}
