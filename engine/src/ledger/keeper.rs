//! The ledger over one store: adds proposals, changes states, and verifies applied recommendations.

use std::{collections::HashSet, error::Error, sync::Arc};

use almanac_models::Timestamp;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::watch;

use super::{
    Calibration, LedgerError, Measured, Promise,
    changes::{Changes, SYSTEM_ACTOR, outcome},
    copies,
    reconcile::{Reconciled, fresh_id, reconcile},
    rollback::{is_rollback, rollback},
    rules::KindRules,
    transition::{Transition, transition},
};
use crate::store::{
    Store,
    rows::{OutcomeFilter, OutcomeRow, RecommendationFilter, RecommendationRow, State},
};

/// The ledger over one store. Clones share it.
#[derive(Debug, Clone)]
pub struct Ledger(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    revision: watch::Sender<u64>,
    rules: Arc<dyn KindRules>,
    /// Held from reading to writing, so that changes are serialised.
    write_lock: Mutex<()>,
}

/// Counts of what [`Ledger::propose`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Proposals {
    /// Added recommendations.
    pub added: usize,
    /// Added recommendations that replaced an old one.
    pub replaced: usize,
    /// Old recommendations that were kept; their evidence is updated.
    pub refreshed: usize,
    /// Rejected proposals: an equal one was dismissed and nothing has changed since, or regressed, or the proposal is
    /// not better than an open rollback.
    pub suppressed: usize,
    /// Old recommendations whose validity had ended.
    pub expired: usize,
}

/// Result of [`Ledger::verify`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdicts {
    /// Number of recommendations whose effect agreed with the prediction.
    pub verified: usize,
    /// Number of recommendations whose effect did not.
    pub regressed: usize,
    /// Number of recommendations with too few data so far.
    pub pending: usize,
    /// Ids of recommendations that can never be measured, with the reason.
    pub unmeasurable: Vec<(String, String)>,
}

impl Verdicts {
    fn unmeasurable(&mut self, row: &RecommendationRow, reason: &str) {
        self.unmeasurable.push((row.id.clone(), reason.to_owned()));
    }
}

impl Ledger {
    /// Opens the ledger of `store`. `rules`: the rules of each kind of recommendation.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn new(store: Store, rules: Arc<dyn KindRules>) -> Result<Self, LedgerError> {
        // The revision is the time of the newest change in milliseconds, also after a restart.
        let newest = store.recommendations(&RecommendationFilter::default())?;
        let newest = newest.iter().map(|row| row.updated_at.millis()).max().unwrap_or(0);
        let revision = watch::Sender::new(u64::try_from(newest).unwrap_or(0));
        Ok(Self(Arc::new(Inner { store, revision, rules, write_lock: Mutex::new(()) })))
    }

    /// Reconciles the advisors' proposals at `now` with the ledger and stores the result. Assigns ids to new
    /// recommendations, and expires those whose validity has ended.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn propose(&self, rows: Vec<RecommendationRow>, now: Timestamp) -> Result<Proposals, LedgerError> {
        let _lock = self.0.write_lock.lock();
        let mut known = self.0.store.recommendations(&RecommendationFilter::default())?;
        let mut ids: HashSet<String> = known.iter().map(|row| row.id.clone()).collect();
        let mut changes = Changes::default();
        let mut proposals = Proposals { expired: changes.expire(&mut known, now), ..Proposals::default() };
        for new in rows {
            let same_target: Vec<RecommendationRow> =
                known.iter().filter(|row| row.kind == new.kind && row.target == new.target).cloned().collect();
            // An open rollback whose proposed setting is already the present one was carried out by hand.
            let done = |row: &&RecommendationRow| {
                matches!(row.state, State::Proposed | State::Accepted)
                    && is_rollback(row)
                    && row.proposed == new.current
            };
            let done: Vec<String> = same_target.iter().filter(done).map(|row| row.id.clone()).collect();
            for id in &done {
                changes.transition_to(
                    &mut known,
                    id,
                    State::Expired,
                    SYSTEM_ACTOR,
                    Some("the proposed setting is already the present one"),
                    now,
                );
            }
            // Read again: the loop above may have expired a rollback.
            let same_target: Vec<RecommendationRow> =
                known.iter().filter(|row| row.kind == new.kind && row.target == new.target).cloned().collect();
            let replaces = match reconcile(&new, &same_target, self.0.rules.as_ref()) {
                Reconciled::Suppress => {
                    proposals.suppressed += 1;
                    continue;
                }
                Reconciled::Refresh(row) => {
                    proposals.refreshed += 1;
                    changes.refresh(*row, &mut known, self.0.rules.as_ref(), now);
                    continue;
                }
                Reconciled::Replace(old) => {
                    proposals.replaced += 1;
                    let note = "replaced by a better proposal";
                    changes.transition_to(&mut known, &old.id, State::Expired, SYSTEM_ACTOR, Some(note), now);
                    Some(old.id)
                }
                Reconciled::Add => None,
            };
            let id = fresh_id(new.kind, &new.target, |id| ids.contains(id));
            ids.insert(id.clone());
            let row = RecommendationRow {
                id,
                state: State::Proposed,
                created_at: now,
                updated_at: now,
                evidence_at: now,
                replaces,
                ..new
            };
            changes.outcomes.push(outcome(&row, None, State::Proposed, SYSTEM_ACTOR, None, now));
            changes.put(row.clone());
            // Later proposals of the same batch are reconciled with this one; newest first.
            known.insert(0, row);
            proposals.added += 1;
        }
        self.write(&mut changes, now)?;
        Ok(proposals)
    }

    /// Marks the recommendation as accepted.
    ///
    /// # Errors
    /// [`LedgerError::Unknown`], [`LedgerError::Transition`], [`LedgerError::Store`].
    pub fn accept(
        &self,
        id: &str,
        actor: &str,
        note: Option<&str>,
        now: Timestamp,
    ) -> Result<RecommendationRow, LedgerError> {
        self.change(id, State::Accepted, actor, note, now)
    }

    /// Marks the recommendation as dismissed.
    ///
    /// # Errors
    /// As [`Ledger::accept`].
    pub fn dismiss(
        &self,
        id: &str,
        actor: &str,
        note: Option<&str>,
        now: Timestamp,
    ) -> Result<RecommendationRow, LedgerError> {
        self.change(id, State::Dismissed, actor, note, now)
    }

    /// Marks the recommendation as applied. Other applied recommendations of the same target expire.
    ///
    /// # Errors
    /// As [`Ledger::accept`].
    pub fn applied(
        &self,
        id: &str,
        actor: &str,
        note: Option<&str>,
        now: Timestamp,
    ) -> Result<RecommendationRow, LedgerError> {
        self.change(id, State::Applied, actor, note, now)
    }

    /// Verifies the applied recommendations and proposes a rollback of each that regressed.
    ///
    /// `measure` receives a recommendation and the time at which it was applied, and returns its effect since then;
    /// `None` while there are too few data. A recommendation that can never be measured is listed in
    /// `Verdicts::unmeasurable`.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn verify<E: Error>(
        &self,
        measure: impl Fn(&RecommendationRow, Timestamp) -> Result<Option<Measured>, E>,
        now: Timestamp,
    ) -> Result<Verdicts, LedgerError> {
        let _lock = self.0.write_lock.lock();
        let filter = RecommendationFilter { states: vec![State::Applied], ..RecommendationFilter::default() };
        let mut known = self.0.store.recommendations(&filter)?;
        let (mut changes, mut verdicts) = (Changes::default(), Verdicts::default());
        for row in known.clone() {
            let Some(applied_at) = self.applied_at(&row.id)? else {
                verdicts.unmeasurable(&row, "the ledger has no time of its application");
                continue;
            };
            let measured = match measure(&row, applied_at) {
                Ok(Some(measured)) => measured,
                Ok(None) => {
                    verdicts.pending += 1;
                    continue;
                }
                Err(error) => {
                    verdicts.unmeasurable(&row, &chain(&error));
                    continue;
                }
            };
            let Some(direction) = self.0.rules.direction(row.kind, &row.effect.metric) else {
                verdicts.unmeasurable(&row, &format!("no advisor predicts the metric {}", row.effect.metric));
                continue;
            };
            let kept = measured.keeps(direction, row.effect.lower, row.effect.upper);
            let (to, note) = if kept {
                verdicts.verified += 1;
                (State::Verified, None)
            } else {
                verdicts.regressed += 1;
                let broken = measured.broken.as_deref().unwrap_or("the predicted effect did not appear");
                (State::Regressed, Some(format!("{broken}; roll it back")))
            };
            changes.transition_to(&mut known, &row.id, to, SYSTEM_ACTOR, note.as_deref(), now);
            if let Some(outcome) = changes.outcomes.last_mut() {
                outcome.realised = Some(measured.value);
                outcome.realised_lower = Some(measured.lower);
                outcome.realised_upper = Some(measured.upper);
            }
            // A rollback that regressed is not rolled back again.
            if !kept && !is_rollback(&row) {
                self.propose_rollback(&row, &measured, &mut changes, now)?;
            }
        }
        self.write(&mut changes, now)?;
        Ok(verdicts)
    }

    /// Returns the time at which a recommendation was applied.
    fn applied_at(&self, id: &str) -> Result<Option<Timestamp>, LedgerError> {
        let filter = OutcomeFilter {
            recommendations: vec![id.to_owned()],
            to_state: Some(State::Applied),
            ..OutcomeFilter::default()
        };
        Ok(self.0.store.outcomes(&filter)?.first().map(|outcome| outcome.at))
    }

    /// Proposes the rollback of `row`, if its evidence contains the setting before.
    fn propose_rollback(
        &self,
        row: &RecommendationRow,
        measured: &Measured,
        changes: &mut Changes,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let mut all = self.0.store.recommendations(&RecommendationFilter::default())?;
        let taken = |id: &str| all.iter().any(|row| row.id == id) || changes.rows.iter().any(|row| row.id == id);
        let id = fresh_id(row.kind, &row.target, taken);
        let promise = Promise::of(row).map_err(|source| LedgerError::Evidence { id: row.id.clone(), source })?;
        if let Some(proposal) = rollback(row, &promise, measured, id, now) {
            // Open proposals of the same target have the same basis as the regressed one, and a target has one open
            // proposal.
            let open = [State::Proposed, State::Accepted];
            changes.expire_others(&mut all, &proposal, &open, "a rollback of its target was proposed", now);
            changes.outcomes.push(outcome(&proposal, None, State::Proposed, SYSTEM_ACTOR, None, now));
            changes.put(proposal);
        }
        Ok(())
    }

    /// Returns the calibration over all measured recommendations.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn calibration(&self) -> Result<Calibration, LedgerError> {
        Ok(Calibration::of(&self.0.store.outcomes(&OutcomeFilter::default())?))
    }

    /// Notes what a measurement on a copy showed: `figures` become `copy` of the evidence, its `basis` becomes
    /// `measured_on_copy`, and `summary` replaces the remark in the reason that nothing was measured. Newer evidence keeps
    /// all of it as long as the proposal is the same.
    ///
    /// # Errors
    /// [`LedgerError::Unknown`], [`LedgerError::Store`].
    pub fn measured_on_copy(
        &self,
        id: &str,
        figures: Value,
        summary: &str,
        now: Timestamp,
    ) -> Result<RecommendationRow, LedgerError> {
        let _lock = self.0.write_lock.lock();
        let mut row = self.get(id)?;
        copies::note(&mut row, figures, summary);
        row.evidence_at = now;
        let mut changes = Changes::default();
        changes.put(row.clone());
        self.write(&mut changes, now)?;
        Ok(row)
    }

    /// Lists recommendations, the newest first.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn list(&self, filter: &RecommendationFilter) -> Result<Vec<RecommendationRow>, LedgerError> {
        Ok(self.0.store.recommendations(filter)?)
    }

    /// Returns one recommendation.
    ///
    /// # Errors
    /// [`LedgerError::Unknown`], [`LedgerError::Store`].
    pub fn get(&self, id: &str) -> Result<RecommendationRow, LedgerError> {
        let filter = RecommendationFilter { ids: vec![id.to_owned()], ..RecommendationFilter::default() };
        let found = self.0.store.recommendations(&filter)?.into_iter().next();
        found.ok_or_else(|| LedgerError::Unknown { id: id.to_owned() })
    }

    /// Returns the outcomes of one recommendation, in order.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn outcomes(&self, id: &str) -> Result<Vec<OutcomeRow>, LedgerError> {
        let filter = OutcomeFilter { recommendations: vec![id.to_owned()], ..OutcomeFilter::default() };
        Ok(self.0.store.outcomes(&filter)?)
    }

    /// Returns the time of the newest change in milliseconds, for entity tags and long polling. It increases with every
    /// change of a state, a setting or a patch, and is the `updated_at` of what changed. Newer evidence is no change.
    #[must_use]
    pub fn revision(&self) -> u64 {
        *self.0.revision.borrow()
    }

    /// Returns a receiver of the revisions from now on.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.revision.subscribe()
    }

    fn change(
        &self,
        id: &str,
        to: State,
        actor: &str,
        note: Option<&str>,
        now: Timestamp,
    ) -> Result<RecommendationRow, LedgerError> {
        let _lock = self.0.write_lock.lock();
        let row = self.get(id)?;
        match transition(row.state, to) {
            Transition::Repeated => return Ok(row),
            Transition::Illegal => return Err(LedgerError::Transition { id: id.to_owned(), from: row.state, to }),
            Transition::Change => {}
        }
        let mut known = vec![row.clone()];
        let mut changes = Changes::default();
        if to == State::Applied {
            let filter = RecommendationFilter { states: vec![State::Applied], ..RecommendationFilter::default() };
            let mut others = self.0.store.recommendations(&filter)?;
            let note = "another recommendation of its target was applied";
            changes.expire_others(&mut others, &row, &[State::Applied], note, now);
        }
        changes.transition_to(&mut known, id, to, actor, note, now);
        self.write(&mut changes, now)?;
        let row = changes.rows.last().cloned();
        row.ok_or_else(|| LedgerError::Unknown { id: id.to_owned() })
    }

    /// Writes the changes. The revision becomes the time of the change, or the next millisecond after the last one, so
    /// that changes have distinct times in their order, whatever the clock does.
    fn write(&self, changes: &mut Changes, now: Timestamp) -> Result<(), LedgerError> {
        if changes.rows.is_empty() && changes.outcomes.is_empty() {
            return Ok(());
        }
        let last = i64::try_from(self.revision()).unwrap_or(i64::MAX - 1);
        let at = now.millis().max(last + 1);
        let is_change = changes.stamp(Timestamp::from_millis(at));
        self.0.store.put_ledger(&changes.rows, &changes.outcomes)?;
        if is_change {
            self.0.revision.send_replace(u64::try_from(at).unwrap_or_default());
        }
        Ok(())
    }
}

/// Returns an error and its causes in one line.
fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line
}
