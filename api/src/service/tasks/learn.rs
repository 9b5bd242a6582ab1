use std::time::{Duration, Instant};

use almanac_engine::learn::CycleReport;

use super::Task;
use crate::config::Config;

/// When the configured signals are first looked at: the store has just been opened, and senders come back first.
const FIRST: Duration = Duration::from_secs(10);

/// Fits what is due and scores what is new. Signals of the store's own series join once the service has run for
/// `learn.start_after`, and are chosen anew every `learn.choose_every`.
pub(super) fn task(config: &Config) -> Task {
    let learn = config.learn.clone();
    let started = Instant::now();
    Task {
        name: "learn",
        first: FIRST.min(learn.every.duration()),
        every: learn.every.duration(),
        work: Box::new(move |state| {
            let now = state.clock.now();
            let mut scheduler = state.scheduler.lock();
            if started.elapsed() >= learn.start_after.duration()
                && scheduler.is_choice_older(now, learn.choose_every.millis())
            {
                scheduler.choose(now)?;
            }
            let round = scheduler.run_cycle(now, &|progress| {
                tracing::debug!(signal = progress.signal, done = progress.done, total = progress.total, "learned");
            })?;
            log(&round);
            Ok(())
        }),
    }
}

fn log(round: &CycleReport) {
    let (learned, scored) = (&round.learned, &round.scored);
    for (signal, reason) in &learned.failed {
        tracing::info!(signal, reason, "the signal could not be learned");
    }
    if learned.fitted > 0 {
        tracing::info!(fitted = learned.fitted, waiting = learned.waiting, "learned");
    }
    for (signal, reason) in &scored.failed {
        tracing::info!(signal, reason, "the signal could not be scored");
    }
    if scored.anomalies > 0 {
        tracing::info!(values = scored.values, anomalies = scored.anomalies, "scored");
    }
    if let Some(outliers) = round.peers.filter(|outliers| *outliers > 0) {
        tracing::info!(outliers, "instances differ from their peers");
    }
}
