//! The task `learn`: chooses default signals, fits signals that are due, and scores new values.

use std::time::{Duration, Instant};

use almanac_engine::learn::CycleReport;

use super::Task;
use crate::config::Config;

/// Delay of the first run, so that senders can reconnect and deliver queued samples after a restart.
const FIRST_RUN_DELAY: Duration = Duration::from_secs(10);

/// Builds the task. Default signals are first chosen `learn.start_after` after the start, then every
/// `learn.choose_every`.
pub(super) fn task(config: &Config) -> Task {
    let learn = config.learn.clone();
    let started = Instant::now();
    Task {
        name: "learn",
        first: FIRST_RUN_DELAY.min(learn.every.duration()),
        every: learn.every.duration(),
        work: Box::new(move |state, now| {
            let mut scheduler = state.scheduler.lock();
            if started.elapsed() >= learn.start_after.duration()
                && scheduler.is_choice_older(now, learn.choose_every.millis())
            {
                scheduler.choose(now)?;
            }
            let report = scheduler.run_cycle(now, &|progress| {
                tracing::debug!(
                    signal = progress.signal,
                    done = progress.done,
                    total = progress.total,
                    "signal fitted"
                );
            })?;
            log(&report);
            Ok(())
        }),
    }
}

fn log(report: &CycleReport) {
    let (learned, scored) = (&report.learned, &report.scored);
    for (signal, reason) in &learned.failed {
        tracing::info!(signal, reason, "signal could not be fitted");
    }
    if learned.fitted > 0 {
        tracing::info!(fitted = learned.fitted, waiting = learned.waiting, "signals fitted");
    }
    for (signal, reason) in &scored.failed {
        tracing::info!(signal, reason, "signal could not be scored");
    }
    if scored.anomalies > 0 {
        tracing::info!(values = scored.values, anomalies = scored.anomalies, "values scored");
    }
    if let Some(outliers) = report.peers.filter(|outliers| *outliers > 0) {
        tracing::info!(outliers, "instances differ from their peers");
    }
}
