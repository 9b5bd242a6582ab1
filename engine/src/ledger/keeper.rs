use std::sync::Arc;

use almanac_models::Timestamp;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::LedgerError;
use crate::store::{
    Store,
    rows::{RecommendationFilter, RecommendationRow, State},
};

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
    /// Old ones whose evidence was refreshed.
    pub refreshed: usize,
    /// Proposals not made, because the same was dismissed and the facts have not changed.
    pub withheld: usize,
    /// Old ones whose time had passed.
    pub expired: usize,
}

impl Ledger {
    /// The ledger that `store` keeps.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn new(store: Store) -> Result<Self, LedgerError> {
        let revision = watch::Sender::new(0);
        Ok(Self(Arc::new(Inner { store, revision, turn: Mutex::new(()) })))
    }

    /// Takes what the advisors propose at `now`.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn propose(&self, rows: Vec<RecommendationRow>, now: Timestamp) -> Result<Proposals, LedgerError> {
        let _turn = self.0.turn.lock();
        let _ = (rows, now);
        Ok(Proposals::default())
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

    /// Lists recommendations, the newest first.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn list(&self, filter: &RecommendationFilter) -> Result<Vec<RecommendationRow>, LedgerError> {
        Ok(self.0.store.recommendations(filter)?)
    }

    /// Changes whenever anything in the ledger does; for ETag and waiting.
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
        let _ = (to, actor, note, now);
        Err(LedgerError::Unknown { id: id.to_owned() })
    }
}
