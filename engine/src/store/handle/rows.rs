//! Methods of [`Store`] for all tables besides samples. Each `put_…` runs on the writer thread in one transaction.

use almanac_models::Timestamp;

use super::Store;
use crate::store::{
    Appended, StoreError,
    rows::{
        AdviceStatusFilter, AdviceStatusRow, AnomalyRow, CacheEvent, CorrelationRow, Deploy, EventBatch, EventFilter,
        ForecastRow, Incident, MetadataFilter, MetadataPut, MetadataRow, OutcomeFilter, OutcomeRow, PeerOutlierRow,
        RecommendationFilter, RecommendationRow, RowFilter, ScrapeTargetRow, SignalFilter, SignalRow,
        SuspectedIncidentRow,
    },
    tables,
};

impl Store {
    /// Writes signals; each replaces the stored one of the same name.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_signals(&self, rows: &[SignalRow]) -> Result<(), StoreError> {
        let rows = rows.to_vec();
        self.write(move |connection| tables::put_signals(connection, &rows))
    }

    /// Lists signals by name.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn signals(&self, filter: &SignalFilter) -> Result<Vec<SignalRow>, StoreError> {
        self.0.shared.readers.with(|connection| tables::signals(connection, filter))
    }

    /// Writes forecasts; they replace those of the same signal that were made at the same time or later.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_forecasts(&self, rows: &[ForecastRow]) -> Result<(), StoreError> {
        let rows = rows.to_vec();
        self.write(move |connection| tables::put_forecasts(connection, &rows))
    }

    /// Lists forecasts by signal, instant and `made_at`.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn forecasts(&self, filter: &RowFilter) -> Result<Vec<ForecastRow>, StoreError> {
        self.0.shared.readers.with(|connection| tables::forecasts(connection, filter))
    }

    /// Writes anomaly scores; each replaces the stored one of the same signal and instant.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_anomalies(&self, rows: &[AnomalyRow]) -> Result<(), StoreError> {
        let rows = rows.to_vec();
        self.write(move |connection| tables::put_anomalies(connection, &rows))
    }

    /// Lists anomaly scores by signal and instant.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn anomalies(&self, filter: &RowFilter) -> Result<Vec<AnomalyRow>, StoreError> {
        self.0.shared.readers.with(|connection| tables::anomalies(connection, filter))
    }

    /// Writes suspected incidents; they replace all stored ones that started at `since` or later.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_suspected_incidents(&self, rows: &[SuspectedIncidentRow], since: Timestamp) -> Result<(), StoreError> {
        let rows = rows.to_vec();
        self.write(move |connection| tables::put_suspected_incidents(connection, &rows, since))
    }

    /// Lists suspected incidents by start; `names` filters by the signal that deviated first.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn suspected_incidents(&self, filter: &EventFilter) -> Result<Vec<SuspectedIncidentRow>, StoreError> {
        self.0.shared.readers.with(|connection| tables::suspected_incidents(connection, filter))
    }

    /// Writes spans in which a series differed from its peers; a stored span of the same series that overlaps is merged
    /// in.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_peer_outliers(&self, rows: &[PeerOutlierRow]) -> Result<(), StoreError> {
        let rows = rows.to_vec();
        self.write(move |connection| tables::put_peer_outliers(connection, &rows))
    }

    /// Lists peer outliers by start; `names` filters by series.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn peer_outliers(&self, filter: &EventFilter) -> Result<Vec<PeerOutlierRow>, StoreError> {
        self.0.shared.readers.with(|connection| tables::peer_outliers(connection, filter))
    }

    /// Writes correlations; they replace all stored ones.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_correlations(&self, rows: &[CorrelationRow]) -> Result<(), StoreError> {
        let rows = rows.to_vec();
        self.write(move |connection| tables::put_correlations(connection, &rows))
    }

    /// Lists correlations, the strongest first; `names` filters by the leader.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn correlations(&self, filter: &EventFilter) -> Result<Vec<CorrelationRow>, StoreError> {
        self.0.shared.readers.with(|connection| tables::correlations(connection, filter))
    }

    /// Writes recommendations; each replaces the stored one of the same id.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_recommendations(&self, rows: &[RecommendationRow]) -> Result<(), StoreError> {
        self.put_ledger(rows, &[])
    }

    /// Lists recommendations, the newest first.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn recommendations(&self, filter: &RecommendationFilter) -> Result<Vec<RecommendationRow>, StoreError> {
        self.0.shared.readers.with(|connection| tables::recommendations(connection, filter))
    }

    /// Writes recommendations and their outcomes in one transaction.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_ledger(&self, rows: &[RecommendationRow], outcomes: &[OutcomeRow]) -> Result<(), StoreError> {
        let (rows, outcomes) = (rows.to_vec(), outcomes.to_vec());
        self.write(move |connection| tables::put_ledger(connection, &rows, &outcomes))
    }

    /// Appends outcomes; a repeated outcome is ignored.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_outcomes(&self, rows: &[OutcomeRow]) -> Result<(), StoreError> {
        self.put_ledger(&[], rows)
    }

    /// Lists outcomes in insertion order.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn outcomes(&self, filter: &OutcomeFilter) -> Result<Vec<OutcomeRow>, StoreError> {
        self.0.shared.readers.with(|connection| tables::outcomes(connection, filter))
    }

    /// Writes events; those of a repeated batch are ignored and counted as `unchanged`.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`, `InvalidRow`.
    pub fn put_events(&self, events: EventBatch) -> Result<Appended, StoreError> {
        self.write(move |connection| tables::put_events(connection, &events))
    }

    /// Lists cache events by time, ties in arrival order.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn cache_events(&self, filter: &EventFilter) -> Result<Vec<CacheEvent>, StoreError> {
        self.0.shared.readers.with(|connection| tables::cache_events(connection, filter))
    }

    /// Lists deploys by time.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn deploys(&self, filter: &EventFilter) -> Result<Vec<Deploy>, StoreError> {
        self.0.shared.readers.with(|connection| tables::deploys(connection, filter))
    }

    /// Lists incidents by start.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn incidents(&self, filter: &EventFilter) -> Result<Vec<Incident>, StoreError> {
        self.0.shared.readers.with(|connection| tables::incidents(connection, filter))
    }

    /// Writes advice status rows. They replace all rows of the kinds in `kinds` and of the rows' own kinds, so that a
    /// kind in `kinds` without a row has no rows afterwards.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_advice_status(&self, kinds: &[&str], rows: &[AdviceStatusRow]) -> Result<(), StoreError> {
        let (kinds, rows): (Vec<String>, _) = (kinds.iter().map(|&kind| kind.to_owned()).collect(), rows.to_vec());
        self.write(move |connection| tables::put_advice_status(connection, &kinds, &rows))
    }

    /// Lists advice status rows by kind and target.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn advice_status(&self, filter: &AdviceStatusFilter) -> Result<Vec<AdviceStatusRow>, StoreError> {
        self.0.shared.readers.with(|connection| tables::advice_status(connection, filter))
    }

    /// Writes metadata; each row replaces the stored one of its metric. An empty field (type unknown, no help, no unit)
    /// keeps its stored value. Unchanged rows are not written, and metadata that alternates between senders is written
    /// at most once an hour, so that the call is cheap for every batch.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_metadata(&self, rows: &[MetadataRow]) -> Result<MetadataPut, StoreError> {
        let (changed, put) = self.0.shared.metadata.changed(rows);
        if changed.is_empty() {
            return Ok(put);
        }
        let stored = changed.clone();
        self.write(move |connection| tables::put_metadata(connection, &stored))?;
        self.0.shared.metadata.update(changed);
        Ok(put)
    }

    /// Lists metadata by metric, from memory.
    #[must_use]
    pub fn metadata(&self, filter: &MetadataFilter) -> Vec<MetadataRow> {
        self.0.shared.metadata.list(filter)
    }

    /// Returns the metadata of the metric that a series name belongs to, such as that of `x` for `x_bucket`.
    #[must_use]
    pub fn metadata_of(&self, name: &str) -> Option<MetadataRow> {
        self.0.shared.metadata.of(name)
    }

    /// Updates the state of scrape targets; each row replaces the one of the same job and URL. Memory is updated at
    /// once, the disk when a target is new or its health or error changed, otherwise once a minute.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_scrape_targets(&self, rows: &[ScrapeTargetRow]) -> Result<(), StoreError> {
        match self.0.shared.targets.put(rows) {
            Some(all) => self.write(move |connection| tables::put_scrape_targets(connection, &all)),
            None => Ok(()),
        }
    }

    /// Deletes every scrape target whose job and URL are not listed. Call it after the configuration is read.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn retain_scrape_targets(&self, configured: &[(String, String)]) -> Result<(), StoreError> {
        match self.0.shared.targets.retain(configured) {
            Some(all) => self.write(move |connection| tables::put_scrape_targets(connection, &all)),
            None => Ok(()),
        }
    }

    /// Lists scrape targets by job and URL, from memory.
    #[must_use]
    pub fn scrape_targets(&self) -> Vec<ScrapeTargetRow> {
        self.0.shared.targets.list()
    }
}
