//! The example application of the second recording: its pools, its batch and its database as targets of advisors, and its
//! rows in the demo's store.

use std::io::{self, Write};

use almanac_datasets::recorded::{ApplicationManifest, ApplicationRecording};
use almanac_engine::{
    advise::{
        AdviceSpecs, Advisor,
        batch::{BatchSpec, Batches},
        database::{DatabaseSpec, index::Indexes, query::Queries, settings::Settings},
        pool::{Amount, Pool, PoolSpec},
    },
    store::{Store, StoreError},
};
use almanac_models::Timestamp;

use super::cards;

/// Name of the database.
const DATABASE: &str = "app";
/// Kinds whose targets have planted faults: each must propose something.
pub(super) const KINDS: [&str; 5] = [Indexes::KIND, Queries::KIND, Settings::KIND, Batches::KIND, Pool::KIND];
/// Longest acceptable wait for a connection, milliseconds.
const WAIT_MAX_MS: i64 = 10;
/// Time limit of the wait for a connection, milliseconds: SQLAlchemy's default, and that of the application's other pools.
const TIMEOUT_MS: i64 = 30_000;
/// Step of the pools: the distance of scrapes, milliseconds.
const STEP_MS: i64 = 5_000;
/// Span of the pools, milliseconds: as in the configuration that the application prints, more than was recorded.
const HISTORY_MS: i64 = 3_600_000;
/// Range of rates, milliseconds.
const WINDOW_MS: i64 = 60_000;
/// Step of the batches, milliseconds: an import comes every 15 s, each in pages of another size.
const BATCH_STEP_MS: i64 = 30_000;

/// Shifts the recording to end at `end` or a little earlier: by whole steps of the batches, so that steps divide it as they did
/// when it was recorded, and advice does not depend on the time of the demo.
pub(super) fn ending_by(recording: ApplicationRecording, end: Timestamp) -> ApplicationRecording {
    let late_ms = (end.millis() - recording.end().millis()).rem_euclid(BATCH_STEP_MS);
    recording.ending_at(end.plus_millis(-late_ms))
}

/// Prints what was recorded of the application.
///
/// # Errors
/// The output cannot be written.
pub(super) fn introduce(out: &mut impl Write, recording: &ApplicationRecording) -> io::Result<()> {
    let manifest = &recording.manifest;
    #[expect(clippy::cast_precision_loss, reason = "a count of rows")]
    let rows = cards::count(manifest.rows.values().sum::<u64>() as f64);
    cards::paragraph(
        out,
        &format!(
            "Beside it what a service stored of the example application (datasets/app) and its database of {rows} rows, on {}: {} requests in \
             {:.0} minutes, which are a day of its load, with {} planted faults. {} statements, {} series. Durations are not scaled; \
             figures of a day are those of 24 hours at the mean load.",
            manifest.recorded_at.get(..10).unwrap_or(&manifest.recorded_at),
            manifest.requests,
            manifest.seconds / 60.0,
            manifest.faults.len(),
            recording.database.statements.len(),
            recording.series.len(),
        ),
    )?;
    writeln!(out)
}

/// Writes the rows of the recording as the service did that recorded them.
///
/// # Errors
/// [`StoreError`].
pub(super) fn put_rows(store: &Store, recording: &ApplicationRecording) -> Result<(), StoreError> {
    store.put_database_use(recording.database.clone())?;
    store.put_database_catalogue(recording.catalogue.clone())?;
    store.put_request_statements(recording.requests.clone())
}

/// Adds the targets of the application.
pub(super) fn push_specs(specs: &mut AdviceSpecs, manifest: &ApplicationManifest) {
    let database = DatabaseSpec::new(DATABASE);
    specs.push::<Indexes>(database.clone());
    specs.push::<Queries>(database.clone());
    specs.push::<Settings>(database);
    let selector = r#"{job="app",statement="calendar_events"}"#;
    specs.push::<Batches>(BatchSpec {
        name: "calendar_events".to_owned(),
        rows: Some(format!("db_batch_rows{selector}")),
        seconds: Some(format!("db_batch_seconds{selector}")),
        step_ms: BATCH_STEP_MS,
        ..BatchSpec::default()
    });
    for (name, pool) in &manifest.pools {
        specs.push::<Pool>(pool_spec(name, pool.size, pool.overflow, manifest.seconds));
    }
}

/// Returns a pool of the application; `seconds`: length of the recording, which is a day of its load.
fn pool_spec(name: &str, size: u32, overflow: u32, seconds: f64) -> PoolSpec {
    let selector = format!(r#"{{job="app",pool="{name}"}}"#);
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds of some minutes")]
    let day_ms = (seconds * 1000.0).round() as i64;
    PoolSpec {
        in_use: format!("sum(db_pool_in_use{selector})"),
        arrivals: format!("sum(rate(db_pool_checkouts_total{selector}[1m]))"),
        hold: format!("db_pool_hold_seconds{selector}"),
        wait: Some(format!("db_pool_wait_seconds{selector}")),
        size: Amount::Number(f64::from(size)),
        // Only SQLAlchemy's pool may open further connections.
        overflow: (name == "orm").then(|| Amount::Number(f64::from(overflow))),
        wait_max_ms: WAIT_MAX_MS,
        timeout_ms: Some(TIMEOUT_MS),
        database: Some(DATABASE.to_owned()),
        step_ms: STEP_MS,
        window_ms: WINDOW_MS,
        history_ms: HISTORY_MS,
        day_ms,
        ..PoolSpec::new(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recording_is_shifted_by_whole_steps() {
        let recording = ApplicationRecording::load().unwrap();
        for second in 0..60 {
            let end = Timestamp::from_millis(1_800_000_000_000 + 1_000 * second);
            let moved = ending_by(recording.clone(), end);
            let late_ms = end.millis() - moved.end().millis();
            assert!((0..BATCH_STEP_MS).contains(&late_ms), "{late_ms}");
            assert_eq!((moved.end().millis() - recording.end().millis()) % BATCH_STEP_MS, 0);
        }
    }

    #[test]
    fn the_introduction_says_what_was_planted() {
        let mut out = Vec::new();
        introduce(&mut out, &ApplicationRecording::load().unwrap()).unwrap();
        let text = String::from_utf8(out).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains("database of 1,000,000 rows") && text.contains("with 23 planted faults"), "{text}");
    }
}
