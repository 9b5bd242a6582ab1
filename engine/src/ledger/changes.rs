//! Collects the rows and outcomes of one change of the ledger. The ledger writes them in one transaction.

use std::collections::BTreeSet;

use almanac_models::Timestamp;

use super::rules::KindRules;
use crate::store::rows::{OutcomeRow, RecommendationRow, State};

/// Actor of the changes that the engine makes itself.
pub(super) const SYSTEM_ACTOR: &str = "almanac";

/// Rows and outcomes of one change.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) rows: Vec<RecommendationRow>,
    pub(super) outcomes: Vec<OutcomeRow>,
    /// Ids of the rows whose state, setting or patch changed; the others have newer evidence alone.
    changed: BTreeSet<String>,
}

impl Changes {
    /// Expires the open recommendations whose `valid_until` is before `now`, and returns their number.
    pub(super) fn expire(&mut self, known: &mut [RecommendationRow], now: Timestamp) -> usize {
        let open = |row: &&RecommendationRow| matches!(row.state, State::Proposed | State::Accepted);
        let past = |row: &&RecommendationRow| row.valid_until.is_some_and(|until| until < now);
        let ids: Vec<String> = known.iter().filter(open).filter(past).map(|row| row.id.clone()).collect();
        for id in &ids {
            self.transition_to(known, id, State::Expired, SYSTEM_ACTOR, Some("its validity has ended"), now);
        }
        ids.len()
    }

    /// Expires the other recommendations of the row's kind and target that are in one of these states.
    pub(super) fn expire_others(
        &mut self,
        known: &mut [RecommendationRow],
        row: &RecommendationRow,
        states: &[State],
        note: &str,
        now: Timestamp,
    ) {
        let other = |other: &&RecommendationRow| {
            other.id != row.id && other.kind == row.kind && other.target == row.target && states.contains(&other.state)
        };
        let ids: Vec<String> = known.iter().filter(other).map(|other| other.id.clone()).collect();
        for id in ids {
            self.transition_to(known, &id, State::Expired, SYSTEM_ACTOR, Some(note), now);
        }
    }

    /// Replaces the known row by one with newer evidence, unless they differ in times only. `rules`: say what is a change
    /// to callers. An end of validity is a change too, so it is moved only when half of the time until it has passed.
    pub(super) fn refresh(
        &mut self,
        mut row: RecommendationRow,
        known: &mut [RecommendationRow],
        rules: &dyn KindRules,
        now: Timestamp,
    ) {
        let Some(old) = known.iter_mut().find(|old| old.id == row.id) else { return };
        (row.updated_at, row.evidence_at) = (old.updated_at, old.evidence_at);
        if let (Some(before), Some(after)) = (old.valid_until, row.valid_until) {
            let left = |until: Timestamp| until.millis().saturating_sub(now.millis());
            if left(before) <= left(after) && left(before) > left(after) / 2 {
                row.valid_until = old.valid_until;
            }
        }
        if *old == row {
            return;
        }
        row.evidence_at = now;
        if old.valid_until != row.valid_until || rules.notable(old) != rules.notable(&row) {
            self.changed.insert(row.id.clone());
        }
        *old = row.clone();
        self.replace(row);
    }

    /// Changes the state of a known row and records an outcome.
    pub(super) fn transition_to(
        &mut self,
        known: &mut [RecommendationRow],
        id: &str,
        to: State,
        actor: &str,
        note: Option<&str>,
        now: Timestamp,
    ) {
        let Some(row) = known.iter_mut().find(|row| row.id == id) else { return };
        let from = row.state;
        row.state = to;
        // The outcome keeps the prediction of this moment, because a refresh may replace that of the row.
        self.outcomes.push(outcome(row, Some(from), to, actor, note, now));
        let row = row.clone();
        self.put(row);
    }

    /// Adds a changed or new row; it replaces an earlier version of the same row.
    pub(super) fn put(&mut self, row: RecommendationRow) {
        self.changed.insert(row.id.clone());
        self.replace(row);
    }

    /// Gives the changed rows the time of their change; returns whether there is one.
    pub(super) fn stamp(&mut self, at: Timestamp) -> bool {
        for row in self.rows.iter_mut().filter(|row| self.changed.contains(&row.id)) {
            row.updated_at = at;
        }
        !self.changed.is_empty()
    }

    fn replace(&mut self, row: RecommendationRow) {
        self.rows.retain(|other| other.id != row.id);
        self.rows.push(row);
    }
}

/// Returns the outcome of a change of state, without a measured effect.
pub(super) fn outcome(
    row: &RecommendationRow,
    from_state: Option<State>,
    to_state: State,
    actor: &str,
    note: Option<&str>,
    at: Timestamp,
) -> OutcomeRow {
    OutcomeRow {
        recommendation: row.id.clone(),
        at,
        from_state,
        to_state,
        actor: actor.to_owned(),
        note: note.map(str::to_owned),
        predicted: Some(row.effect.value),
        predicted_lower: Some(row.effect.lower),
        predicted_upper: Some(row.effect.upper),
        realised: None,
        realised_lower: None,
        realised_upper: None,
    }
}
