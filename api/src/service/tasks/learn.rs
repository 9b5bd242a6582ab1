use std::time::{Duration, Instant};

use almanac_engine::learn::{Learner, SignalSpec, default_signals};
use almanac_models::UnitError;

use super::Task;
use crate::config::Config;

/// When the configured signals are first looked at: the store has just been opened, and senders come back first.
const FIRST: Duration = Duration::from_secs(10);

/// Fits what is due and scores what is new. Signals of the store's own series join once the service has run for
/// `learn.start_after`, and are chosen anew every `learn.choose_every`.
///
/// # Errors
/// [`UnitError`] when a step or a horizon of the configuration is out of range.
pub(super) fn task(config: &Config) -> Result<Task, UnitError> {
    let configured = config.signal_specs()?;
    let (options, learn) = (config.learn_options(), config.learn.clone());
    let started = Instant::now();
    let mut learner: Option<Learner> = None;
    let mut chosen: Vec<SignalSpec> = Vec::new();
    let mut chosen_at: Option<Instant> = None;
    Ok(Task {
        name: "learn",
        first: FIRST.min(learn.every.duration()),
        every: learn.every.duration(),
        work: Box::new(move |state| {
            let now = state.clock.now();
            let choose = learn.default_signals > 0
                && started.elapsed() >= learn.start_after.duration()
                && chosen_at.is_none_or(|at| at.elapsed() >= learn.choose_every.duration());
            if choose {
                chosen = default_signals(&state.store, now, learn.default_signals)?;
                // A young store may have nothing to tell yet: look again at the next run.
                chosen_at = (!chosen.is_empty()).then(Instant::now);
                tracing::debug!(signals = chosen.len(), "chose the most telling signals of the store's own series");
            }
            let specs = together(&configured, &chosen);
            let learner = learner.get_or_insert_with(|| Learner::new(state.store.clone(), options.clone()));
            let report = learner.learn_due(&specs, now, &|progress| {
                tracing::debug!(signal = progress.signal, done = progress.done, total = progress.total, "learned");
            })?;
            for (signal, reason) in &report.failed {
                tracing::info!(signal, reason, "the signal could not be learned");
            }
            if report.fitted > 0 {
                tracing::info!(fitted = report.fitted, waiting = report.waiting, "learned");
            }
            let scores = learner.score_new(now)?;
            for (signal, reason) in &scores.failed {
                tracing::info!(signal, reason, "the signal could not be scored");
            }
            if scores.anomalies > 0 {
                tracing::info!(values = scores.values, anomalies = scores.anomalies, "scored");
            }
            Ok(())
        }),
    })
}

/// The configured signals, and of the chosen ones those whose names are not taken.
pub(crate) fn together(configured: &[SignalSpec], chosen: &[SignalSpec]) -> Vec<SignalSpec> {
    let taken = |spec: &&SignalSpec| !configured.iter().any(|own| own.name == spec.name);
    configured.iter().chain(chosen.iter().filter(taken)).cloned().collect()
}
