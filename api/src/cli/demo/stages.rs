//! The stages of the demo that change the store: import and learning.

use super::application;
use crate::{
    cli::{CliError, Global, progress},
    config::Config,
};
use almanac_datasets::recorded::{ApplicationRecording, Recording};
use almanac_engine::{
    ingest::Ingest,
    learn::{LearnOptions, LearningScheduler, Progress, SignalSpec},
    series::{SeriesId, SeriesSamples},
    store::{SampleBatch, Store, rows::SignalOrigin},
};
use almanac_models::{Horizon, Step, Timestamp};

/// Samples per append, about as many as a sender delivers when it catches up.
const BATCH: usize = 20_000;

/// Imports both recordings as a sender would: sorted by time, waiting for the commit of each batch. Returns the number of
/// samples written.
///
/// # Errors
/// A failure of the store.
pub(super) fn ingest(
    ingest: &Ingest,
    recording: &Recording,
    application: &ApplicationRecording,
    global: &Global,
) -> Result<u64, CliError> {
    let store: &Store = ingest.store();
    let failed = |error: &almanac_engine::store::StoreError| CliError::from_error(error);
    let series: Vec<&SeriesSamples> = recording.series.iter().chain(&application.series).collect();
    let mut ids: Vec<SeriesId> = Vec::with_capacity(series.len());
    for one in &series {
        ids.push(store.resolve(&one.labels).map_err(|error| failed(&error))?);
    }
    let mut order: Vec<(i64, usize, usize)> = Vec::with_capacity(recording.n_samples() + application.n_samples());
    for (idx, one) in series.iter().enumerate() {
        order.extend(one.timestamps.iter().enumerate().map(|(row, at)| (*at, idx, row)));
    }
    order.sort_unstable();
    let mut written = 0;
    let bar = progress::counted(global, "importing", "samples", order.len() as u64);
    for part in order.chunks(BATCH) {
        let batch = SampleBatch {
            series: part.iter().map(|(_, idx, _)| ids[*idx]).collect(),
            timestamps: part.iter().map(|(at, ..)| *at).collect(),
            values: part.iter().map(|(_, idx, row)| series[*idx].values[*row]).collect(),
            ..SampleBatch::default()
        };
        let pending = ingest.append(batch).map_err(|error| failed(&error))?;
        written += pending.wait().map_err(|error| failed(&error))?.samples_written;
        bar.inc(part.len() as u64);
    }
    store.put_events(recording.events.clone()).map_err(|error| failed(&error))?;
    application::put_rows(store, application).map_err(|error| failed(&error))?;
    Ok(written)
}

/// Learns the configured signals, with `end` as the present.
///
/// # Errors
/// A failure of the store. A signal that cannot be fitted is not an error; its row has the reason.
pub(super) fn learn(store: &Store, config: &Config, end: Timestamp, global: &Global) -> Result<(), CliError> {
    let spec = |signal: &crate::config::Signal| -> Result<SignalSpec, almanac_models::UnitError> {
        let step_ms = signal.step.millis();
        Ok(SignalSpec {
            name: signal.name.clone(),
            expr: signal.expr.clone(),
            step: Step::from_millis(step_ms)?,
            seasons: None,
            horizon: Horizon::try_new(usize::try_from(signal.horizon.millis() / step_ms.max(1)).unwrap_or(0))?,
            origin: SignalOrigin::Configured,
        })
    };
    let specs: Result<Vec<SignalSpec>, _> = config.signals.iter().map(spec).collect();
    let specs = specs.map_err(|error| CliError::from_error(&error))?;
    let bar = progress::counted(global, "learning", "signals", specs.len() as u64);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let options = LearnOptions { threads, ..LearnOptions::default() };
    let show_progress = |progress: Progress| {
        bar.set_position(progress.done as u64);
        bar.set_message(progress.signal);
    };
    let learned = LearningScheduler::new(store.clone(), specs, 0, options)
        .run_cycle(end, &show_progress)
        .map_err(|error| CliError::from_error(&error));
    bar.finish_and_clear();
    learned.map(drop)
}
