//! Reads the embedded recording into series and events. Called by `almanac demo` and by tests.

use almanac_engine::{
    series::SeriesSamples,
    store::rows::{CacheEvent, CacheOp, Deploy, EventBatch, Incident, IncidentVerdict},
};
use almanac_models::Timestamp;

use super::{
    Manifest, RecordingError,
    parquet::{Embedded, each_row, newest, read_series},
};

/// Hand-written alerting rules of the recorded application: the present thresholds.
pub const RULES_YAML: &str = include_str!("../../recorder/rules.yml");

const MANIFEST: &str = include_str!("../../recorded/manifest.json");
const SAMPLES: Embedded = ("samples.parquet", include_bytes!("../../recorded/samples.parquet"));
const CACHE_EVENTS: Embedded = ("cache_events.parquet", include_bytes!("../../recorded/cache_events.parquet"));
const INCIDENTS: Embedded = ("incidents.parquet", include_bytes!("../../recorded/incidents.parquet"));
const DEPLOYS: Embedded = ("deploys.parquet", include_bytes!("../../recorded/deploys.parquet"));

/// Recording with its manifest, samples and events.
#[derive(Debug, Clone)]
pub struct Recording {
    /// Description of the recording.
    pub manifest: Manifest,
    /// Samples; stale markers where a series ended or a scrape failed.
    pub series: Vec<SeriesSamples>,
    /// Reads, invalidations and origin writes of the application's caches; incidents; deploys.
    pub events: EventBatch,
}

impl Recording {
    /// Reads the embedded recording.
    ///
    /// # Errors
    /// [`RecordingError`] when no temporary file can be written.
    ///
    /// ```
    /// let recording = almanac_datasets::recorded::Recording::load().unwrap();
    /// assert!(recording.series.iter().any(|series| series.labels.metric_name() == "http_requests_total"));
    /// ```
    pub fn load() -> Result<Self, RecordingError> {
        let events = EventBatch { cache: cache_events()?, deploys: deploys()?, incidents: incidents()? };
        Ok(Self { manifest: serde_json::from_str(MANIFEST)?, series: read_series(SAMPLES)?, events })
    }

    /// Returns the timestamp of the newest sample.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        Timestamp::from_millis(newest(&self.series).unwrap_or(self.manifest.first_midnight_ms))
    }

    /// Returns the number of samples.
    #[must_use]
    pub fn n_samples(&self) -> usize {
        self.series.iter().map(|series| series.values.len()).sum()
    }

    /// Shifts all timestamps by the same time, so that the newest sample is at `end`.
    #[must_use]
    pub fn ending_at(mut self, end: Timestamp) -> Self {
        let by = end.millis() - self.end().millis();
        self.manifest.first_midnight_ms += by;
        self.series.iter_mut().flat_map(|series| &mut series.timestamps).for_each(|at| *at += by);
        self.events.cache.iter_mut().for_each(|event| event.timestamp = event.timestamp.plus_millis(by));
        self.events.deploys.iter_mut().for_each(|deploy| deploy.at = deploy.at.plus_millis(by));
        for incident in &mut self.events.incidents {
            incident.started_at = incident.started_at.plus_millis(by);
            incident.ended_at = incident.ended_at.map(|at| at.plus_millis(by));
        }
        self
    }
}

fn cache_events() -> Result<Vec<CacheEvent>, RecordingError> {
    let (mut events, mut unknown) = (Vec::new(), None);
    let sql = "SELECT epoch_ms(timestamp), cache, key, op, bytes::UBIGINT, miss_cost_ms::DOUBLE FROM rows";
    each_row(CACHE_EVENTS, sql, |row| {
        let op: String = row.get(3)?;
        match op.parse::<CacheOp>() {
            Ok(op) => events.push(CacheEvent {
                timestamp: Timestamp::from_millis(row.get(0)?),
                cache: row.get(1)?,
                key: row.get(2)?,
                op,
                bytes: row.get(4)?,
                miss_cost_ms: row.get(5)?,
            }),
            Err(_) => unknown = Some(op),
        }
        Ok(())
    })?;
    match unknown {
        Some(text) => Err(RecordingError::Text { text, what: "cache operation" }),
        None => Ok(events),
    }
}

fn incidents() -> Result<Vec<Incident>, RecordingError> {
    let mut incidents = Vec::new();
    let sql = "SELECT epoch_ms(started_at), epoch_ms(ended_at), title, target FROM rows ORDER BY 1";
    each_row(INCIDENTS, sql, |row| {
        incidents.push(Incident {
            started_at: Timestamp::from_millis(row.get(0)?),
            ended_at: Some(Timestamp::from_millis(row.get(1)?)),
            title: row.get(2)?,
            target: Some(row.get(3)?),
            source: "recorder".into(),
            verdict: IncidentVerdict::Real,
        });
        Ok(())
    })?;
    Ok(incidents)
}

fn deploys() -> Result<Vec<Deploy>, RecordingError> {
    let mut deploys = Vec::new();
    each_row(DEPLOYS, "SELECT epoch_ms(\"at\"), service, version FROM rows ORDER BY 1", |row| {
        deploys.push(Deploy {
            at: Timestamp::from_millis(row.get(0)?),
            service: row.get(1)?,
            version: Some(row.get(2)?),
        });
        Ok(())
    })?;
    Ok(deploys)
}

#[cfg(test)]
mod tests {
    use almanac_engine::series::is_stale;

    use super::*;

    #[test]
    fn recording_is_whole_and_small() {
        let recording = Recording::load().unwrap();
        let facts = &recording.manifest.files;
        assert_eq!(recording.n_samples() as u64, facts["samples.parquet"].rows);
        assert_eq!(recording.events.cache.len() as u64, facts["cache_events.parquet"].rows);
        assert_eq!(recording.events.incidents.len() as u64, facts["incidents.parquet"].rows);
        let bytes: usize = [SAMPLES, CACHE_EVENTS, INCIDENTS, DEPLOYS].iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(bytes <= 10_000_000, "{bytes} bytes");
        for series in &recording.series {
            assert_eq!(series.timestamps.len(), series.values.len());
            assert!(series.timestamps.is_sorted_by(|a, b| a < b), "{}", series.labels);
        }
        let step_ms = recording.manifest.step_seconds * 1000.0;
        let days = (recording.end().millis() - recording.manifest.first_midnight_ms) as f64
            / recording.manifest.day_seconds
            / 1000.0;
        assert!(step_ms <= 5000.0 && days >= 0.99 * recording.manifest.days, "{days} days at {step_ms} ms");
        assert!(recording.series.iter().flat_map(|series| &series.values).any(|value| is_stale(*value)));
    }

    #[test]
    fn moving_the_end_moves_everything() {
        let recording = Recording::load().unwrap();
        let end = Timestamp::from_millis(1_000_000_000_000);
        let by = end.millis() - recording.end().millis();
        let moved = recording.clone().ending_at(end);
        assert_eq!(moved.end(), end);
        let first = |recording: &Recording| recording.events.incidents[0].started_at.millis();
        assert_eq!(first(&moved), first(&recording) + by);
        assert_eq!(moved.events.cache[5].timestamp.millis(), recording.events.cache[5].timestamp.millis() + by);
    }
}
