//! Collects the rows and outcomes of one change of the ledger. The ledger writes them in one transaction.

use almanac_models::Timestamp;

use crate::store::rows::{OutcomeRow, RecommendationRow, State};

/// Actor of the changes that the engine makes itself.
pub(super) const SYSTEM_ACTOR: &str = "almanac";

/// Rows and outcomes of one change.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) rows: Vec<RecommendationRow>,
    pub(super) outcomes: Vec<OutcomeRow>,
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

    /// Replaces the known row by one with newer evidence, unless they differ in the update time only.
    pub(super) fn refresh(&mut self, mut row: RecommendationRow, known: &mut [RecommendationRow], now: Timestamp) {
        let Some(old) = known.iter_mut().find(|old| old.id == row.id) else { return };
        row.updated_at = old.updated_at;
        if *old == row {
            return;
        }
        row.updated_at = now;
        *old = row.clone();
        self.put(row);
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
        row.updated_at = now;
        // The outcome keeps the prediction of this moment, because a refresh may replace that of the row.
        self.outcomes.push(outcome(row, Some(from), to, actor, note, now));
        let row = row.clone();
        self.put(row);
    }

    /// Adds a row; it replaces an earlier version of the same row.
    pub(super) fn put(&mut self, row: RecommendationRow) {
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
