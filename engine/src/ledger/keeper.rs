//! The ledger over one store: who may change what, and when.

use std::{collections::HashSet, error::Error, sync::Arc};

use almanac_models::Timestamp;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{
    Calibration, LedgerError, Measured, Promise,
    changes::{Changes, SYSTEM_ACTOR, outcome},
    reconcile::{Reconciled, fresh_id, reconcile},
    rollback::{is_rollback, rollback},
    rules::KindRules,
    transition::{Transition, transition},
};
use crate::store::{
    Store,
    rows::{OutcomeFilter, OutcomeRow, RecommendationFilter, RecommendationRow, State},
};

/// The ledger over one store; clones are the same ledger.
#[derive(Debug, Clone)]
pub struct Ledger(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    revision: watch::Sender<u64>,
    rules: Arc<dyn KindRules>,
    /// Held from reading to writing, so that changes are made one after the other.
    write_lock: Mutex<()>,
}

/// What became of a batch of proposals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Proposals {
    /// New recommendations.
    pub added: usize,
    /// New ones among them that replaced an old one.
    pub replaced: usize,
    /// Old ones that were kept, with newer evidence where there was any.
    pub refreshed: usize,
    /// Proposals not made, because the same was dismissed and the facts have not changed, broke its promise before, or would replace a
    /// rollback by nothing better.
    pub suppressed: usize,
    /// Old ones whose time had passed.
    pub expired: usize,
}

/// What became of the applied recommendations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdicts {
    /// Those that kept their promise.
    pub verified: usize,
    /// Those that did not.
    pub regressed: usize,
    /// Those for which the data do not suffice yet.
    pub pending: usize,
    /// Those that can never be measured as they are: the id, and why.
    pub unmeasurable: Vec<(String, String)>,
}

impl Verdicts {
    fn unmeasurable(&mut self, row: &RecommendationRow, reason: &str) {
        self.unmeasurable.push((row.id.clone(), reason.to_owned()));
    }
}

impl Ledger {
    /// The ledger that `store` keeps, by the rules of the kinds that `rules` knows.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn new(store: Store, rules: Arc<dyn KindRules>) -> Result<Self, LedgerError> {
        // The newest change's time: later than every revision before a restart, as changes are rarer than milliseconds.
        let newest = store.recommendations(&RecommendationFilter::default())?;
        let newest = newest.iter().map(|row| row.updated_at.millis()).max().unwrap_or(0);
        let revision = watch::Sender::new(u64::try_from(newest).unwrap_or(0));
        Ok(Self(Arc::new(Inner { store, revision, rules, write_lock: Mutex::new(()) })))
    }

    /// Takes what the advisors propose at `now`; ids are given here, and what is past its time expires.
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
            // What a revert proposes and is there already was done by hand.
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
                    Some("what it proposes is in force"),
                    now,
                );
            }
            let same_target: Vec<RecommendationRow> =
                known.iter().filter(|row| row.kind == new.kind && row.target == new.target).cloned().collect();
            let replaces = match reconcile(&new, &same_target, self.0.rules.as_ref()) {
                Reconciled::Suppress => {
                    proposals.suppressed += 1;
                    continue;
                }
                Reconciled::Refresh(row) => {
                    proposals.refreshed += 1;
                    changes.refresh(*row, &mut known, now);
                    continue;
                }
                Reconciled::Replace(old) => {
                    proposals.replaced += 1;
                    let note = "a better proposal took its place";
                    changes.transition_to(&mut known, &old.id, State::Expired, SYSTEM_ACTOR, Some(note), now);
                    Some(old.id)
                }
                Reconciled::Add => None,
            };
            let id = fresh_id(new.kind, &new.target, |id| ids.contains(id));
            ids.insert(id.clone());
            let row =
                RecommendationRow { id, state: State::Proposed, created_at: now, updated_at: now, replaces, ..new };
            changes.outcomes.push(outcome(&row, None, State::Proposed, SYSTEM_ACTOR, None, now));
            changes.rows.push(row.clone());
            known.insert(0, row);
            proposals.added += 1;
        }
        self.write(changes)?;
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

    /// Marks the recommendation as applied; others that were applied to the same target expire.
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

    /// Judges applied recommendations: `measure` gives what one did between its application and `now`, or none while
    /// the data do not suffice. Where the promised effect did not appear, the rollback is proposed. What can never be measured is
    /// reported in [`Verdicts::unmeasurable`], not counted as pending.
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
                verdicts.unmeasurable(&row, "the ledger does not say when it was applied");
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
                verdicts.unmeasurable(&row, &format!("no advisor promises {}", row.effect.metric));
                continue;
            };
            let kept = measured.keeps(direction, row.effect.lower, row.effect.upper);
            let (to, note) = if kept {
                verdicts.verified += 1;
                (State::Verified, None)
            } else {
                verdicts.regressed += 1;
                let broken = measured.broken.as_deref().unwrap_or("it did not keep its promise");
                (State::Regressed, Some(format!("{broken}; revert it")))
            };
            changes.transition_to(&mut known, &row.id, to, SYSTEM_ACTOR, note.as_deref(), now);
            if let Some(outcome) = changes.outcomes.last_mut() {
                outcome.realised = Some(measured.value);
                outcome.realised_lower = Some(measured.lower);
                outcome.realised_upper = Some(measured.upper);
            }
            if !kept && !is_rollback(&row) {
                self.propose_rollback(&row, &measured, &mut changes, now)?;
            }
        }
        self.write(changes)?;
        Ok(verdicts)
    }

    /// When a recommendation was applied.
    fn applied_at(&self, id: &str) -> Result<Option<Timestamp>, LedgerError> {
        let filter = OutcomeFilter {
            recommendations: vec![id.to_owned()],
            to_state: Some(State::Applied),
            ..OutcomeFilter::default()
        };
        Ok(self.0.store.outcomes(&filter)?.first().map(|outcome| outcome.at))
    }

    /// Proposes to go back on `row`, where its advisor knew of a setting before.
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
        if let Some(back) = rollback(row, &promise, measured, id, now) {
            // What was proposed meanwhile rests on the same belief, and two proposals on one target are one too many.
            let open = [State::Proposed, State::Accepted];
            changes.end_others(&mut all, &back, &open, "its target is to be reverted", now);
            changes.outcomes.push(outcome(&back, None, State::Proposed, SYSTEM_ACTOR, None, now));
            changes.rows.push(back);
        }
        Ok(())
    }

    /// How often promises held so far.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn calibration(&self) -> Result<Calibration, LedgerError> {
        Ok(Calibration::of(&self.0.store.outcomes(&OutcomeFilter::default())?))
    }

    /// Lists recommendations, the newest first.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn list(&self, filter: &RecommendationFilter) -> Result<Vec<RecommendationRow>, LedgerError> {
        Ok(self.0.store.recommendations(filter)?)
    }

    /// One recommendation.
    ///
    /// # Errors
    /// [`LedgerError::Unknown`], [`LedgerError::Store`].
    pub fn get(&self, id: &str) -> Result<RecommendationRow, LedgerError> {
        let filter = RecommendationFilter { ids: vec![id.to_owned()], ..RecommendationFilter::default() };
        let found = self.0.store.recommendations(&filter)?.into_iter().next();
        found.ok_or_else(|| LedgerError::Unknown { id: id.to_owned() })
    }

    /// What happened to one recommendation, in order.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn outcomes(&self, id: &str) -> Result<Vec<OutcomeRow>, LedgerError> {
        let filter = OutcomeFilter { recommendations: vec![id.to_owned()], ..OutcomeFilter::default() };
        Ok(self.0.store.outcomes(&filter)?)
    }

    /// Changes whenever anything in the ledger does; for ETag and waiting. It also differs after a restart when
    /// anything changed before it.
    #[must_use]
    pub fn revision(&self) -> u64 {
        *self.0.revision.borrow()
    }

    /// Receives every revision from now on.
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
            changes.end_others(&mut others, &row, &[State::Applied], "another took its place", now);
        }
        changes.transition_to(&mut known, id, to, actor, note, now);
        let row = changes.rows.last().cloned();
        self.write(changes)?;
        row.ok_or_else(|| LedgerError::Unknown { id: id.to_owned() })
    }

    fn write(&self, changes: Changes) -> Result<(), LedgerError> {
        if changes.rows.is_empty() && changes.outcomes.is_empty() {
            return Ok(());
        }
        self.0.store.put_ledger(&changes.rows, &changes.outcomes)?;
        self.0.revision.send_modify(|revision| *revision += 1);
        Ok(())
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line
}
