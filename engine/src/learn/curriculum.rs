use almanac_models::Timestamp;

use super::{
    LearnError, LearnOptions, LearnReport, Learner, Progress, ScoreReport, SignalSpec,
    across::{compare_peers, suspect},
    default_signals,
};
use crate::store::Store;

/// What is to be learned, configured signals and the most telling of the store's own, and the learner that does it.
#[derive(Debug)]
pub struct Curriculum {
    store: Store,
    learner: Learner,
    configured: Vec<SignalSpec>,
    budget: usize,
    chosen: Vec<SignalSpec>,
    chosen_at: Option<Timestamp>,
    compared_at: Option<Timestamp>,
}

/// Time between two comparisons of peers: a difference counts from three steps on, and steps are rarely shorter.
const COMPARE_MS: i64 = 60_000;

/// What one round did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Round {
    /// What was fitted.
    pub learned: LearnReport,
    /// What was scored.
    pub scored: ScoreReport,
    /// Incidents suspected in the last two weeks; `None` where nothing new was odd.
    pub suspected: Option<usize>,
    /// Times found in which an instance differed from its peers; `None` where they were not due to be compared.
    pub peers: Option<usize>,
}

impl Curriculum {
    /// Nothing learned yet; `budget` is how many signals may be made of the store's own series.
    #[must_use]
    pub fn new(store: Store, configured: Vec<SignalSpec>, budget: usize, options: LearnOptions) -> Self {
        let learner = Learner::new(store.clone(), options);
        Self { store, learner, configured, budget, chosen: Vec::new(), chosen_at: None, compared_at: None }
    }

    /// Whether the store's own signals were last chosen longer than `age_ms` ago, or never.
    #[must_use]
    pub fn is_choice_older(&self, now: Timestamp, age_ms: i64) -> bool {
        self.chosen_at.is_none_or(|at| now.millis().saturating_sub(at.millis()) >= age_ms)
    }

    /// Chooses the most telling signals of the store's own series anew.
    ///
    /// # Errors
    /// [`LearnError::Store`] and [`LearnError::Source`] when the store cannot be read.
    pub fn choose(&mut self, now: Timestamp) -> Result<(), LearnError> {
        if self.budget == 0 {
            return Ok(());
        }
        self.chosen = default_signals(&self.store, now, self.budget)?;
        // A young store may have nothing to tell yet: that is no choice.
        self.chosen_at = (!self.chosen.is_empty()).then_some(now);
        Ok(())
    }

    /// The configured signals, and of the chosen ones those whose names are not taken.
    #[must_use]
    pub fn signals(&self) -> Vec<SignalSpec> {
        let is_free = |spec: &&SignalSpec| !self.configured.iter().any(|own| own.name == spec.name);
        self.configured.iter().chain(self.chosen.iter().filter(is_free)).cloned().collect()
    }

    /// Fits what is due at `now`, scores what is new, and looks at what several signals say together; `progress` is told after each fit.
    ///
    /// # Errors
    /// [`LearnError::Store`] when rows can be neither read nor written; a signal that fails is in the report.
    pub fn round(&mut self, now: Timestamp, progress: &dyn Fn(Progress)) -> Result<Round, LearnError> {
        let signals = self.signals();
        let learned = self.learner.learn_due(&signals, now, progress)?;
        let scored = self.learner.score_new(now)?;
        let odd = learned.fitted > 0 || scored.anomalies > 0;
        let suspected = if odd { Some(suspect(&self.store, now)?) } else { None };
        let due = self.compared_at.is_none_or(|at| now.millis().saturating_sub(at.millis()) >= COMPARE_MS);
        let peers = if due { Some(compare_peers(&self.store, &signals, now)?) } else { None };
        if due {
            self.compared_at = Some(now);
        }
        Ok(Round { learned, scored, suspected, peers })
    }
}
