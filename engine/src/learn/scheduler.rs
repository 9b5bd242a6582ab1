//! Runs one learning cycle: fits and scores configured and default signals, then compares them. Called at an interval.

use almanac_models::Timestamp;

use super::{
    LearnError, LearnOptions, LearnReport, Learner, Progress, ScoreReport, SignalSpec,
    across::{compare_peers, correlate, group_incidents},
    choose::{default_signals, without_covered},
};
use crate::store::Store;

/// Runs learning cycles over the configured signals and the default signals chosen from the store.
#[derive(Debug)]
pub struct LearningScheduler {
    store: Store,
    learner: Learner,
    configured: Vec<SignalSpec>,
    budget: usize,
    chosen: Vec<SignalSpec>,
    chosen_at: Option<Timestamp>,
    compared_at: Option<Timestamp>,
    correlated_at: Option<Timestamp>,
}

/// Minimum interval between two comparisons of peers, in milliseconds. A difference counts only
/// after three steps.
const PEERS_INTERVAL_MS: i64 = 60_000;
/// Minimum interval between two computations of correlations, in milliseconds: a week of values changes little in an
/// hour.
const CORRELATIONS_INTERVAL_MS: i64 = 3_600_000;

/// Result of one learning cycle.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CycleReport {
    /// Result of the fits.
    pub learned: LearnReport,
    /// Result of the scoring.
    pub scored: ScoreReport,
    /// Number of suspected incidents of the last two weeks; `None` if there was no new anomaly to group.
    pub suspected: Option<usize>,
    /// Number of spans in which an instance differed from its peers; `None` if the comparison was not due.
    pub peers: Option<usize>,
    /// Number of correlated pairs of signals and caches; `None` if the computation was not due.
    pub correlations: Option<usize>,
}

impl LearningScheduler {
    /// Creates a scheduler for the `configured` signals and at most `budget` default signals.
    #[must_use]
    pub fn new(store: Store, configured: Vec<SignalSpec>, budget: usize, options: LearnOptions) -> Self {
        let learner = Learner::new(store.clone(), options);
        Self {
            store,
            learner,
            configured,
            budget,
            chosen: Vec::new(),
            chosen_at: None,
            compared_at: None,
            correlated_at: None,
        }
    }

    /// Whether the default signals were chosen at least `age_ms` ago, or never.
    #[must_use]
    pub fn is_choice_older(&self, now: Timestamp, age_ms: i64) -> bool {
        is_due(self.chosen_at, now, age_ms)
    }

    /// Chooses the default signals again.
    ///
    /// # Errors
    /// [`LearnError::Store`] and [`LearnError::Source`] if the store cannot be read.
    pub fn choose(&mut self, now: Timestamp) -> Result<(), LearnError> {
        if self.budget == 0 {
            return Ok(());
        }
        let candidates = default_signals(&self.store, now, self.budget)?;
        // In a new store no series qualifies yet. The choice then stays due, and the next cycle chooses again.
        self.chosen_at = (!candidates.is_empty()).then_some(now);
        self.chosen = without_covered(&self.store, &self.configured, candidates, now)?;
        Ok(())
    }

    /// Returns the configured signals and the default ones.
    #[must_use]
    pub fn signals(&self) -> Vec<SignalSpec> {
        self.configured.iter().chain(&self.chosen).cloned().collect()
    }

    /// Fits the signals that are due at `now`, scores new values and compares signals. Calls `progress` after each fit.
    ///
    /// # Errors
    /// [`LearnError::Store`] if rows cannot be read or written. A signal that fails is listed in the report.
    pub fn run_cycle(&mut self, now: Timestamp, progress: &dyn Fn(Progress)) -> Result<CycleReport, LearnError> {
        let signals = self.signals();
        let learned = self.learner.learn_due(&signals, now, progress)?;
        let scored = self.learner.score_new(now)?;
        // A fit may store anomalies of the past, so that it needs a new grouping too.
        let has_new_scores = learned.fitted > 0 || scored.anomalies > 0;
        let suspected = if has_new_scores { Some(group_incidents(&self.store, now)?) } else { None };
        let peers = if is_due(self.compared_at, now, PEERS_INTERVAL_MS) {
            self.compared_at = Some(now);
            Some(compare_peers(&self.store, &signals, now)?)
        } else {
            None
        };
        let correlations = if is_due(self.correlated_at, now, CORRELATIONS_INTERVAL_MS) {
            self.correlated_at = Some(now);
            Some(correlate(&self.store, now)?)
        } else {
            None
        };
        Ok(CycleReport { learned, scored, suspected, peers, correlations })
    }
}

/// Whether work that was done at `last` is due again. A time in the future means that the clock was set back.
fn is_due(last: Option<Timestamp>, now: Timestamp, every_ms: i64) -> bool {
    last.is_none_or(|at| !(0..every_ms).contains(&now.millis().saturating_sub(at.millis())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_due_after_its_interval_and_when_the_clock_was_set_back() {
        let check = |last: Option<i64>, expected| {
            let last = last.map(Timestamp::from_millis);
            assert_eq!(is_due(last, Timestamp::from_millis(1_000), 100), expected, "{last:?}");
        };
        check(None, true);
        check(Some(1_000), false);
        check(Some(901), false);
        check(Some(900), true);
        check(Some(1_001), true);
    }
}
