use almanac_models::Timestamp;

use super::{LearnError, LearnOptions, LearnReport, Learner, Progress, ScoreReport, SignalSpec, default_signals};
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
}

/// What one round did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Round {
    /// What was fitted.
    pub learned: LearnReport,
    /// What was scored.
    pub scored: ScoreReport,
}

impl Curriculum {
    /// Nothing learned yet; `budget` is how many signals may be made of the store's own series.
    #[must_use]
    pub fn new(store: Store, configured: Vec<SignalSpec>, budget: usize, options: LearnOptions) -> Self {
        let learner = Learner::new(store.clone(), options);
        Self { store, learner, configured, budget, chosen: Vec::new(), chosen_at: None }
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

    /// Fits what is due at `now` and scores what is new; `progress` is told after each fit.
    ///
    /// # Errors
    /// [`LearnError::Store`] when rows can be neither read nor written; a signal that fails is in the report.
    pub fn round(&mut self, now: Timestamp, progress: &dyn Fn(Progress)) -> Result<Round, LearnError> {
        let learned = self.learner.learn_due(&self.signals(), now, progress)?;
        Ok(Round { learned, scored: self.learner.score_new(now)? })
    }
}
