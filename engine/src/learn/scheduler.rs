//! Decides what is learned when: configured signals, default signals of the store, peers and correlations; called at an interval.

use almanac_models::Timestamp;

use super::{
    LearnError, LearnOptions, LearnReport, Learner, Progress, ScoreReport, SignalSpec,
    across::{compare_peers, correlate, group_incidents},
    choose::{default_signals, without_covered},
};
use crate::store::Store;

/// The signals to learn, configured ones and the most informative of the store's own, and the learner that learns them.
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

/// Least time between two comparisons of peers: a difference counts from three steps on, and steps are rarely shorter.
const COMPARE_MS: i64 = 60_000;
/// Least time between two computations of correlations: a week of values changes little within an hour.
const CORRELATE_MS: i64 = 3_600_000;

/// What one cycle did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CycleReport {
    /// What was fitted.
    pub learned: LearnReport,
    /// What was scored.
    pub scored: ScoreReport,
    /// Incidents suspected in the last two weeks; `None` where no new anomaly made another grouping necessary.
    pub suspected: Option<usize>,
    /// Times found in which an instance differed from its peers; `None` where they were not due to be compared.
    pub peers: Option<usize>,
    /// Pairs of signals and caches that move together; `None` where they were not due to be compared.
    pub correlations: Option<usize>,
}

impl LearningScheduler {
    /// Nothing learned yet; `budget` is how many signals may be made of the store's own series.
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

    /// Whether the store's own signals were last chosen longer than `age_ms` ago, or never.
    #[must_use]
    pub fn is_choice_older(&self, now: Timestamp, age_ms: i64) -> bool {
        self.chosen_at.is_none_or(|at| now.millis().saturating_sub(at.millis()) >= age_ms)
    }

    /// Chooses the most informative of the store's own series as signals, anew.
    ///
    /// # Errors
    /// [`LearnError::Store`] and [`LearnError::Source`] when the store cannot be read.
    pub fn choose(&mut self, now: Timestamp) -> Result<(), LearnError> {
        if self.budget == 0 {
            return Ok(());
        }
        let candidates = default_signals(&self.store, now, self.budget)?;
        // In a young store no series qualifies yet: the next cycle chooses again.
        self.chosen_at = (!candidates.is_empty()).then_some(now);
        self.chosen = without_covered(&self.store, &self.configured, candidates, now)?;
        Ok(())
    }

    /// The configured signals and the chosen ones.
    #[must_use]
    pub fn signals(&self) -> Vec<SignalSpec> {
        self.configured.iter().chain(&self.chosen).cloned().collect()
    }

    /// Fits what is due at `now`, scores what is new, and compares several signals with each other; `progress` is called after each fit.
    ///
    /// # Errors
    /// [`LearnError::Store`] when rows can be neither read nor written; a signal that fails is in the report.
    pub fn run_cycle(&mut self, now: Timestamp, progress: &dyn Fn(Progress)) -> Result<CycleReport, LearnError> {
        let signals = self.signals();
        let learned = self.learner.learn_due(&signals, now, progress)?;
        let scored = self.learner.score_new(now)?;
        let odd = learned.fitted > 0 || scored.anomalies > 0;
        let suspected = if odd { Some(group_incidents(&self.store, now)?) } else { None };
        let is_due = |last: Option<Timestamp>, every_ms: i64| {
            last.is_none_or(|at| now.millis().saturating_sub(at.millis()) >= every_ms)
        };
        let peers = if is_due(self.compared_at, COMPARE_MS) {
            self.compared_at = Some(now);
            Some(compare_peers(&self.store, &signals, now)?)
        } else {
            None
        };
        let correlations = if is_due(self.correlated_at, CORRELATE_MS) {
            self.correlated_at = Some(now);
            Some(correlate(&self.store, now)?)
        } else {
            None
        };
        Ok(CycleReport { learned, scored, suspected, peers, correlations })
    }
}
