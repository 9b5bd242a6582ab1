//! The loop that evaluates groups when they are due.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use almanac_engine::{
    learn::LearnedSource,
    rules::{Evaluated, RuleBook},
    signal::{EvalLimits, Feature, VectorSample},
    store::{HistogramSample, SampleBatch, Store, StoreError},
};
use almanac_models::Timestamp;

use super::send::Sender;
use crate::http::AppState;

/// Time until the next look while the clock is in doubt.
const LEAP_WAIT: Duration = Duration::from_secs(5);
/// Most samples of a rule in memory.
const MAX_SAMPLES: usize = 20_000_000;

/// Evaluates the groups until the service shuts down. A group whose evaluation takes longer than its interval skips the
/// evaluations in between.
pub(in crate::service::tasks) async fn run(state: AppState) {
    let mut book = state.config.rule_book();
    for fault in &book.faults {
        tracing::error!(file = fault.file, rule = fault.rule, reason = fault.reason, "rule cannot be evaluated");
    }
    let sender = Sender::start(&state.config.alerts.alertmanagers);
    state.rules.publish(book.clone());
    let start_ms = state.clock.now().millis();
    let mut due: Vec<i64> = book.groups.iter().map(|group| group.next_after(start_ms)).collect();
    loop {
        let now_ms = match state.steady_now() {
            Ok(now) => now.millis(),
            Err(_) => {
                if stopped_within(&state, LEAP_WAIT).await {
                    return;
                }
                // The evaluations that a leap contains are left out.
                let now_ms = state.clock.now().millis();
                due = book.groups.iter().map(|group| group.next_after(now_ms)).collect();
                continue;
            }
        };
        let Some(next_ms) = due.iter().copied().min() else {
            // Without a group there is nothing to do.
            state.stopping.cancelled().await;
            return;
        };
        if next_ms > now_ms {
            let wait = Duration::from_millis(u64::try_from(next_ms - now_ms).unwrap_or(0));
            if stopped_within(&state, wait.min(LEAP_WAIT)).await {
                return;
            }
            continue;
        }
        let (shared, mut working, times) = (state.clone(), book, due.clone());
        let evaluation = tokio::task::spawn_blocking(move || {
            let mut notices = Vec::new();
            for idx in (0..working.groups.len()).filter(|idx| times[*idx] <= now_ms) {
                let done = evaluate(&shared, &mut working, idx, times[idx]);
                for (rule, reason) in done.failures {
                    let group = &working.groups[idx];
                    tracing::warn!(file = group.file, group = group.name, rule, reason, "rule failed");
                }
                notices.extend(done.notices);
            }
            (working, notices)
        });
        // An error: a panic, after which the task is started again, or the shutdown of the runtime.
        let (evaluated, notices) = match evaluation.await {
            Ok(done) => done,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return,
        };
        book = evaluated;
        state.rules.publish(book.clone());
        sender.send(notices);
        let after_ms = state.clock.now().millis();
        for (group, due) in book.groups.iter().zip(&mut due).filter(|(_, due)| **due <= now_ms) {
            *due = group.next_after((*due).max(after_ms - group.interval_ms));
        }
    }
}

/// Waits; returns whether the service shuts down.
async fn stopped_within(state: &AppState, wait: Duration) -> bool {
    tokio::select! {
        () = state.stopping.cancelled() => true,
        () = tokio::time::sleep(wait) => false,
    }
}

/// Evaluates one group at its time and stores what its rules write.
fn evaluate(state: &AppState, book: &mut RuleBook, idx: usize, at_ms: i64) -> Evaluated {
    let source = LearnedSource::new(state.store.clone(), Timestamp::from_millis(at_ms));
    let delays_names = state.config.promql.enables(Feature::DelayedNameRemoval);
    let limits = EvalLimits { max_samples: MAX_SAMPLES, delays_names, ..EvalLimits::default() };
    let started = Instant::now();
    let mut write = |at_ms: i64, samples: &[VectorSample]| {
        store(&state.store, at_ms, samples).map_err(|error| crate::chain(&error))
    };
    book.groups[idx].evaluate(&source, at_ms, &limits, &|| started.elapsed(), &mut write)
}

/// Stores samples of one time, and waits until they are on disk.
fn store(store: &Store, at_ms: i64, samples: &[VectorSample]) -> Result<(), StoreError> {
    let mut batch = SampleBatch::default();
    for sample in samples {
        let series = store.resolve(&sample.labels)?;
        match &sample.histogram {
            Some(histogram) => {
                let histogram = Arc::clone(histogram);
                batch.histograms.push(HistogramSample { series, timestamp_ms: at_ms, histogram });
            }
            None => batch.push(series, at_ms, sample.value),
        }
    }
    store.append(batch)?.wait()?;
    Ok(())
}
