use std::{collections::HashSet, sync::Arc};

use almanac_models::Timestamp;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{
    Calibration, LedgerError, Measured,
    proposal::{Verdict, fresh_id, weigh},
    revert::{is_revert, revert},
    transition::{Transition, transition},
};
use crate::store::{
    Store,
    rows::{OutcomeFilter, OutcomeRow, RecommendationFilter, RecommendationRow, State},
};

/// Who is named where nobody but the engine acted.
const SELF: &str = "almanac";

/// The ledger over one store; clones are the same ledger.
#[derive(Debug, Clone)]
pub struct Ledger(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    revision: watch::Sender<u64>,
    /// Changes are made one after the other: read, decide, write.
    turn: Mutex<()>,
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
    /// Proposals not made, because the same was dismissed and the facts have not changed, broke its promise before, or would push a way
    /// back aside for nothing better.
    pub withheld: usize,
    /// Old ones whose time had passed.
    pub expired: usize,
}

/// What became of the applied recommendations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verdicts {
    /// Those that kept their promise.
    pub verified: usize,
    /// Those that did not.
    pub regressed: usize,
    /// Those that cannot be judged yet.
    pub pending: usize,
}

/// Rows and outcomes that are written together.
#[derive(Debug, Default)]
struct Changes {
    rows: Vec<RecommendationRow>,
    outcomes: Vec<OutcomeRow>,
}

impl Ledger {
    /// The ledger that `store` keeps.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn new(store: Store) -> Result<Self, LedgerError> {
        // The newest change's time: later than every revision before a restart, as changes are rarer than milliseconds.
        let newest = store.recommendations(&RecommendationFilter::default())?;
        let newest = newest.iter().map(|row| row.updated_at.millis()).max().unwrap_or(0);
        let revision = watch::Sender::new(u64::try_from(newest).unwrap_or(0));
        Ok(Self(Arc::new(Inner { store, revision, turn: Mutex::new(()) })))
    }

    /// Takes what the advisors propose at `now`; ids are given here, and what is past its time expires.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn propose(&self, rows: Vec<RecommendationRow>, now: Timestamp) -> Result<Proposals, LedgerError> {
        let _turn = self.0.turn.lock();
        let mut known = self.0.store.recommendations(&RecommendationFilter::default())?;
        let mut ids: HashSet<String> = known.iter().map(|row| row.id.clone()).collect();
        let mut changes = Changes::default();
        let mut proposals = Proposals { expired: changes.expire(&mut known, now), ..Proposals::default() };
        for new in rows {
            let same_target: Vec<RecommendationRow> =
                known.iter().filter(|row| row.kind == new.kind && row.target == new.target).cloned().collect();
            // What a revert proposes and is there already was done by hand.
            let done = |row: &&RecommendationRow| {
                matches!(row.state, State::Proposed | State::Accepted) && is_revert(row) && row.proposed == new.current
            };
            let done: Vec<String> = same_target.iter().filter(done).map(|row| row.id.clone()).collect();
            for id in &done {
                changes.turn(&mut known, id, State::Expired, SELF, Some("what it proposes is in force"), now);
            }
            let same_target: Vec<RecommendationRow> =
                known.iter().filter(|row| row.kind == new.kind && row.target == new.target).cloned().collect();
            let verdict = weigh(&new, &same_target);
            let replaces = match verdict {
                Verdict::Withhold => {
                    proposals.withheld += 1;
                    continue;
                }
                Verdict::Refresh(row) => {
                    proposals.refreshed += 1;
                    changes.refresh(*row, &mut known, now);
                    continue;
                }
                Verdict::Replace(old) => {
                    proposals.replaced += 1;
                    let note = "a better proposal took its place";
                    changes.turn(&mut known, &old.id, State::Expired, SELF, Some(note), now);
                    Some(old.id)
                }
                Verdict::Add => None,
            };
            let id = fresh_id(new.kind, &new.target, |id| ids.contains(id));
            ids.insert(id.clone());
            let row =
                RecommendationRow { id, state: State::Proposed, created_at: now, updated_at: now, replaces, ..new };
            changes.outcomes.push(outcome(&row, None, State::Proposed, SELF, None, now));
            changes.rows.push(row.clone());
            known.insert(0, row);
            proposals.added += 1;
        }
        self.write(changes)?;
        Ok(proposals)
    }

    /// Somebody agrees.
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

    /// Somebody declines.
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

    /// Somebody put it into effect.
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

    /// Judges applied recommendations: `measure` says what one did between its application and `now`, or none while
    /// the data do not suffice. Of one that did not keep its promise the way back is proposed.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn verify(
        &self,
        measure: impl Fn(&RecommendationRow, Timestamp) -> Option<Measured>,
        now: Timestamp,
    ) -> Result<Verdicts, LedgerError> {
        let _turn = self.0.turn.lock();
        let filter = RecommendationFilter { states: vec![State::Applied], ..RecommendationFilter::default() };
        let mut known = self.0.store.recommendations(&filter)?;
        let (mut changes, mut verdicts) = (Changes::default(), Verdicts::default());
        for row in known.clone() {
            let filter = OutcomeFilter {
                recommendations: vec![row.id.clone()],
                to_state: Some(State::Applied),
                ..OutcomeFilter::default()
            };
            let applied_at = self.0.store.outcomes(&filter)?.first().map(|outcome| outcome.at);
            let Some(measured) = applied_at.and_then(|applied_at| measure(&row, applied_at)) else {
                verdicts.pending += 1;
                continue;
            };
            let kept = measured.keeps(row.effect.lower, row.effect.upper);
            let (to, note) = if kept {
                verdicts.verified += 1;
                (State::Verified, None)
            } else {
                verdicts.regressed += 1;
                let broken = measured.broken.as_deref().unwrap_or("it did not keep its promise");
                (State::Regressed, Some(format!("{broken}; revert it")))
            };
            changes.turn(&mut known, &row.id, to, SELF, note.as_deref(), now);
            if let Some(outcome) = changes.outcomes.last_mut() {
                outcome.realised = Some(measured.value);
                outcome.realised_lower = Some(measured.lower);
                outcome.realised_upper = Some(measured.upper);
            }
            if !kept && !is_revert(&row) {
                let mut all = self.0.store.recommendations(&RecommendationFilter::default())?;
                let taken =
                    |id: &str| all.iter().any(|row| row.id == id) || changes.rows.iter().any(|row| row.id == id);
                let id = fresh_id(row.kind, &row.target, taken);
                if let Some(back) = revert(&row, &measured, id, now) {
                    // What was proposed meanwhile rests on the same belief, and two proposals on one target are one too many.
                    changes.end_others(
                        &mut all,
                        &back,
                        &[State::Proposed, State::Accepted],
                        "its target is to be reverted",
                        now,
                    );
                    changes.outcomes.push(outcome(&back, None, State::Proposed, SELF, None, now));
                    changes.rows.push(back);
                }
            }
        }
        self.write(changes)?;
        Ok(verdicts)
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

    /// Hears every revision from now on.
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
        let _turn = self.0.turn.lock();
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
        changes.turn(&mut known, id, to, actor, note, now);
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

impl Changes {
    /// Ends the open recommendations whose time has passed; how many there were.
    fn expire(&mut self, known: &mut [RecommendationRow], now: Timestamp) -> usize {
        let open = |row: &&RecommendationRow| matches!(row.state, State::Proposed | State::Accepted);
        let past = |row: &&RecommendationRow| row.valid_until.is_some_and(|until| until < now);
        let ids: Vec<String> = known.iter().filter(open).filter(past).map(|row| row.id.clone()).collect();
        for id in &ids {
            self.turn(known, id, State::Expired, SELF, Some("its time has passed"), now);
        }
        ids.len()
    }

    /// Ends the other recommendations of a row's target that are in one of these states.
    fn end_others(
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
            self.turn(known, &id, State::Expired, SELF, Some(note), now);
        }
    }

    /// Takes a row with newer evidence in place of the known one, unless nothing but the time is newer.
    fn refresh(&mut self, mut row: RecommendationRow, known: &mut [RecommendationRow], now: Timestamp) {
        let Some(old) = known.iter_mut().find(|old| old.id == row.id) else { return };
        row.updated_at = old.updated_at;
        if *old == row {
            return;
        }
        row.updated_at = now;
        *old = row.clone();
        self.put(row);
    }

    fn turn(
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
        self.outcomes.push(outcome(row, Some(from), to, actor, note, now));
        let row = row.clone();
        self.put(row);
    }

    /// A row counts as it stands last.
    fn put(&mut self, row: RecommendationRow) {
        self.rows.retain(|other| other.id != row.id);
        self.rows.push(row);
    }
}

fn outcome(
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
